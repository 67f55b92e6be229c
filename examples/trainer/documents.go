package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"strings"

	"github.com/docent-ml/docent/chunk"
	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/examples/internal/documents"
	"github.com/docent-ml/docent/examples/internal/report"
	"github.com/docent-ml/docent/ingest"
)

const (
	documentsFile = "documents.jsonl" // text page by page, and the outcome of each file
	reportFile    = "documents.json"  // outcomes alone
)

// read turns the documents into text. Files that cannot be read are told, and left out.
func (p *pipeline) read(ctx context.Context) error {
	if p.Resume {
		return nil // what was read lies there
	}
	if info, err := os.Stat(p.Docs); err != nil {
		return fmt.Errorf("documents: %w: name the folder with -docs", err)
	} else if !info.IsDir() {
		return fmt.Errorf("documents: %s is a file: -docs takes the folder it lies in", p.Docs)
	}
	found := &p.found
	n, err := dataset.WriteFile(p.file(documentsFile), p.walk(ctx, found))
	if err != nil {
		return fmt.Errorf("documents: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("documents: no .pdf, .docx, .html, .md or .txt file is in %s or below: name the folder with -docs", p.Docs)
	}
	p.out.Say("read", "%d documents, %d pages, %d without text, %d failed", found.Read, found.Pages, found.Empty, found.Failed)
	for _, told := range leftOut(found) {
		p.out.Say(strings.ToLower(told.Name), "%s", told.Value)
	}
	if found.Read == 0 {
		return fmt.Errorf("documents: none of the %d files in %s has text:\n%s", n, p.Docs, found)
	}
	return writeAll(p.file(reportFile), []ingest.Report{*found})
}

// leftOut are the files of the folder that are no documents, and the documents that are not trained on.
func leftOut(found *ingest.Report) (told []report.Pair) {
	if len(found.NotRead) > 0 {
		told = append(told, report.Pair{Name: "Not read", Value: ingest.Counts(found.NotRead) + ": no reader knows their kind"})
	}
	if len(found.LeftOut) > 0 {
		told = append(told, report.Pair{Name: "Left out", Value: ingest.Counts(found.LeftOut) + ": files of systems and programs"})
	}
	if found.Duplicates > 0 {
		told = append(told, report.Pair{Name: "Duplicates", Value: fmt.Sprintf("%d say what an earlier document says", found.Duplicates)})
	}
	return told
}

// walk yields every document, whatever became of it, and adds it to the report.
func (p *pipeline) walk(ctx context.Context, found *ingest.Report) iter.Seq2[ingest.Document, error] {
	return func(yield func(ingest.Document, error) bool) {
		var seen ingest.Duplicates
		for doc, err := range documents.Read(ctx, p.Docs, p.DocsPassword.Reveal(), ingest.Options{
			Include: p.Include, Exclude: p.Exclude, CacheDir: p.DocsCache, Skipped: found.Skip, Logger: p.log,
			Progress: func(s ingest.Progress) { p.out.Show("read", int64(s.Done), int64(s.Total)) },
		}) {
			if err != nil {
				yield(ingest.Document{}, err)
				return
			}
			seen.Mark(doc)
			found.Add(doc)
			if !yield(*doc, nil) {
				return
			}
		}
	}
}

// documents are those that were read, each text once.
func (p *pipeline) documents() iter.Seq2[*ingest.Document, error] {
	return func(yield func(*ingest.Document, error) bool) {
		for doc, err := range lines[ingest.Document](p.file(documentsFile)) {
			if err == nil && doc.DuplicateOf != "" && !p.Duplicates {
				continue
			}
			if !yield(&doc, err) {
				return
			}
		}
	}
}

// asked are how documents are cut to be asked about.
func (p *pipeline) asked() chunk.Options {
	return chunk.Options{Size: passageTokens, Overlap: passageOverlap, Measure: p.tokens}
}

// facts finds the passages that answer the questions of the facts file. Facts that cannot be used are told, and left
// out. Without a file questions are made of the documents.
func (p *pipeline) facts(ctx context.Context) ([]dataset.GroundedFact, error) {
	if p.Questions == "structure" {
		return p.makeFacts(ctx)
	}
	if _, err := os.Stat(p.Facts); errors.Is(err, fs.ErrNotExist) && p.FactsOptional {
		return p.makeFacts(ctx)
	} else if err != nil {
		return nil, fmt.Errorf("facts: %w", err)
	}
	var out []dataset.GroundedFact
	unusable, unfound := 0, 0
	var first error
	for fact, err := range dataset.Ground(ctx, lines[dataset.Fact](p.Facts), documents.Passages(documents.Cut(p.asked(), p.documents()))) {
		if _, item := errors.AsType[*dataset.LineError](err); item {
			p.log.Debug("fact left out", "error", err)
			if unusable++; unusable == 1 {
				first = err
			}
			continue
		}
		if errors.Is(err, dataset.ErrEmpty) {
			break // told below
		}
		if err != nil {
			return nil, fmt.Errorf("facts: %w", err)
		}
		if !fact.Found {
			p.log.Debug("no passage contains the answer: the fact is learned without one", "document", fact.DocID, "question", fact.Question, "answer", fact.Answer)
			unfound++
		}
		out = append(out, fact)
	}
	if unusable+unfound > 0 { // once, however many: -log-level debug tells each
		p.log.Warn("facts without use or without a passage that has the answer", "left_out", unusable, "first", first, "learned_without_passage", unfound)
	}
	p.out.Say("facts", "%d questions, %d of them without a passage that has the answer, %d unusable", len(out), unfound, unusable)
	if len(out) == 0 {
		return nil, fmt.Errorf("facts: no line of %s can be used: each must be {\"doc_id\": a file name in %s, \"question\": …, \"answer\": …}", p.Facts, p.Docs)
	}
	return out, nil
}
