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
	DocID     string         `json:"doc_id"` // its path below the folder, with slashes
	Text      string         `json:"text"`   // of all pages, a blank line between two
	Pages     []ingest.Page  `json:"pages"`
	Outcome   ingest.Outcome `json:"outcome"`
	Title     string         `json:"title"`
	MediaType string         `json:"media_type"`
	Language  string         `json:"language"` // BCP 47
	Digest    string         `json:"digest"`   // SHA-256 of the file
	Faults    []ingest.Fault `json:"faults"`

	DuplicateOf string            `json:"duplicate_of,omitempty"` // an earlier doc_id that says the same
	Likeness    float64           `json:"likeness,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
}

func rowOf(doc *ingest.Document) row {
	r := row{
		DocID: doc.Path, Text: doc.Text(), Pages: doc.Pages, Outcome: doc.Outcome, Title: doc.Title, MediaType: doc.MediaType,
		Language: doc.Language, Digest: doc.ID, Faults: doc.Faults, DuplicateOf: doc.DuplicateOf, Likeness: doc.Likeness, Metadata: doc.Metadata,
	}
	if r.Pages == nil { // lists on the wire
		r.Pages = []ingest.Page{}
	}
	if r.Faults == nil {
		r.Faults = []ingest.Fault{}
	}
	return r
}

// rows yields every document, whatever became of it, and adds it to the report. When ctx ends, so do the rows, and what was read
// before is kept.
func rows(ctx context.Context, folder fs.FS, o ingest.Options, report *ingest.Report) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		o.Skipped = report.Skip
		var seen ingest.Duplicates
		for doc, err := range ingest.Walk(ctx, folder, o) {
			if doc == nil {
				if report.Stopped = ctx.Err() != nil && len(report.Documents) > 0; !report.Stopped {
					yield(row{}, err)
				}
				return
			}
			seen.Mark(doc)
			report.Add(doc)
			if !yield(rowOf(doc), nil) {
				return
			}
		}
		if len(report.Documents) == 0 { // an error, so that no empty file covers an earlier one
			found := ""
			if len(report.NotRead) > 0 {
				found = "; not read: " + ingest.Counts(report.NotRead)
			}
			yield(row{}, fmt.Errorf("no document is in the folder or below: known are %s%s", strings.Join(slices.Sorted(maps.Keys(o.Readers)), ", "), found))
		}
	}
}

func writeReport(name string, report *ingest.Report) error {
	if _, err := dataset.WriteFile(name, dataset.Values([]*ingest.Report{report})); err != nil {
		return fmt.Errorf("the report: %w", err)
	}
	return nil
}
