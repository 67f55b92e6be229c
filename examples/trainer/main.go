// Command trainer makes a language model out of a folder of documents: ingest → chunk → dataset → train → evaluate →
// merge → register → promote. "go run ./examples/trainer -h" is its manual, pipeline.go its table of contents.
package main

import (
	"context"
	"io"
	"os"

	"github.com/docent-ml/docent/examples/internal/backend"
	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/examples/internal/documents"
	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/examples/internal/progress"
	"github.com/docent-ml/docent/examples/internal/report"
	"github.com/docent-ml/docent/examples/internal/tracing"
)

func main() {
	if documents.RunChild() {
		return
	}
	program.Main(run)
}

// run is the program. Beside stdout it writes logs to standard error and files below -data.
func run(ctx context.Context, args, environ []string, stdout io.Writer) error {
	cfg, explain, done, err := program.Settings(config.LoadTrainer, config.TrainerHelp, args, environ, stdout)
	if done || err != nil {
		return err
	}
	p := &pipeline{Trainer: cfg, args: args, environ: environ}
	for _, e := range explain.Entries {
		p.origins = append(p.origins, report.SettingOrigin{Key: e.Key, Value: e.Value, Origin: e.Origin})
	}
	if err := backend.KeepPages(cfg.Backend, p.deviceOptions(), append(os.Args[:1:1], args...)); err != nil {
		return err
	}
	if cfg.LogFormat == "json" {
		if p.log, err = program.Logger(os.Stderr, cfg.Common, explain.Notes); err == nil {
			p.out = progress.New(stdout, progress.Options{Logger: p.log})
		}
	} else {
		p.out = progress.New(stdout, progress.Options{Log: os.Stderr})
		p.log, err = program.Logger(p.out, cfg.Common, explain.Notes)
	}
	if err != nil {
		return err
	}
	defer p.out.End()
	if p.spans, err = tracing.Start(ctx, cfg.Traces, "docent-trainer", p.log); err != nil {
		return err
	}
	defer p.spans.End()
	return p.run(ctx)
}
