package ingest

import (
	"context"
	"io"
	"strings"
)

// Text reads plain text, in whatever encoding it is; where that had to be
// guessed and the guess is doubtful, a fault says so. A form feed begins a new
// page.
type Text struct {
	// Charset is the name of the encoding that came with the file, such as in the header of a mail; "": none did. What the
	// bytes themselves show goes before.
	Charset string `json:",omitempty"`
}

// Read implements Reader.
func (o Text) Read(_ context.Context, r io.ReaderAt, size int64) (*Document, error) {
	data, err := slurp(r, size)
	if err != nil {
		return nil, err
	}
	t, err := decode(data, o.Charset)
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
