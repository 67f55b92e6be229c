package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/docent-ml/docent/examples/internal/backend"
	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/examples/internal/progress"
	"github.com/docent-ml/docent/examples/internal/report"
	"github.com/docent-ml/docent/examples/internal/tracing"
	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/lora"
	"github.com/docent-ml/docent/lora/evaluate"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/gate"
	"github.com/docent-ml/docent/serve/engine"
)

// pipeline is one run of the trainer: the settings, what is open, and what was found out so far. Every stage leaves
// its result in files below -data, from which the next one reads, so that a run that was stopped can go on.
type pipeline struct {
	config.Trainer
	args, environ []string
	origins       []report.SettingOrigin
	log           *slog.Logger
	out           *progress.Progress
	spans         *tracing.Tracer

	state       state
	staleInputs string         // what has changed since the run began that is resumed
	closers     []func() error // of what is open; the last opened goes first
	registry    program.Registry
	tracked     registry.Run
	recorded    map[string]registry.Metric // what the run had when it was resumed, by key: the last points
	untold      error                      // the first metric that the registry did not take
	device      *backend.Device
	base        *lora.Base
	engine      *engine.Engine // answers from the weights of base
	info        lora.ModelInfo // of the base model
	tokens      func(text string) int
	config      lora.Config
	set         set
	history     *history

	found         ingest.Report    // what became of each document
	suite         evaluate.Suite   // what the models are asked
	before, after *evaluate.Result // what they answered

	started time.Time
	stages  []report.Stage
	speeds  []evaluate.Speed
	verdict gate.Verdict

	perplexity struct{ base, tuned float64 } // of general prose
	production map[string]float64            // metrics of the version that was in Production
	published  registry.Version
}

// run goes through all stages; a fault anywhere ends the run in the registry too.
func (p *pipeline) run(ctx context.Context) (err error) {
	p.started = time.Now()
	defer func() { err = p.finish(ctx, err) }()
	ctx, end := p.spans.Span(ctx, "train a model")
	defer func() { end(err) }()
	for _, s := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"open", p.open},                 // the data folder, the registry, the device
		{"read documents", p.read},       // documents.jsonl
		{"load base model", p.load},      //
		{"make rows", p.prepare},         // chunks.jsonl, suite.jsonl, general.jsonl, train.jsonl, eval.jsonl
		{"tokenize", p.setUp},            // the trainer, as it will be used
		{"start run", p.startTracking},   // the run in the registry, run.json
		{"ask base model", p.askBefore},  // answers_before.jsonl
		{"train", p.train},               // artifacts_tmp, history.jsonl, adapter
		{"merge", p.merge},               // model_out
		{"ask tuned model", p.askAfter},  // answers_after.jsonl
		{"register, promote", p.publish}, // the version in the registry
		{"write report", p.makeReport},   // report.html
	} {
		began := time.Now()
		ctx, end := p.spans.Span(ctx, s.name)
		err := s.do(ctx)
		if end(err); err != nil {
			return err
		}
		p.out.End()
		stage := report.Stage{Name: s.name, Elapsed: time.Since(began)}
		if s.name == "train" && p.set.at > 0 {
			stage.Note = fmt.Sprintf("from step %d on: the run was resumed", p.set.at+1)
			if p.staleInputs != "" {
				stage.Note += ", with the rows of its beginning, since when " + p.staleInputs
			}
		}
		p.stages = append(p.stages, stage)
	}
	return nil
}

// file is a path below -data.
func (p *pipeline) file(name string) string { return filepath.Join(p.Data, name) }

// open fails on what is wrong with the surroundings before any work is done.
func (p *pipeline) open(ctx context.Context) error {
	if err := os.MkdirAll(p.Data, 0o755); err != nil {
		return fmt.Errorf("working folder: %w", err)
	}
	unlock, err := program.LockFolder(p.Data, p.environ, p.log)
	if err != nil {
		return err
	}
	p.closers = append(p.closers, unlock)
	if err := p.openState(); err != nil {
		return err
	}
	if _, err = gate.Parse(p.Gate); err != nil {
		return err
	}
	if p.registry, err = program.OpenRegistry(ctx, p.Common, program.RegistryOptions{BufferDir: p.file("metrics_unsent"), HTTP: p.spans.Client(), Logger: p.log}); err != nil {
		return err
	}
	p.closers = append(p.closers, p.registry.Close)
	if p.device, err = backend.Open(p.Backend, p.deviceOptions()); err != nil {
		return err
	}
	p.closers = append(p.closers, func() error { p.device.Close(); return nil })
	p.out.Say("device", "%s: %s", p.device.Name, p.device.Why)
	return ctx.Err()
}

