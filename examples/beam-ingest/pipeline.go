package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"github.com/docent-ml/docent/chunk"
	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/examples/internal/documents"
	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/formats"
)

func init() { // Beam finds what it runs on workers by name
	register.DoFn3x1[context.Context, []byte, func(Batch), error](&listFn{})
	register.DoFn4x1[context.Context, Batch, func(Place, ingest.Document), func(int, Line), error](&readFn{})
	register.DoFn4x1[context.Context, Place, ingest.Document, func(Place, dataset.Passage), error](&chunkFn{})
	register.DoFn4x1[context.Context, Place, dataset.Passage, func(int, Line), error](&rowsFn{})
	register.DoFn4x1[context.Context, int, func(*Line) bool, func(int), error](&writeFn{})
	register.Emitter1[Batch]()
	register.Emitter2[Place, ingest.Document]()
	register.Emitter2[Place, dataset.Passage]()
	register.Emitter2[int, Line]()
	register.Emitter1[int]()
	register.Iter1[Line]()
}

const (
	rowsKind     = "rows"
	outcomesKind = "outcomes"
)

// build is the pipeline. Everything carries its place, because a PCollection has no order; the last step sorts the lines
// of one file, which are few, by it.
func build(s beam.Scope, set Settings) {
	batches := beam.Reshuffle(s, beam.ParDo(s.Scope("list"), &listFn{set}, beam.Impulse(s)))
	read, outcomes := beam.ParDo2(s.Scope("ingest"), &readFn{set}, batches)
	passages := beam.ParDo(s.Scope("chunk"), &chunkFn{set}, read)
	rows := beam.ParDo(s.Scope("dataset"), &rowsFn{}, passages)
	beam.ParDo(s.Scope("write rows"), &writeFn{set, rowsKind}, beam.GroupByKey(s, rows))
	beam.ParDo(s.Scope("write outcomes"), &writeFn{set, outcomesKind}, beam.GroupByKey(s, outcomes))
}

// Batch is some documents that follow one another in the folder.
type Batch struct {
	Number int
	Paths  []string
}

// Place is where something belongs among all rows.
type Place struct{ Batch, Document, Passage, Row int }

func (p Place) compare(q Place) int {
	return cmp.Or(cmp.Compare(p.Document, q.Document), cmp.Compare(p.Passage, q.Passage), cmp.Compare(p.Row, q.Row))
}

// Line is a line of a file of rows, and its place there.
type Line struct {
	At   Place
	JSON []byte
}

func lineOf(at Place, v any) (Line, error) {
	data, err := json.Marshal(v)
	return Line{at, data}, err
}

// listFn shares the folder out.
type listFn struct{ Settings Settings }

func (f *listFn) ProcessElement(_ context.Context, _ []byte, emit func(Batch)) error {
	b := Batch{}
	for p, err := range ingest.List(os.DirFS(f.Settings.Folder), ingest.Options{Readers: formats.Readers()}) {
		if err != nil {
			return fmt.Errorf("%s: %w", f.Settings.Folder, err)
		}
		if b.Paths = append(b.Paths, p); len(b.Paths) == f.Settings.Batch {
			emit(b)
			b = Batch{Number: b.Number + 1}
		}
	}
	if len(b.Paths) > 0 {
		emit(b)
	} else if b.Number == 0 {
		return fmt.Errorf("no document is in %s or below", f.Settings.Folder)
	}
	return nil
}

// readFn reads the documents of a batch in child processes.
type readFn struct{ Settings Settings }

func (f *readFn) ProcessElement(ctx context.Context, b Batch, emit func(Place, ingest.Document), outcome func(int, Line)) error {
	options := ingestOptions(f.Settings)
	options.Paths, options.Workers = b.Paths, max(runtime.GOMAXPROCS(0)/2, 1) // Beam runs several batches at a time
	n := 0
	for doc, err := range ingest.Walk(ctx, os.DirFS(f.Settings.Folder), options) {
		if doc == nil {
			return err
		}
		at := Place{Batch: b.Number, Document: n}
		line, err := lineOf(at, ingest.DocumentReport{Path: doc.Path, ID: doc.ID, Outcome: doc.Outcome, Pages: len(doc.Pages), Faults: doc.Faults})
		if err != nil {
			return err
		}
		outcome(b.Number, line)
		emit(at, *doc)
		n++
	}
	return nil
}

func ingestOptions(s Settings) ingest.Options {
	return ingest.Options{
		Readers: formats.Readers(), Isolated: &ingest.Isolated{}, Fallback: map[string]ingest.Reader{".pdf": documents.PDFium("")}, Timeout: s.Timeout,
	}
}

// chunkFn cuts a document into passages.
type chunkFn struct{ Settings Settings }

func (f *chunkFn) ProcessElement(_ context.Context, at Place, doc ingest.Document, emit func(Place, dataset.Passage)) error {
	for p, err := range passages(f.Settings, dataset.Values([]*ingest.Document{&doc})) {
		if err != nil {
			return err
		}
		emit(at, p)
		at.Passage++
	}
	return nil
}

// passages is the part between ingest and dataset, here as on one machine.
func passages(s Settings, read iter.Seq2[*ingest.Document, error]) iter.Seq2[dataset.Passage, error] {
	return documents.Passages(documents.Cut(chunk.Options{Size: s.ChunkSize, Overlap: s.ChunkOverlap}, read))
}

// rowsFn makes the rows of a passage.
type rowsFn struct{}

func (*rowsFn) ProcessElement(ctx context.Context, at Place, p dataset.Passage, emit func(int, Line)) error {
	alone := func(yield func(dataset.Passage, error) bool) { yield(p, nil) }
	for row, err := range dataset.Build(ctx, alone, builder()) {
		if errors.Is(err, dataset.ErrEmpty) {
			continue // of this passage; whether the whole set is empty is seen by who reads it
		}
		if err != nil {
			return err
		}
		line, err := lineOf(at, row)
		if err != nil {
			return err
		}
		emit(at.Batch, line)
		at.Row++
	}
	return nil
}

func builder() dataset.Builder { return dataset.Continuation{} }

// writeFn writes the lines of one batch, in their order, as one file: whole, or not at all, and the same again when Beam
// tries again.
type writeFn struct {
	Settings Settings
	Kind     string
}

func (f *writeFn) ProcessElement(_ context.Context, batch int, next func(*Line) bool, done func(int)) error {
	var lines []Line
	for l := (Line{}); next(&l); {
		lines = append(lines, l)
		l = Line{}
	}
	slices.SortFunc(lines, func(a, b Line) int { return a.At.compare(b.At) })
	values := make([]json.RawMessage, len(lines))
	for i, l := range lines {
		values[i] = l.JSON
	}
	name := filepath.Join(f.Settings.Out, fmt.Sprintf("%s-%05d.jsonl", f.Kind, batch))
	_, err := dataset.WriteFile(name, dataset.Values(values))
	done(len(lines))
	return err
}
