// Package documents reads the folder of documents that programs are given, and cuts them.
package documents

import (
	"context"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"github.com/docent-ml/docent/chunk"
	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/questions"
	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/formats"
	"github.com/docent-ml/docent/ingest/pdfium"
)

// RunChild has a process that Read started read one document after another, in the formats of its parent and by further
// readers, and says whether it was one: main asks first.
func RunChild(further ...ingest.Reader) bool {
	return ingest.RunChild(os.Args, slices.Concat(formats.Types(), []ingest.Reader{&pdfium.PDF{}}, further)...)
}

// PDFium reads what the own engine for PDFs cannot. What it needs once it keeps in the user's cache folder.
func PDFium(password string) *pdfium.PDF {
	engine := &pdfium.PDF{Password: password}
	if dir, err := os.UserCacheDir(); err == nil {
		engine.CacheDir = filepath.Join(dir, "docent", "pdfium")
	}
	return engine
}

// Read yields the documents of a folder, whatever became of them, in the formats that people keep. They are read in processes of
// their own, which a broken or hostile file may take down, and by PDFium where the own engine fails. The password opens PDFs. What
// cannot be read is logged; an error that comes with no document ends the reading.
func Read(ctx context.Context, folder, password string, o ingest.Options) iter.Seq2[*ingest.Document, error] {
	return func(yield func(*ingest.Document, error) bool) {
		engine := PDFium(password)
		defer engine.Close()
		o.Isolated, o.Readers, o.Fallback = &ingest.Isolated{}, formats.Readers(), map[string]ingest.Reader{".pdf": engine}
		o.Readers[".pdf"] = ingest.PDF{Password: password}
		for doc, err := range ingest.Walk(ctx, os.DirFS(folder), o) {
			if doc != nil && err != nil {
				o.Logger.Warn("document left out", "outcome", doc.Outcome, "error", err)
				err = nil
			}
			if !yield(doc, err) {
				return
			}
		}
	}
}

// Cut cuts the pages of documents.
func Cut(o chunk.Options, documents iter.Seq2[*ingest.Document, error]) iter.Seq2[chunk.Chunk, error] {
	splitter, err := chunk.New(o)
	if err != nil {
		return func(yield func(chunk.Chunk, error) bool) { yield(chunk.Chunk{}, err) }
	}
	return splitter.Split(sections(documents))
}

func sections(documents iter.Seq2[*ingest.Document, error]) iter.Seq2[chunk.Section, error] {
	return func(yield func(chunk.Section, error) bool) {
		for doc, err := range documents {
			if err != nil {
				yield(chunk.Section{}, err)
				return
			}
			for _, page := range doc.Pages {
				if !yield(chunk.Section{Source: doc.Path, Page: page.Number, Text: page.Text}, nil) {
					return
				}
			}
		}
	}
}

// Passages makes passages of chunks: the few lines that keep packages chunk and dataset apart.
func Passages(chunks iter.Seq2[chunk.Chunk, error]) iter.Seq2[dataset.Passage, error] {
	return func(yield func(dataset.Passage, error) bool) {
		for c, err := range chunks {
			if !yield(dataset.Passage{ID: c.ID, Source: c.Source, Text: c.Text, FirstPage: c.FirstPage, LastPage: c.LastPage}, err) {
				return
			}
		}
	}
}

// ToAsk are the documents that have passages, with them, as questions are made of them.
func ToAsk(o chunk.Options, documents iter.Seq2[*ingest.Document, error]) (all []questions.Document, err error) {
	passages := map[string][]dataset.Passage{}
	for p, err := range Passages(Cut(o, documents)) {
		if err != nil {
			return nil, err
		}
		passages[p.Source] = append(passages[p.Source], p)
	}
	for doc, err := range documents {
		if err != nil {
			return nil, err
		}
		d := questions.Document{Source: doc.Path, Passages: passages[doc.Path]}
		for _, page := range doc.Pages {
			d.Pages = append(d.Pages, page.Text)
		}
		if len(d.Passages) > 0 {
			all = append(all, d)
		}
	}
	return all, nil
}
