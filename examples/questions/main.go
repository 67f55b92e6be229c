// Command questions makes questions with answers out of a folder of documents, to look at and edit before training:
//
//	go run ./examples/questions ./guides -out facts.jsonl
//
// A line is {"doc_id", "question", "answer", "questions": other wordings, "passage": the sentence or row that says so}. Rules make
// them; a model writes more if one is named: -model, run by docent itself, or -questions-url, any server with OpenAI's API.
//
// Lines of -out that are there stay as they are, edited ones too, and what was taken out does not come back: the folder of -cache
// remembers what was made. It also keeps what the model wrote, so that a run that was broken off goes on.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/questions"
	"github.com/docent-ml/docent/dataset/questions/writer"
	"github.com/docent-ml/docent/examples/internal/documents"
	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/examples/internal/progress"
	"github.com/docent-ml/docent/lora"
	"github.com/docent-ml/docent/serve/engine"
)

func main() {
	if documents.RunChild() {
		return
	}
	program.Main(run)
}

// command is what the flags say.
type command struct {
	folder, out, cache  string
	wordings            int
	model, precision    string
	endpoint            writer.Endpoint
	budget, concurrency int
	unverified          bool
	priceIn, priceOut   float64
}

const usage = `questions makes questions with answers out of a folder of documents (PDF, Word, HTML, Markdown, plain text).

Usage

  go run ./examples/questions FOLDER -out facts.jsonl [flags]

Lines that are in the file already stay as they are. QUESTIONS_KEY in the environment is the key for -questions-url.

Flags

`

func (c *command) flags() *flag.FlagSet {
	f := flag.NewFlagSet("questions", flag.ContinueOnError)
	f.SetOutput(io.Discard) // main prints the error
	f.StringVar(&c.out, "out", "", "file for the facts, JSON lines; required")
	f.StringVar(&c.cache, "cache", "", "folder that remembers what was made; the name of -out with .cache when empty")
	f.IntVar(&c.wordings, "wordings", 10, "most wordings of a question")
	f.StringVar(&c.model, "model", "", "have this model write questions too, run by docent: a Hub id, dir:FOLDER or file:MODEL.gguf")
	f.StringVar(&c.precision, "precision", "", "type of its weights: f32, or int8 for a third of the memory; f32 when empty")
	f.StringVar(&c.endpoint.URL, "questions-url", "", "have a model behind this address of OpenAI's API write, such as https://host/v1")
	f.StringVar(&c.endpoint.Model, "questions-model", "", "name of the model there")
	f.DurationVar(&c.endpoint.Timeout, "questions-timeout", 2*time.Minute, "time for one answer")
	f.IntVar(&c.concurrency, "concurrency", 4, "prompts at the same time")
	f.IntVar(&c.budget, "budget", 0, "tokens of prompts and answers after which the model is asked nothing more; 0 = no limit")
	f.Float64Var(&c.priceIn, "price-in", 0, "price of a million tokens of prompts, to tell what the run cost")
	f.Float64Var(&c.priceOut, "price-out", 0, "price of a million tokens of answers")
	f.BoolVar(&c.unverified, "unverified", false, "do not have the model answer its own questions from the passage")
	return f
}

// parse takes the folder before, between or behind the flags. The key comes from the environment alone, which process lists do
// not show.
func (c *command) parse(args, environ []string) error {
	rest, err := program.Operands(c.flags(), args)
	if err != nil {
		return err
	}
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, "QUESTIONS_KEY="); ok {
			c.endpoint.Key = value
		}
	}
	switch {
	case len(rest) != 1:
		return fmt.Errorf("one folder must be named, not %d: questions FOLDER -out facts.jsonl", len(rest))
	case c.out == "":
		return errors.New("-out must name the file for the facts")
	case c.model != "" && c.endpoint.URL != "":
		return errors.New("-model and -questions-url are two models: name one of them")
	case (c.endpoint.URL == "") != (c.endpoint.Model == ""):
		return errors.New("-questions-url and -questions-model belong together: give both")
	case c.wordings < 1 || c.concurrency < 1 || c.budget < 0:
		return errors.New("-wordings and -concurrency must be above 0, -budget not below")
	}
	c.folder = rest[0]
	if c.cache == "" {
		c.cache = c.out + ".cache"
	}
	return nil
}