func (p *pipeline) deviceOptions() backend.Options {
	return backend.Options{Environ: p.environ, Logger: p.log}
}

// load opens the base model on the device.
func (p *pipeline) load(ctx context.Context) (err error) {
	p.base, err = lora.OpenBase(ctx, p.Base, lora.BaseOptions{
		Backend: p.device.Backend, Precision: backend.Precision(p.Precision),
		Hub: backend.Hub(p.Hub), Logger: p.log,
		Progress: func(s lora.Progress) { p.out.Show(s.Stage, s.Done, s.Total) },
	})
	if err != nil {
		return explainBase(err)
	}
	p.closers = append(p.closers, p.base.Close)
	p.info = p.base.Info()
	if p.tokens, err = p.base.TokenCounter(); err != nil {
		return fmt.Errorf("base model: %w", err)
	}
	p.out.Say("base", "%s: %s, %s parameters, %s", p.info.Ref, p.info.Architecture, report.Count(p.info.Parameters), p.info.Precision)
	return nil
}

// explainBase says what to do about a base model that does not open.
func explainBase(err error) error {
	switch {
	case errors.Is(err, lora.ErrNotFound):
		return fmt.Errorf("base model: %w\n  -base takes a Hub id (owner/name), a folder in Hugging Face layout (./model) or a .gguf file", err)
	case errors.Is(err, lora.ErrArchitecture):
		return fmt.Errorf("base model: %w\n  README.md lists the families that docent computes", err)
	}
	return fmt.Errorf("base model: %w", err)
}

// tuned is the folder of what is registered.
func (p *pipeline) tuned() string {
	if p.Register == "adapter" {
		return p.AdapterDir()
	}
	return p.ModelDir()
}

// merge writes the tuned model as a folder of its own, if that is to be registered.
func (p *pipeline) merge(ctx context.Context) error {
	adapter, err := lora.LoadAdapter(os.DirFS(p.AdapterDir()))
	if err != nil {
		return err
	}
	if p.Register == "adapter" {
		p.out.Say("adapter", "%s: the update, to be computed on top of %s", p.AdapterDir(), p.info.Ref)
	} else {
		if err := lora.Merge(ctx, p.base, adapter, p.ModelDir(), lora.MergeOptions{}); err != nil {
			return err
		}
		p.out.Say("merge", "%s: the tuned model, %s: the update alone", p.ModelDir(), p.AdapterDir())
	}
	if kind, ok := strings.CutPrefix(p.Export, "gguf:"); ok {
		if err := lora.ExportGGUF(ctx, p.base, adapter, p.file("model.gguf"), lora.GGUFType(kind)); err != nil {
			return err
		}
		if err := lora.ExportGGUFAdapter(ctx, p.base, adapter, p.file("adapter.gguf")); err != nil {
			return err
		}
		p.out.Say("export", "%s: the tuned model for llama.cpp and Ollama, weights as %s; adapter.gguf: the update alone", p.file("model.gguf"), kind)
	}
	return nil
}

// finish closes what is open and tells what became of the run.
func (p *pipeline) finish(ctx context.Context, err error) error {
	var faults []error
	if p.tracked != nil {
		status := registry.Failed
		if err != nil && ctx.Err() != nil {
			status = registry.Killed
		}
		// After a run that went well this changes nothing: its end is recorded.
		faults = append(faults, p.tracked.End(context.WithoutCancel(ctx), status))
	}
	for _, end := range slices.Backward(p.closers) {
		faults = append(faults, end())
	}
	p.out.End()
	if err != nil && ctx.Err() != nil {
		if fault := errors.Join(faults...); fault != nil { // such as metrics that a server did not take
			p.log.Warn("not all could be brought to an end", "error", fault)
		}
		return &stoppedError{hint: p.howToGoOn(), cause: err}
	}
	return errors.Join(append([]error{err}, faults...)...)
}

// stoppedError ends a run that was interrupted.
type stoppedError struct {
	hint  string
	cause error // wraps context.Canceled
}

func (e *stoppedError) Error() string { return "stopped: " + e.hint }

func (e *stoppedError) Unwrap() error { return e.cause }

// howToGoOn is the command to type after a stop.
func (p *pipeline) howToGoOn() string {
	command := "go run ./examples/trainer"
	for _, a := range p.args {
		if a != "-resume" && a != "--resume" {
			command += " " + quote(a)
		}
	}
	if p.state.Run == "" {
		return "training had not begun, so start again with\n  " + command
	}
	return "go on with\n  " + command + " -resume"
}

// quote protects an argument from the shell.
func quote(arg string) string {
	if arg != "" && !strings.ContainsFunc(arg, func(r rune) bool {
		return !strings.ContainsRune("-_=./:@,+%", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}
