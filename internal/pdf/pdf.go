// Package pdf reads the text of PDF files that nobody has checked.
//
// [Open] takes the bytes of a file and returns a [File]; [File.Text] returns
// one page in reading order.
//
//	f, err := pdf.Open(data, "", pdf.Limits{})
//	if err != nil {
//		return err
//	}
//	for i := range f.Pages() {
//		text, err := f.Text(ctx, i)
//		…
//	}
//
// Nothing that a file says of itself is believed unseen: Open scans the data for
// objects, holds the cross-reference tables against them, decrypts and unpacks
// object streams, and walks the page tree once. Streams are decoded within limits
// (filter.go). What the names of glyphs mean is asked of github.com/ledongthuc/pdf;
// its parser trusts the numbers in a file and stops at damage.
//
// What is not here: rendering, and fonts that give no way from a glyph to a
// character.
//
// A File is for one goroutine at a time; different Files share nothing. No
// function panics, whatever the bytes. Memory and time are bounded by Limits
// and by a multiple of the file's own size: run untrusted files in a process
// that may be killed.
package pdf

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Errors that Open returns, wrapped with the reason.
var (
	ErrNotPDF    = errors.New("not a PDF file")
	ErrEncrypted = errors.New("file is encrypted")
	ErrMalformed = errors.New("malformed PDF file")
)

// Limits bound what one file may cost. A zero field takes the default.
type Limits struct {
	StreamBytes int // decoded size of a stream, and of all streams of a page; 32 MiB
	Operators   int // operators on one page, forms included; 5 million
	Glyphs      int // glyphs on one page, forms included; 500,000
	Pages       int // pages of one file; 100,000
}

func (l Limits) withDefaults() Limits {
	return Limits{
		StreamBytes: cmp.Or(max(l.StreamBytes, 0), 32<<20), Operators: cmp.Or(max(l.Operators, 0), 5_000_000),
		Glyphs: cmp.Or(max(l.Glyphs, 0), 500_000), Pages: cmp.Or(max(l.Pages, 0), 100_000),
	}
}

// File is an open PDF file.
type File struct {
	limits  Limits
	data    []byte
	index   *index
	crypt   *decrypter
	pages   []*node
	title   string
	fonts   map[uintptr]font // by the place of the font's dictionary in memory
	damaged map[font]error   // of fonts, those whose map to Unicode cannot be read whole
	layers  *layers
	form    dict // the interactive form; nil: none

	rendered bool    // the pages are made by the viewer
	drawn    []drawn // the scan on the page that was read last
}

// Open indexes the file. It keeps data. The password is tried as the user's and the owner's.
func Open(data []byte, password string, limits Limits) (f *File, err error) {
	defer recoverTo(&err)
	start := bytes.Index(data[:min(len(data), 1024)], []byte("%PDF-"))
	if start < 0 {
		return nil, fmt.Errorf("%w: no %%PDF- in the first 1,024 bytes", ErrNotPDF)
	}
	f = &File{
		limits: limits.withDefaults(), data: data, fonts: map[uintptr]font{}, damaged: map[font]error{},
	}
	defs, trailers := scan(data)
	if len(defs) == 0 {
		return nil, fmt.Errorf("%w: no object in %d bytes", ErrMalformed, len(data))
	}
	if sound := readTables(data, defs, start); sound != nil {
		if err := f.open(defs, sound.trailers, sound, password); !errors.Is(err, ErrMalformed) {
			return f, err
		}
	}
	return f, f.open(defs, trailers, nil, password)
}

// open finds the pages among the objects that the tables name, or among all.
func (f *File) open(defs []definition, trailers []dict, sound *tables, password string) error {
	defs = settleLengths(f.data, sound.keep(defs))
	if err := f.unlock(defs, trailers, password); err != nil {
		return err
	}
	f.index = newIndex(f.data, defs, sound, f.decode, 4*f.limits.StreamBytes)
	root := f.catalog(defs, trailers)
	if f.pages = f.walk(root); len(f.pages) == 0 {
		return fmt.Errorf("%w: no page among %d objects", ErrMalformed, len(defs))
	}
	if len(f.pages) > f.limits.Pages {
		return fmt.Errorf("%w: more than %d pages", ErrMalformed, f.limits.Pages)
	}
	f.title = f.readTitle(trailers)
	f.layers = f.readLayers(root)
	f.form = f.index.dict(root["AcroForm"])
	f.rendered = root["NeedsRendering"] == true
	return nil
}

// unlock prepares decryption when a trailer asks for it.
func (f *File) unlock(defs []definition, trailers []dict, password string) (err error) {
	// Encryption dictionaries are never inside an object stream.
	plain := newIndex(f.data, defs, nil, func(*stream) ([]byte, error) { return nil, nil }, 0)
	for i := len(trailers) - 1; i >= 0; i-- {
		if enc := plain.dict(trailers[i]["Encrypt"]); enc != nil {
			f.index = plain
			f.crypt, err = newDecrypter(plain, enc, trailers[i]["ID"], password)
			return err
		}
	}
	f.index = plain
	return nil
}

// catalog returns the document's root object.
func (f *File) catalog(defs []definition, trailers []dict) dict {
	for _, t := range slices.Backward(trailers) {
		if d := f.index.dict(t["Root"]); d["Pages"] != nil {
			return d
		}
	}
	for _, num := range f.index.numbers() {
		if d := f.index.defs[num].dict; d.name("Type") == "Catalog" && d["Pages"] != nil {
			return d
		}
	}
	return f.index.dict(defs[0].ref) // it may be a catalog that does not say so, else the pages are found one by one
}

// Pages returns the number of pages.
func (f *File) Pages() int { return len(f.pages) }

// Title returns the title of the document information, or "".
func (f *File) Title() string { return f.title }

func (f *File) readTitle(trailers []dict) string {
	for _, t := range slices.Backward(trailers) {
		info, ok := t["Info"].(ref)
		if !ok {
			continue
		}
		if s, ok := f.index.get(f.index.dict(info)["Title"]).(string); ok {
			if def := f.index.defs[info.num]; def.stream == nil && def.offset >= 0 {
				s = f.crypt.string(def.ref, s)
			}
			return strings.TrimSpace(textString(s))
		}
	}
	return ""
}

// decode returns the content of a stream, within the size limit. What stands
// before an error is returned with it.
func (f *File) decode(s *stream) ([]byte, error) {
	raw, filters := f.data[s.start:s.end], f.index.filters(s.dict)
	data, err := decode(f.crypt.stream(s, raw), filters, f.limits.StreamBytes)
	if err != nil && f.crypt != nil { // what was appended without the key decodes as it is
		if plain, plainErr := decode(raw, filters, f.limits.StreamBytes); plainErr == nil {
			return plain, nil
		}
	}
	return data, err
}

// recoverTo turns a panic into an error.
func recoverTo(err *error) {
	if x := recover(); x != nil {
		*err = fmt.Errorf("%w: %v", ErrMalformed, x)
	}
}
