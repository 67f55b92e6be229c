// Package zipxml opens the ZIP files full of XML that office documents are, within limits: a file of a few kilobytes
// can unpack to gigabytes, name a million files, or nest its XML without end.
package zipxml

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Errors, wrapped with the reason. Package ingest exports them under its own names.
var (
	ErrMalformed = errors.New("malformed")
	ErrEncrypted = errors.New("encrypted")
	ErrTooLarge  = errors.New("too large")
	ErrNoText    = errors.New("no text")
)

// Limits of one file.
const (
	MaxPart  = 32 << 20  // bytes that one part unpacks to
	MaxTotal = 128 << 20 // bytes that all parts together unpack to
	MaxParts = 20_000
	MaxDepth = 256 // of nested elements
)

// Archive is an open ZIP file. It is for one goroutine.
type Archive struct {
	files map[string]*zip.File
	left  int64
}

// Open lists the parts of a ZIP file. What it should be, such as "a workbook", is for the error.
func Open(r io.ReaderAt, size int64, what string) (*Archive, error) {
	head := make([]byte, 4)
	if n, _ := r.ReadAt(head, 0); string(head[:n]) == "\xD0\xCF\x11\xE0" { // in which office programs wrap files with a password
		return nil, fmt.Errorf("%w: or in an old format: save it anew, without a password", ErrEncrypted)
	}
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are looked up, never written
		return nil, fmt.Errorf("not %s: %w: not a ZIP file: %v", what, ErrMalformed, err)
	}
	if len(z.File) > MaxParts {
		return nil, fmt.Errorf("%w: %d files inside, the limit is %d", ErrTooLarge, len(z.File), MaxParts)
	}
	a := &Archive{files: make(map[string]*zip.File, len(z.File)), left: MaxTotal}
	for _, f := range z.File {
		if k := key(f.Name); a.files[k] == nil {
			a.files[k] = f
		}
	}
	return a, nil
}

// key compares names without case, as office programs do; some writers use backslashes.
func key(name string) string {
	return strings.ToLower(strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(name, `\`, "/")), "/"))
}

// Names returns the names of all parts, in no order.
func (a *Archive) Names() []string {
	names := make([]string, 0, len(a.files))
	for _, f := range a.files {
		names = append(names, f.Name)
	}
	return names
}

// Title is that of Office Open XML's properties, or "".
func (a *Archive) Title(ctx context.Context) string {
	core, err := a.Tree(ctx, "docProps/core.xml")
	if err != nil {
		return ""
	}
	return strings.Join(strings.Fields(core.Kid("title").String()), " ")
}

// OnlyPictures is the error of a file without text that has pictures, some more outside of it; nil if there are none. Office
// programs put them into a folder of their own.
func (a *Archive) OnlyPictures(outside int) error {
	names := slices.Repeat([]string{"one outside of the file"}, outside)
	for _, f := range a.files {
		if folder := path.Base(path.Dir(f.Name)); folder == "media" || folder == "Pictures" {
			names = append(names, path.Base(f.Name))
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	pictures := fmt.Sprintf("%d pictures", len(names))
	if len(names) == 1 {
		pictures = "a picture"
	}
	return fmt.Errorf("%w: %s and no word: run OCR over %s first", ErrNoText, pictures, strings.Join(names, ", "))
}

// Has tells whether there is a part of that name.
func (a *Archive) Has(name string) bool { return a.files[key(name)] != nil }

// Read unpacks a part. The error is fs.ErrNotExist where there is none.
func (a *Archive) Read(name string) ([]byte, error) {
	f, err := a.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if f.over {
		return nil, f.tooLarge()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrMalformed, name, err)
	}
	return data, nil
}

// part is a part that is being unpacked. It ends, and is over, at a limit.
type part struct {
	io.ReadCloser
	a    *Archive
	name string
	left int64
	over bool
}

func (a *Archive) open(name string) (*part, error) {
	f := a.files[key(name)]
	if f == nil {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrMalformed, name, err)
	}
	return &part{ReadCloser: r, a: a, name: name, left: MaxPart}, nil
}

func (p *part) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	p.left -= int64(n)
	p.a.left -= int64(n)
	if p.left < 0 || p.a.left < 0 {
		p.over = true
		return 0, io.EOF
	}
	return n, err
}

func (p *part) tooLarge() error {
	if p.left < 0 {
		return fmt.Errorf("%w: %s unpacks to more than %d MiB", ErrTooLarge, p.name, MaxPart>>20)
	}
	return fmt.Errorf("%w: the parts unpack to more than %d MiB", ErrTooLarge, MaxTotal>>20)
}
