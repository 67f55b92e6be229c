package main

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/docent-ml/docent/chunk"
	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/questions"
	"github.com/docent-ml/docent/examples/internal/progress"
	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/formats"
	"github.com/docent-ml/docent/ingest/pdfium"
)

// documents reads and cuts the documents of the folder.
func (c *command) documents(ctx context.Context, log *slog.Logger, out *progress.Progress) ([]questions.Document, error) {
	cutter, err := chunk.New(chunk.DefaultOptions())
	if err != nil {
		return nil, err
	}
	second := &pdfium.PDF{}
	if dir, err := os.UserCacheDir(); err == nil {
		second.CacheDir = filepath.Join(dir, "docent", "pdfium")
	}
	defer second.Close()
	var all []questions.Document
	var report ingest.Report
	for doc, err := range ingest.Walk(ctx, os.DirFS(c.folder), ingest.Options{
		Readers:  formats.Readers(),
		Isolated: &ingest.Isolated{}, Logger: log, Fallback: map[string]ingest.Reader{".pdf": second},
		Progress: func(p ingest.Progress) { out.Show("read", int64(p.Done), int64(p.Total)) },
	}) {
		if doc == nil {
			return nil, fmt.Errorf("reading %s: %w", c.folder, err)
		}
		report.Add(doc)
		if err != nil {
			log.Warn("document left out", "outcome", doc.Outcome, "error", err)
		}
		d := questions.Document{Source: doc.Path}
		sections := func(yield func(chunk.Section, error) bool) {
			for _, page := range doc.Pages {
				if !yield(chunk.Section{Source: doc.Path, Page: page.Number, Text: page.Text}, nil) {
					return
				}
			}
		}
		for p, err := range cutter.Split(sections) {
			if err != nil {
				return nil, err
			}
			d.Passages = append(d.Passages, dataset.Passage{ID: p.ID, Source: p.Source, Text: p.Text, FirstPage: p.FirstPage, LastPage: p.LastPage})
		}
		for _, page := range doc.Pages {
			d.Pages = append(d.Pages, page.Text)
		}
		if len(d.Passages) > 0 {
			all = append(all, d)
		}
	}
	out.End()
	if len(all) == 0 {
		return nil, fmt.Errorf("no document in %s has text:\n%s", c.folder, &report)
	}
	return all, nil
}

func values[T any](all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
	}
}
