package ingest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Text reads plain text in UTF-8, in UTF-16 with a byte-order mark, or else in
// Windows-1252. A form feed begins a new page.
type Text struct{}

// Read implements Reader.
func (Text) Read(_ context.Context, r io.ReaderAt, size int64) (*Document, error) {
	s, err := decodeText(r, size)
	if err != nil {
		return nil, err
	}
	doc := &Document{MediaType: "text/plain"}
	for i, page := range strings.Split(s, "\f") {
		doc.Pages = append(doc.Pages, Page{Number: i + 1, Text: strings.TrimSpace(page)})
	}
	return doc, nil
}

// Markdown reads Markdown as it is, as one page. Its first heading is the title.
type Markdown struct{}

// Read implements Reader.
func (Markdown) Read(_ context.Context, r io.ReaderAt, size int64) (*Document, error) {
	s, err := decodeText(r, size)
	if err != nil {
		return nil, err
	}
	doc := &Document{MediaType: "text/markdown", Pages: []Page{{Number: 1, Text: strings.TrimSpace(s)}}}
	for line := range strings.Lines(s) {
		if title, ok := strings.CutPrefix(line, "# "); ok {
			doc.Title = strings.TrimSpace(title)
			break
		}
	}
	return doc, nil
}

func decodeText(r io.ReaderAt, size int64) (string, error) {
	data, err := slurp(r, size)
	if err != nil {
		return "", err
	}
	var s string
	switch {
	case bytes.HasPrefix(data, []byte{0xFF, 0xFE}):
		s = decodeUTF16(data[2:], binary.LittleEndian)
	case bytes.HasPrefix(data, []byte{0xFE, 0xFF}):
		s = decodeUTF16(data[2:], binary.BigEndian)
	case bytes.IndexByte(data, 0) >= 0:
		return "", fmt.Errorf("%w: byte %d is NUL, so this is no text", ErrMalformed, bytes.IndexByte(data, 0))
	case utf8.Valid(data):
		s = string(bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF")))
	default:
		s, err = charmap.Windows1252.NewDecoder().String(string(data))
		if err != nil {
			return "", fmt.Errorf("%w: %v", ErrMalformed, err)
		}
	}
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	return strings.Map(func(c rune) rune {
		if c == '\f' || !isControl(c) {
			return c
		}
		return -1
	}, s), nil
}

func decodeUTF16(b []byte, order binary.ByteOrder) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}
