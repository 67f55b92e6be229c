package ingest

import (
	"context"
	"io"
	"strings"
)

// Text reads plain text, in whatever encoding it is; where that had to be
// guessed and the guess is doubtful, a fault says so. A form feed begins a new
// page.
type Text struct{}

// Read implements Reader.
func (Text) Read(_ context.Context, r io.ReaderAt, size int64) (*Document, error) {
	data, err := slurp(r, size)
	if err != nil {
		return nil, err
	}
	t, err := decode(data, "")
	if err != nil {
		return nil, err
	}
	doc := &Document{MediaType: "text/plain"}
	for i, page := range strings.Split(t.text, "\f") {
		doc.Pages = append(doc.Pages, Page{Number: i + 1, Text: strings.TrimSpace(page)})
	}
	t.addTo(doc)
	return doc, nil
}
