// Command beam-ingest turns a folder that has outgrown one machine into training rows: ingest → chunk → dataset, as an
// Apache Beam pipeline. Beam's embedded runner, Prism, is the default; Flink, Spark or Dataflow are a flag away:
//
//	go run . -folder /mnt/guides -out /mnt/rows
//	go run . -folder /mnt/guides -out /mnt/rows -runner flink -endpoint jobs:8099
//
// The folder and the output must be paths that all workers see. Rows come as rows-00000.jsonl, rows-00001.jsonl and so
// on: one behind the other they are, byte for byte, what one machine makes of the same folder, however many workers
// there were and in whatever order they worked. outcomes-00000.jsonl and so on tell what became of each document.
//
// It is a module of its own, so that the library stays free of Beam.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"

	"github.com/docent-ml/docent/examples/internal/documents"
)

func main() {
	if documents.RunChild() {
		return
	}
	var s Settings
	flag.StringVar(&s.Folder, "folder", "", "folder of documents, as the workers see it; required")
	flag.StringVar(&s.Out, "out", "", "folder for the rows, as the workers see it; required")
	flag.IntVar(&s.Batch, "batch", 200, "documents of one file of rows")
	flag.IntVar(&s.ChunkSize, "chunk-size", 1200, "longest passage in characters")
	flag.IntVar(&s.ChunkOverlap, "chunk-overlap", 200, "how much neighbouring passages share")
	flag.DurationVar(&s.Timeout, "timeout", time.Minute, "time for one document")
	flag.Parse()
	beam.Init() // a worker process ends here
	if err := run(context.Background(), s); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// Settings travel to the workers.
type Settings struct {
	Folder, Out             string
	Batch                   int // documents
	ChunkSize, ChunkOverlap int // characters
	Timeout                 time.Duration
}

func (s Settings) validate() error {
	switch {
	case s.Folder == "" || s.Out == "":
		return errors.New("-folder and -out must be given")
	case s.Batch < 1:
		return fmt.Errorf("-batch %d: must be at least 1", s.Batch)
	}
	return nil
}

func run(ctx context.Context, s Settings) error {
	if err := s.validate(); err != nil {
		return err
	}
	if err := os.MkdirAll(s.Out, 0o777); err != nil {
		return err
	}
	// What an earlier run left would stand among the rows of this one.
	for _, kind := range []string{rowsKind, outcomesKind} {
		old, err := filepath.Glob(filepath.Join(s.Out, kind+"-*.jsonl"))
		if err != nil {
			return err
		}
		if len(old) > 0 {
			return fmt.Errorf("%s holds rows of an earlier run (%s): name an empty folder", s.Out, filepath.Base(old[0]))
		}
	}
	p, scope := beam.NewPipelineWithRoot()
	build(scope, s)
	return beamx.Run(ctx, p)
}
