package docent_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"testing/fstest"

	"github.com/docent-ml/docent/chunk"
	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/questions"
	"github.com/docent-ml/docent/dataset/recipe"
	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/lora"
	"github.com/docent-ml/docent/lora/evaluate"
	"github.com/docent-ml/docent/serve/engine"
)

// From a folder of documents to an adapter, and to its answers: what examples/trainer does, without its settings, checkpoints and
// report. The model is a random one of two layers, to be trained within a second; a real one is named in its place.
func Example() {
	ctx := context.Background()
	work, err := os.MkdirTemp("", "docent-")
	check(err)
	defer os.RemoveAll(work)
	model := filepath.Join(work, "model")
	check(os.Mkdir(model, 0o755))
	check(testmodel.WriteTo(model, 1))
	folder := fstest.MapFS{"club.md": {Data: []byte("# Hollin Rowing Club\n\nThe club meets on Tuesdays. The yearly fee of the club is 85 crowns. The coach is Mira Tolland.")}}

	// Documents to passages, and to questions that they answer, each in several wordings.
	var documents []questions.Document
	for doc, err := range ingest.Walk(ctx, folder, ingest.Options{}) {
		check(err)
		d := questions.Document{Source: doc.Path}
		var sections []chunk.Section
		for _, page := range doc.Pages {
			d.Pages = append(d.Pages, page.Text)
			sections = append(sections, chunk.Section{Source: doc.Path, Page: page.Number, Text: page.Text})
		}
		splitter, err := chunk.New(chunk.DefaultOptions())
		check(err)
		for c, err := range splitter.Split(dataset.Values(sections)) {
			check(err)
			d.Passages = append(d.Passages, dataset.Passage{ID: c.ID, Source: c.Source, Text: c.Text})
		}
		documents = append(documents, d)
	}
	facts, _, err := questions.FromDocuments(ctx, documents, questions.Options{})
	check(err)

	// Facts to rows, one wording of each held back, and rows to an adapter.
	facts, reworded := evaluate.HoldBack(facts)
	rows, err := recipe.Recipe{Closed: 4, Open: 1, Swapped: 1, Unknown: 1}.Rows(1, facts, nil)
	check(err)
	base, err := lora.OpenBase(ctx, model, lora.BaseOptions{})
	check(err)
	defer base.Close()
	config := lora.DefaultConfig()
	config.Epochs, config.MaxSteps = 0, 3
	trainer, err := lora.NewTrainer(base, config, lora.Options{})
	check(err)
	defer trainer.Close()
	examples, err := trainer.Tokenize(ctx, dataset.Values(rows))
	check(err)
	for step, err := range trainer.Steps(ctx, examples) {
		check(err)
		fmt.Println("step", step.N, "of", step.Total)
	}
	adapter, err := trainer.Adapter()
	check(err)
	check(adapter.Save(ctx, filepath.Join(work, "adapter")))

	// The adapter on top of the weights that it was trained on, asked in words that it has not seen.
	loaded, err := engine.New(base, engine.Options{})
	check(err)
	defer loaded.Close()
	tuned, err := loaded.Attach(ctx, os.DirFS(filepath.Join(work, "adapter")))
	check(err)
	defer tuned.Close()
	result, err := evaluate.Run(ctx, evaluate.Served(tuned), evaluate.Suite{Facts: facts, Reworded: reworded}, evaluate.Options{MaxTokens: 8})
	check(err)
	fmt.Println("asked in other words:", result.Share(evaluate.Reworded).Of > 0)
	// Output:
	// step 1 of 3
	// step 2 of 3
	// step 3 of 3
	// asked in other words: true
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