// run is the program. Beside stdout it writes logs to standard error, and the two files.
func run(ctx context.Context, args, environ []string, stdout io.Writer) error {
	var c command
	if err := c.parse(args, environ); errors.Is(err, flag.ErrHelp) {
		return program.Help(stdout, usage, new(command).flags())
	} else if err != nil {
		return err
	}
	out := progress.New(stdout, progress.Options{Log: os.Stderr})
	defer out.End()
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	asked, err := c.documents(ctx, log, out)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.cache, 0o777); err != nil {
		return fmt.Errorf("-cache: %w", err)
	}
	o := questions.Options{
		Wordings: c.wordings, CacheDir: c.cache, Concurrency: c.concurrency, Budget: c.budget, Unverified: c.unverified,
		Progress: func(done, total int) { out.Show("ask", int64(done), int64(total)) },
	}
	switch {
	case c.endpoint.URL != "":
		o.Generator = c.endpoint
	case c.model != "":
		m, err := engine.Load(ctx, c.model, engine.Options{Precision: lora.Precision(c.precision), Slots: c.concurrency})
		if err != nil {
			return fmt.Errorf("-model: %w", err)
		}
		defer m.Close()
		o.Generator = writer.Served(c.model, m)
	}
	facts, report, err := questions.FromDocuments(ctx, asked, o)
	out.End()
	if err != nil {
		return fmt.Errorf("%w (what the model wrote is in %s, and is taken up when this is run again)", err, c.cache)
	}
	kept, added, err := c.save(facts)
	if err != nil {
		return err
	}
	fmt.Fprint(stdout, &report)
	if cost := (c.priceIn*float64(report.PromptTokens) + c.priceOut*float64(report.OutputTokens)) / 1e6; cost > 0 {
		fmt.Fprintf(stdout, "cost: %.4f\n", cost)
	}
	_, err = fmt.Fprintf(stdout, "facts: %s, %d lines kept, %d added\n", c.out, kept, added)
	return err
}

// offered is a question that was put into the file by this or an earlier run.
type offered struct {
	Question string `json:"question"`
}

// save adds the facts to the file that were never in it. Its lines stay, whatever was made of them.
func (c *command) save(facts []dataset.GroundedFact) (kept, added int, err error) {
	var lines []dataset.Fact
	known := map[string]bool{}
	for fact, err := range dataset.ReadFile[dataset.Fact](os.DirFS(filepath.Dir(c.out)), filepath.Base(c.out)) {
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return 0, 0, fmt.Errorf("%w; correct it, or name another file: nothing was changed", err)
		}
		lines = append(lines, fact)
		for _, q := range fact.Wordings() {
			known[q] = true
		}
	}
	memory := filepath.Join(c.cache, "offered.jsonl")
	var memorised []offered
	for o, err := range dataset.ReadFile[offered](os.DirFS(c.cache), "offered.jsonl") {
		if err == nil {
			memorised = append(memorised, o)
			known[o.Question] = true
		}
	}
	kept = len(lines)
	for _, f := range facts {
		if !known[f.Question] {
			lines = append(lines, f.Fact)
			memorised = append(memorised, offered{f.Question})
		}
	}
	if len(lines) == 0 {
		return 0, 0, errors.New("the documents gave no question: the report says why; a model may find some, see -model and -questions-url")
	}
	if _, err := dataset.WriteFile(c.out, dataset.Values(lines)); err != nil {
		return 0, 0, err
	}
	_, err = dataset.WriteFile(memory, dataset.Values(memorised))
	return kept, len(lines) - kept, err
}
