package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/docent-ml/docent/chunk"
	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/questions"
	"github.com/docent-ml/docent/examples/internal/documents"
	"github.com/docent-ml/docent/examples/internal/progress"
	"github.com/docent-ml/docent/ingest"
)

// documents reads and cuts the documents of the folder.
func (c *command) documents(ctx context.Context, log *slog.Logger, out *progress.Progress) ([]questions.Document, error) {
	var read []*ingest.Document
	var report ingest.Report
	for doc, err := range documents.Read(ctx, c.folder, "", ingest.Options{
		Logger: log, Progress: func(p ingest.Progress) { out.Show("read", int64(p.Done), int64(p.Total)) },
	}) {
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", c.folder, err)
		}
		report.Add(doc)
		read = append(read, doc)
	}
	all, err := documents.ToAsk(chunk.DefaultOptions(), dataset.Values(read))
	if err != nil {
		return nil, err
	}
	out.End()
	if len(all) == 0 {
		return nil, fmt.Errorf("no document in %s has text:\n%s", c.folder, &report)
	}
	return all, nil
}
