package main

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/ingest"
)

// row is one document.
type row struct {
	DocID   string         `json:"doc_id"` // its path below the folder, with slashes
	Text    string         `json:"text"`   // of all pages, a blank line between two
	Pages   []ingest.Page  `json:"pages"`
	Outcome ingest.Outcome `json:"outcome"`
}

// rows yields every document, whatever became of it, and adds it to the report.
func rows(ctx context.Context, folder fs.FS, o ingest.Options, report *ingest.Report) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		none := true
		for doc, err := range ingest.Walk(ctx, folder, o) {
			none = false
			if doc == nil {
				yield(row{}, err)
				return
			}
			report.Add(doc)
			r := row{DocID: doc.Path, Text: doc.Text(), Pages: doc.Pages, Outcome: doc.Outcome}
			if r.Pages == nil {
				r.Pages = []ingest.Page{} // a list on the wire
			}
			if !yield(r, nil) {
				return
			}
		}
		if none { // an error, so that no empty file covers an earlier one
			yield(row{}, fmt.Errorf("no document is in the folder or below: known are %s", extensions(o.Readers)))
		}
	}
}

func writeReport(name string, report *ingest.Report) error {
	one := func(yield func(*ingest.Report, error) bool) { yield(report, nil) }
	if _, err := dataset.WriteFile(name, iter.Seq2[*ingest.Report, error](one)); err != nil {
		return fmt.Errorf("the report: %w", err)
	}
	return nil
}

func extensions(readers map[string]ingest.Reader) string {
	return strings.Join(slices.Sorted(maps.Keys(readers)), ", ")
}
