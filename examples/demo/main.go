// Command demo shows docent from end to end: it builds the trainer and the server, trains a model on course guides,
// serves it beside its base model, asks both a few questions through the official OpenAI client, and says what to type
// next. Run it from the repository:
//
//	go run ./examples/demo -base ./SmolLM2-135M-Instruct.Q4_1.gguf
//
// It is a client of the two programs and of nothing else. What follows "--" goes to the trainer:
//
//	go run ./examples/demo -base ./model.gguf -- -epochs 4
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/examples/internal/progress"
)

func main() { program.Main(run) }

// demo is what the flags say.
type demo struct {
	base, backend, docs, facts, data string
	questions                        int
	alone                            bool
	trainer                          []string // further arguments
	environ                          []string
	stdout                           io.Writer
}

const usage = `demo trains a model on documents, serves it, and asks it questions beside its base model.

Usage

  go run ./examples/demo [flags] [-- flags of the trainer]

Flags

`

func run(ctx context.Context, args, environ []string, stdout io.Writer) error {
	began := time.Now()
	d := demo{environ: environ, stdout: stdout}
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // main prints the error
	flags.StringVar(&d.base, "base", "HuggingFaceTB/SmolLM2-135M-Instruct", "base model: a .gguf file, a folder (./model) or a Hub id")
	flags.StringVar(&d.backend, "backend", "auto", "what computes: auto, go, xla:cpu, xla:cuda or xla:/path/plugin.so")
	flags.StringVar(&d.docs, "docs", filepath.Join("examples", "trainer", "testdata", "course-guides"), "folder of documents")
	flags.StringVar(&d.facts, "facts", "", "questions and answers about them; facts.jsonl beside the documents when empty")
	flags.StringVar(&d.data, "data", "data", "folder for all that is made")
	flags.BoolVar(&d.alone, "alone", false, "learn from the documents alone: the facts are read to ask in the end, which takes half an hour in all")
	flags.IntVar(&d.questions, "questions", 3, "questions to ask at the end; with 0 the server is not started")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return program.Help(stdout, usage, flags)
	case err != nil:
		return fmt.Errorf("%w: see -h", err)
	}
	d.trainer = flags.Args()
	if d.facts == "" {
		d.facts = filepath.Join(d.docs, "facts.jsonl")
	}
	if _, err := os.Stat(d.facts); err != nil {
		return fmt.Errorf("facts: %w", err)
	}
	d.say("build", "the programs")
	if err := d.build(ctx, ".", "./examples/trainer", "./examples/server", "./examples/evaluate"); err != nil {
		return err
	}
	if d.questions > 0 {
		d.say("build", "OpenAI's client, to ask with")
		if err := d.build(ctx, filepath.Join("examples", "demo", "ask"), "."); err != nil {
			return err
		}
	}
	if err := d.train(ctx); err != nil {
		return err
	}
	if d.questions > 0 {
		if err := d.ask(ctx); err != nil {
			return err
		}
	}
	d.next(time.Since(began))
	return nil
}

// build compiles programs of the module around dir, so that the demo runs the code beside it and a stop signal reaches the
// program itself.
func (d demo) build(ctx context.Context, dir string, programs ...string) error {
	bin, err := filepath.Abs(d.bin(""))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", bin + string(filepath.Separator)}, programs...)...)
	cmd.Dir = dir
	// A fifth of the time goes into collecting the compiler's garbage. A GOGC of the environment stands, for the last wins.
	cmd.Stderr, cmd.Env = os.Stderr, slices.Concat([]string{"GOGC=400"}, d.environ)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build: %w: run the demo in the root of the repository, with Go installed", err)
	}
	return nil
}

// bin is the path of a program.
func (d demo) bin(name string) string {
	if name != "" && runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(d.data, "bin", name)
}

// common are the flags that both programs take.
func (d demo) common() []string {
	return []string{"-backend", d.backend, "-registry", "file:" + filepath.Join(d.data, "registry"), "-name", modelName}
}

func (d demo) train(ctx context.Context) error {
	args := append(d.common(), "-docs", d.docs, "-base", d.base, "-data", d.data)
	if d.alone {
		args = append(args, "-questions", "structure")
	} else {
		args = append(args, "-facts", d.facts, "-row-tokens", demoTokens)
	}
	if err := d.run(ctx, "trainer", append(args, d.trainer...)...); err != nil || !d.alone {
		return err
	}
	d.say("ask", "what people would ask, which it was not trained on")
	return d.run(ctx, "evaluate", append(d.common(), "-facts", filepath.Dir(d.facts), "-docs", d.docs, "-model", d.base, "-model", filepath.Join(d.data, "model_out"), "-limit", "40")...)
}

// demoTokens keeps the training of the demo to some five minutes; without it each fact is asked half as often again.
const demoTokens = "35000"

func (d demo) run(ctx context.Context, name string, args ...string) error {
	cmd := child(ctx, d.bin(name), args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = d.stdout, os.Stderr, d.environ
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, errors.Join(err, ctx.Err()))
	}
	return nil
}

func (d demo) say(stage, text string) { fmt.Fprintf(d.stdout, "%-9s %s\n", stage, text) }

func (d demo) next(elapsed time.Duration) {
	fmt.Fprintf(d.stdout, `
Done in %s. Next:

  look at the report        %s
  serve the model           go run ./examples/server -registry file:%s -backend %s
  use your own documents    go run ./examples/trainer -docs ./your-folder -base %s
  see all settings          go run ./examples/trainer -h
`, progress.Duration(elapsed), filepath.Join(d.data, "report.html"), filepath.Join(d.data, "registry"), d.backend, d.base)
}
