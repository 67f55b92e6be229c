// Package office reads presentations, texts and sheets of office programs, electronic books, RTF and CSV.
//
//	readers := ingest.DefaultReaders()
//	readers[".pptx"] = office.PPTX{}
//
// Each format is a type of its own: what a program does not name is not linked into it. All are read with
// archive/zip, encoding/xml and encoding/csv. The libraries there are were looked at: for presentations, OpenDocument,
// EPUB and RTF none of a free licence is kept up or bounds what it unpacks. Package excel, for .xlsx, and package mail
// have libraries; package formats has all together.
package office

import (
	"fmt"
	"strings"

	"github.com/docent-ml/docent/ingest"
)

// Readers returns the readers of this package by file extension.
func Readers() map[string]ingest.Reader {
	return map[string]ingest.Reader{
		".pptx": PPTX{}, ".pptm": PPTX{}, ".ppsx": PPTX{}, ".ppsm": PPTX{}, ".odt": ODF{}, ".ods": ODF{}, ".odp": ODF{}, ".epub": EPUB{}, ".rtf": RTF{}, ".csv": CSV{}, ".tsv": CSV{},
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// maxTextBytes bounds the text of a document: parts may be used many times.
const maxTextBytes = 64 << 20

// addPage adds a page unless the document grows too large.
func addPage(d *ingest.Document, number int, text string) error {
	total := len(text)
	for _, p := range d.Pages {
		total += len(p.Text)
	}
	if total > maxTextBytes {
		return fmt.Errorf("%w: more than %d MiB of text", ingest.ErrTooLarge, maxTextBytes>>20)
	}
	d.Pages = append(d.Pages, ingest.Page{Number: number, Text: strings.TrimSpace(strings.ReplaceAll(text, "\u00AD", ""))})
	return nil
}
