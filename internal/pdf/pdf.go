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
// Pages, resources and fonts are read with github.com/ledongthuc/pdf. That
// library trusts the numbers in a file and stops at damage, so it never sees
// the file as it is. Open scans the data for objects, decrypts and unpacks
// object streams, walks the page tree once, and hands the library an image of
// the file with a cross-reference table of its own making (index.go). Streams
// are decoded here, within limits (filter.go), and so are content streams and
// character maps: the library's Interpret loops for ever on a string without
// an end, panics on escapes that every viewer accepts, and cannot be bounded.
//
// What is not here: rendering, and fonts that give no way from a glyph to a
// character.
//
// A File is for one goroutine at a time; different Files share nothing. No
// function panics, whatever the bytes. Memory and time are bounded by Limits,
// except that the library may spend a multiple of the file's own size on a
// single object: run untrusted files in a process that may be killed.
package pdf

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	parser "github.com/ledongthuc/pdf"
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
	streams map[int64]*stream // by the offset that the parser library reports
	pages   []node
	title   string
	fonts   map[string]font            // by the printed form of the font's dictionary
	named   map[string]map[string]font // the same by the printed form of the /Font dictionary and by name
	damaged map[font]error             // of fonts, those whose map to Unicode cannot be read whole
	layers  *layers
	form    dict // the interactive form; nil: none

	rendered bool    // the pages are made by the viewer
	drawn    []drawn // the scan on the page that was read last
}

// Open indexes the file. It keeps data and may repair it in place, so the
// caller gives it away. The password is tried as the user's and the owner's.
func Open(data []byte, password string, limits Limits) (f *File, err error) {
	defer recoverTo(&err)
	start := bytes.Index(data[:min(len(data), 1024)], []byte("%PDF-"))
	if start < 0 {
		return nil, fmt.Errorf("%w: no %%PDF- in the first 1,024 bytes", ErrNotPDF)
	}
	f = &File{
		limits: limits.withDefaults(), data: data,
		fonts: map[string]font{}, named: map[string]map[string]font{}, damaged: map[font]error{},
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
	f.index.settleGenerations()
	root := f.catalog(defs, trailers)
	tree := f.walk(root)
	if tree.pages == 0 {
		return fmt.Errorf("%w: no page among %d objects", ErrMalformed, len(defs))
	}
	if tree.pages > f.limits.Pages {
		return fmt.Errorf("%w: more than %d pages", ErrMalformed, f.limits.Pages)
	}
	f.title = f.readTitle(trailers)
	f.layers = f.readLayers(root)
	f.form = f.index.dict(f.index.dict(root)["AcroForm"])
	f.rendered = f.index.dict(root)["NeedsRendering"] == true
	return f.load(root, tree)
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

// catalog returns the reference of the document's root object.
func (f *File) catalog(defs []definition, trailers []dict) ref {
	for i := len(trailers) - 1; i >= 0; i-- {
		if r, ok := trailers[i]["Root"].(ref); ok && f.index.dict(r)["Pages"] != nil {
			return f.index.defs[r.num].ref
		}
	}
	for _, num := range f.index.numbers() {
		if def := f.index.defs[num]; def.dict.name("Type") == "Catalog" && def.dict["Pages"] != nil {
			return def.ref
		}
	}
	return defs[0].ref // without a catalog the pages are found one by one
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

// streamOf finds the stream behind a value of the parser library, which tells
// where a stream lies only in its printed form: "<<…>>@offset".
func (f *File) streamOf(v parser.Value) *stream {
	if v.Kind() != parser.Stream {
		return nil
	}
	s := v.String()
	offset, err := strconv.ParseInt(s[strings.LastIndexByte(s, '@')+1:], 10, 64)
	if err != nil {
		return nil
	}
	return f.streams[offset]
}

// recoverTo turns a panic, the library's way to report damage, into an error.
func recoverTo(err *error) {
	if x := recover(); x != nil {
		*err = fmt.Errorf("%w: %v", ErrMalformed, x)
	}
}

// safely calls get and returns the zero value when it panics.
func safely[T any](get func() T) (v T) {
	defer func() { _ = recover() }()
	return get()
}
