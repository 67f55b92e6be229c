package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/docent-ml/docent/internal/pdf"
)

const pdfType = "application/pdf"

// PDF reads PDF files with github.com/ledongthuc/pdf as the parser and a text
// interpreter of its own. Broken ends and cross-references are repaired, and
// files that open with an empty password are decrypted.
type PDF struct {
	Password string  // tried as user's and owner's; "": only the empty password
	MaxPages int     // more pages are left out, and a fault says so; 0: no limit
	Cleanup  Cleanup // zero: everything on

	// OCR reads the pictures of pages that are scanned. Nil: such pages have no
	// text, and a fault says so. It does not go to child processes: there, a
	// reader of one's own sets it and calls PDF's Read.
	OCR OCR `json:",omitempty"`
}

// Shares of characters on a page that are no text: above the first the page is
// doubtful and gets a fault, above the second it is dropped.
const (
	doubtfulShare = 0.03
	garbledShare  = 0.30
)

// maxTextBytes is some twenty thousand pages of print. A small file can show one
// full page a hundred thousand times.
const maxTextBytes = 64 << 20

// Read implements Reader.
func (p PDF) Read(ctx context.Context, r io.ReaderAt, size int64) (*Document, error) {
	data, err := slurp(r, size)
	if err != nil {
		return nil, err
	}
	f, err := pdf.Open(data, p.Password, pdf.Limits{})
	if err != nil {
		return nil, publicError(err)
	}
	doc := &Document{MediaType: pdfType, Title: f.Title()}
	pages := f.Pages()
	if p.MaxPages > 0 && pages > p.MaxPages {
		doc.AddFault(0, "%d of %d pages read: MaxPages is %d", p.MaxPages, pages, p.MaxPages)
		pages = p.MaxPages
	}
	if text, is := f.XFA(); is {
		doc.AddFault(0, "an XFA form, whose pages no file holds: its labels and values are listed without their places")
		doc.AddPage(1, text)
		return doc, ctx.Err()
	}
	total := 0
	var scanned []int
	for i := range pages {
		text, err := f.Text(ctx, i)
		if f.Scanned() && !strings.ContainsFunc(text, unicode.IsLetter) { // a number at most, that was printed onto the scan
			if p.OCR == nil {
				scanned = append(scanned, i+1)
			} else if text, err = recognize(ctx, p.OCR, f); err != nil {
				err = fmt.Errorf("OCR: %w", err)
			}
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if total += len(text); total > maxTextBytes {
			return nil, fmt.Errorf("%w: more than %d MiB of text on the first %d pages", ErrTooLarge, maxTextBytes>>20, i+1)
		}
		if err != nil {
			doc.AddFault(i+1, "%v", err)
		}
		doc.AddPage(i+1, text)
	}
	if len(scanned) > 0 && !doc.blank() { // else the outcome says it
		doc.AddFault(0, "%s of %d: no text layer, likely scanned: run OCR over the file first", listed(scanned), f.Pages())
	}
	if title := p.Cleanup.apply(doc.Pages); doc.Title == "" {
		doc.Title = title
	}
	return doc, nil
}

// listed names pages: "pages 2, 3 and 4".
func listed(pages []int) string {
	const most = 12
	names := strings.Fields(strings.Trim(fmt.Sprint(pages[:min(len(pages), most)]), "[]"))
	switch last := len(names) - 1; {
	case len(pages) > most:
		return fmt.Sprintf("pages %s and %d more", strings.Join(names, ", "), len(pages)-most)
	case last > 0:
		return "pages " + strings.Join(names[:last], ", ") + " and " + names[last]
	}
	return "page " + names[0]
}

// publicError says the same with this package's errors.
func publicError(err error) error {
	for internal, public := range map[error]error{
		pdf.ErrNotPDF:    ErrNotPDF,
		pdf.ErrEncrypted: ErrEncrypted,
		pdf.ErrMalformed: ErrMalformed,
	} {
		if errors.Is(err, internal) {
			return &taggedError{err.Error(), public}
		}
	}
	return err
}

// taggedError is a message that already says what its kind says.
type taggedError struct {
	msg  string
	kind error
}

func (e *taggedError) Error() string { return e.msg }
func (e *taggedError) Unwrap() error { return e.kind }

// unreadableShare counts U+FFFD, control and private-use characters.
func unreadableShare(text string) float64 {
	bad, all := 0, 0
	for _, r := range text {
		if unicode.IsSpace(r) {
			continue
		}
		all++
		if _, bullet := symbolBullet(r); !bullet && (r == unicode.ReplacementChar || unicode.In(r, unicode.Cc, unicode.Co)) {
			bad++
		}
	}
	if all == 0 {
		return 0
	}
	return float64(bad) / float64(all)
}

// memory is a file that Walk holds already, so that a reader need not copy it.
// Whoever takes it owns the bytes.
type memory []byte

func (m memory) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(b, m[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// slurp returns all bytes of r.
func slurp(r io.ReaderAt, size int64) ([]byte, error) {
	if m, ok := r.(memory); ok {
		return m, nil
	}
	data := make([]byte, size)
	if n, err := r.ReadAt(data, 0); int64(n) < size {
		return nil, fmt.Errorf("read %d of %d bytes: %w", n, size, err)
	}
	return data, nil
}
