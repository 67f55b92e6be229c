// Package ingest turns a folder of documents into text, page by page.
//
// [Walk] reads every PDF, text and Markdown file below an [fs.FS] and yields one
// [Document] for each, in the order of their paths. A document that cannot be
// read is an element like any other: it has an [Outcome] and an error that
// names the file, the page and the reason, and the walk goes on. A [Report]
// counts them.
//
//	var report ingest.Report
//	for doc, err := range ingest.Walk(ctx, os.DirFS("guides"), ingest.Options{}) {
//		if doc == nil {
//			return err // the folder itself, or ctx
//		}
//		report.Add(doc)
//		for _, page := range doc.Pages {
//			use(doc.Path, page.Number, page.Text)
//		}
//	}
//	fmt.Print(report)
//
// # Trust
//
// By default files are read in the calling process. Damage, lies about sizes
// and counts, loops and decompression bombs are met there as errors, panics are
// caught, and Options.Timeout is looked at between operations. What cannot be
// excluded is a fault of a parser that allocates or computes without end: the
// process then dies or keeps a core busy. For folders that others can write to,
// set Options.Isolated, which reads in child processes that may be killed, and
// begin main with [RunChild].
//
// # Formats
//
// A [Reader] knows one format; Options.Readers maps file extensions to readers,
// so formats and engines can be added or replaced. [PDF], [DOCX], [HTML], [Text]
// and [Markdown] are here; package pdfium has a second engine for PDF, as
// Options.Fallback or alone. A scanned page has no text, and a document of them
// has the outcome [Empty], unless [PDF] has an [OCR].
//
// Readers and Walk may be used from several goroutines at once; a Document and a
// Report belong to one.
package ingest

import (
	"context"
	"io"
	"strings"
)

// Document is one file as text.
type Document struct {
	Path      string `json:"path"`                 // slash-separated, below the root of the walk; bytes that are not UTF-8 as %FF
	ID        string `json:"id,omitempty"`         // SHA-256 of the bytes, in hexadecimal; "" if they could not be read
	MediaType string `json:"media_type,omitempty"` // such as "application/pdf"
	Title     string `json:"title,omitempty"`      // from the file's own metadata, often missing or wrong
	Language  string `json:"language,omitempty"`   // BCP 47, such as "de-AT": as declared, else as the text shows; "" if neither tells

	// Metadata is what else the file says about itself, such as "author": the
	// front matter of Markdown, the <meta> of web pages.
	Metadata map[string]string `json:"metadata,omitempty"`

	Pages []Page `json:"pages,omitempty"` // ascending; pages that failed are left out
	// DuplicateOf is the path of an earlier document that says the same, and
	// Likeness how much of it is the same, 1 being all: see Duplicates.
	DuplicateOf string  `json:"duplicate_of,omitempty"`
	Likeness    float64 `json:"likeness,omitempty"`

	Fallback bool    `json:"fallback,omitempty"` // whether text came from Options.Fallback
	Outcome  Outcome `json:"outcome"`
	Faults   []Fault `json:"faults,omitempty"` // why the outcome is not OK
}

// Text is the text of all pages, with a blank line between two.
func (d *Document) Text() string {
	texts := make([]string, len(d.Pages))
	for i, p := range d.Pages {
		texts[i] = p.Text
	}
	return strings.Join(texts, "\n\n")
}

// Page is the text of one page, in reading order. Lines end with "\n",
// paragraphs with a blank line, and tabs set the cells of a table row apart.
type Page struct {
	Number int    `json:"number"` // counts from 1
	Text   string `json:"text"`
}

// Fault is one thing that went wrong.
type Fault struct {
	Page   int    `json:"page,omitempty"` // 0: the whole document
	Reason string `json:"reason"`
}

// Outcome says how reading one document ended. Each document has exactly one.
type Outcome string

const (
	OK         Outcome = "ok"         // all pages read
	Partial    Outcome = "partial"    // Faults lists what is missing or doubtful
	Empty      Outcome = "empty"      // no text: likely scanned
	Encrypted  Outcome = "encrypted"  // a password is needed
	NotPDF     Outcome = "not_pdf"    // named like a PDF, but none
	Malformed  Outcome = "malformed"  // broken beyond repair
	Timeout    Outcome = "timeout"    // not read within Options.Timeout
	TooLarge   Outcome = "too_large"  // above Options.MaxFileBytes
	Crashed    Outcome = "crashed"    // the reader panicked, or its process died
	Unreadable Outcome = "unreadable" // the file system gave an error, or the file changed meanwhile
)

// HasText tells whether the outcome leaves text to work with.
func (o Outcome) HasText() bool { return o == OK || o == Partial }

// Reader turns the bytes of one format into pages.
type Reader interface {
	// Read reads the size bytes of r. It fills in MediaType, Title, Pages and
	// Faults; Walk adds the rest. Pages without text may be left out.
	//
	// An error means that nothing of the document is usable; it should wrap one
	// of this package's, which decides the outcome. Read must be safe to call
	// from several goroutines, and should return soon after ctx ends.
	//
	// To run in child processes, a reader is a struct whose exported fields
	// survive encoding/json, and is named in the call of RunChild.
	//
	// A reader that takes long to start has a method Prepare(ctx) error: it is
	// called before Read, any number of times, outside of a document's time.
	Read(ctx context.Context, r io.ReaderAt, size int64) (*Document, error)
}
