package dataset_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing/fstest"

	"github.com/docent-ml/docent/dataset"
)

// Passages to rows on disk, and back to the two sides that training needs.
func Example() {
	dir, err := os.MkdirTemp("", "dataset")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	passages := dataset.Read[dataset.Passage](strings.NewReader(`
{"id":"a.pdf#0","source":"a.pdf","text":"Kelp forests grow in cold water."}
{"id":"b.pdf#0","source":"b.pdf","text":"The second law is about entropy."}
{"id":"b.pdf#1","source":"b.pdf","text":"Exergy is what can be used of energy."}`))

	n, err := dataset.WriteFile(filepath.Join(dir, "train.jsonl"), dataset.Build(context.Background(), passages, dataset.Continuation{Lead: 0.4}))
	fmt.Println(n, err)

	rows := dataset.ReadFile[dataset.Row](os.DirFS(dir), "train.jsonl")
	split := dataset.Split{Fraction: 0.5}
	for row, err := range split.Eval(rows) {
		fmt.Printf("%s %q %q %v\n", row.ID, row.Prompt, row.Completion, err)
	}
	// Output:
	// 3 <nil>
	// a.pdf#0 "Kelp forests" " grow in cold water." <nil>
}

// A fact that no passage bears out is seen and not lost.
func ExampleGround() {
	files := fstest.MapFS{"facts.jsonl": {Data: []byte(`
{"doc_id":"guide.pdf","question":"What is the pass mark?","answer":"55 out of 100"}
{"doc_id":"guide.pdf","question":"Who teaches it?","answer":"Dr Nobody"}`)}}
	passages := func(yield func(dataset.Passage, error) bool) {
		_ = yield(dataset.Passage{ID: "g#0", Source: "docs/guide.pdf", Text: "Kelp forests are in week 7."}, nil) &&
			yield(dataset.Passage{ID: "g#1", Source: "docs/guide.pdf", Text: "The pass mark is\n55 out of 100."}, nil)
	}
	ctx := context.Background()
	grounded := dataset.Ground(ctx, dataset.ReadFile[dataset.Fact](files, "facts.jsonl"), passages)
	for fact, err := range grounded {
		if err == nil && !fact.Found {
			fmt.Printf("no passage says %q\n", fact.Answer)
		}
	}
	// Output:
	// no passage says "Dr Nobody"
}
