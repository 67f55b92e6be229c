// Command evaluate asks models what they were taught and shows what share they get right, part by part, side by side.
// "go run ./examples/evaluate -h" is its manual.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/docent-ml/docent/chunk"
	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/examples/internal/backend"
	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/examples/internal/documents"
	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/examples/internal/progress"
	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/lora/evaluate"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/serve/engine"
)

func main() {
	if documents.RunChild() {
		return
	}
	program.Main(run)
}

const passageSize, passageOverlap = 640, 128 // characters

func run(ctx context.Context, args, environ []string, stdout io.Writer) error {
	cfg, explain, done, err := program.Settings(config.LoadJudge, config.JudgeHelp, args, environ, stdout)
	if done || err != nil {
		return err
	}
	log, err := program.Logger(os.Stderr, cfg.Common, explain.Notes)
	if err != nil {
		return err
	}
	j := &judge{Judge: cfg, environ: environ, log: log, show: progress.New(os.Stderr, progress.Options{})}
	suite, err := j.suite(ctx)
	if err != nil {
		return err
	}
	var results []*evaluate.Result
	for i, ref := range cfg.Models {
		r, err := j.ask(ctx, i, ref, suite)
		if err != nil {
			return fmt.Errorf("%s: %w", ref, err)
		}
		results = append(results, r)
	}
	return table(stdout, cfg.Models, results)
}

type judge struct {
	config.Judge
	environ []string
	log     *slog.Logger
	show    *progress.Progress
}

// suite are the questions: of the facts that can be used, and what lies beside them.
func (j *judge) suite(ctx context.Context) (evaluate.Suite, error) {
	passages := documents.Passages(documents.Cut(chunk.Options{Size: passageSize, Overlap: passageOverlap},
		documents.Read(ctx, j.Docs, "", ingest.Options{Logger: j.log})))
	dir := os.DirFS(j.Facts)
	var facts []dataset.GroundedFact
	for f, err := range dataset.Ground(ctx, dataset.ReadFile[dataset.Fact](dir, "facts.jsonl"), passages) {
		if _, item := errors.AsType[*dataset.LineError](err); item {
			j.log.Warn("fact left out", "error", err)
			continue
		}
		if err != nil {
			return evaluate.Suite{}, fmt.Errorf("facts: %w", err)
		}
		facts = append(facts, f)
	}
	s, err := evaluate.Open(dir, facts)
	if err != nil {
		return s, err
	}
	return s.Complete(0).Limit(j.Limit), nil
}

// ask loads a model and asks it everything, but for what an interrupted run has answers to.
func (j *judge) ask(ctx context.Context, nth int, ref string, s evaluate.Suite) (result *evaluate.Result, err error) {
	device, err := backend.Open(j.Backend, backend.Options{Environ: j.environ, Logger: j.log})
	if err != nil {
		return nil, err
	}
	defer device.Close()
	where, remove, err := j.fetch(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer remove()
	e, err := engine.Load(ctx, where, engine.Options{
		Backend: device.Backend, Precision: backend.Precision(j.Precision), Slots: 16, Hub: backend.Hub(j.Hub), Logger: j.log,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	var known []evaluate.Answer
	file := ""
	if j.Out != "" {
		if err := os.MkdirAll(j.Out, 0o755); err != nil {
			return nil, err
		}
		file = filepath.Join(j.Out, fmt.Sprintf("answers_%d.jsonl", nth+1))
		for a, err := range dataset.ReadFile[evaluate.Answer](os.DirFS(j.Out), filepath.Base(file)) {
			if errors.Is(err, fs.ErrNotExist) {
				break
			}
			if err != nil {
				return nil, err
			}
			known = append(known, a)
		}
	}
	result, err = evaluate.Run(ctx, evaluate.Served(e), s, evaluate.Options{
		Known: known, Progress: func(_ evaluate.Answer, done, of int) { j.show.Show("ask", int64(done), int64(of)) },
	})
	j.show.End()
	if result != nil && file != "" {
		_, fault := dataset.WriteFile(file, dataset.Values(result.Answers))
		err = errors.Join(err, fault)
	}
	return result, err
}

// fetch brings a version of a registered model here, for as long as it is asked; other references are the engine's.
func (j *judge) fetch(ctx context.Context, ref string) (where string, remove func(), err error) {
	remove = func() {}
	if !strings.HasPrefix(ref, "models:/") {
		return ref, remove, nil
	}
	uri, err := registry.ParseURI(ref)
	if err != nil {
		return "", remove, err
	}
	reg, err := program.OpenRegistry(ctx, j.Common, program.RegistryOptions{MustExist: true, Logger: j.log})
	if err != nil {
		return "", remove, err
	}
	defer func() { err = errors.Join(err, reg.Close()) }()
	v, err := reg.Resolve(ctx, uri)
	if err != nil {
		return "", remove, err
	}
	dir, err := os.MkdirTemp("", "docent-evaluate-")
	if err != nil {
		return "", remove, err
	}
	remove = func() { os.RemoveAll(dir) }
	dir = filepath.Join(dir, "model")
	return "dir:" + dir, remove, reg.Download(ctx, v, dir)
}

// table shows the shares side by side. Of everyday requests those count that the first model gets right.
func table(w io.Writer, refs []string, results []*evaluate.Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprint(t, "asked")
	for _, ref := range refs {
		fmt.Fprintf(t, "\t%s", ref)
	}
	fmt.Fprintln(t)
	for _, s := range results[0].Shares() {
		fmt.Fprint(t, strings.ReplaceAll(string(s.Part), "_", " "))
		for i, r := range results {
			share := r.Share(s.Part)
			if i > 0 && s.Part == evaluate.General {
				share = r.Against(results[0]).Share(s.Part)
			}
			fmt.Fprintf(t, "\t%.0f %% (%.0f to %.0f), %d of %d", 100*share.Value(), 100*share.Low, 100*share.High, share.Right, share.Of)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}
