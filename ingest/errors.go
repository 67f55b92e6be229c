package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/docent-ml/docent/ingest/internal/zipxml"
)

// Errors of readers and of Walk, wrapped with the reason. Each stands for the
// outcome of the same name.
var (
	ErrNoText    = zipxml.ErrNoText
	ErrEncrypted = zipxml.ErrEncrypted
	ErrNotPDF    = errors.New("not a PDF file")
	ErrMalformed = zipxml.ErrMalformed
	ErrTimeout   = errors.New("not read within the time limit")
	ErrTooLarge  = zipxml.ErrTooLarge
	ErrCrashed   = errors.New("reader crashed")
)

// kinds joins errors and outcomes, the more special first.
var kinds = []struct {
	err     error
	outcome Outcome
}{
	{ErrNoText, Empty},
	{ErrEncrypted, Encrypted},
	{ErrNotPDF, NotPDF},
	{ErrMalformed, Malformed},
	{ErrTimeout, Timeout},
	{context.DeadlineExceeded, Timeout},
	{ErrTooLarge, TooLarge},
	{ErrCrashed, Crashed},
}

func outcomeOf(err error) Outcome {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.outcome
		}
	}
	return Unreadable
}

// errorOf is the inverse of outcomeOf; nil where an outcome has no error.
func errorOf(o Outcome) error {
	for _, k := range kinds {
		if k.outcome == o {
			return k.err
		}
	}
	return nil
}

// FileError says which file, and where known which page, could not be read.
type FileError struct {
	Path string
	Page int // counts from 1; 0: the whole file
	Err  error
}

func (e *FileError) Error() string {
	if e.Page > 0 {
		return fmt.Sprintf("ingest %s: page %d: %v", e.Path, e.Page, e.Err)
	}
	return fmt.Sprintf("ingest %s: %v", e.Path, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }

// settle gives the document its outcome from what its reader returned. The
// error is nil when there is text.
func (d *Document) settle(err error) error {
	if err == nil {
		d.dropBlankPages()
		switch {
		case len(d.Pages) > 0 && len(d.Faults) == 0:
			d.Outcome = OK
			return nil
		case len(d.Pages) > 0:
			d.Outcome = Partial
			return nil
		case len(d.Faults) > 0:
			first := d.Faults[0]
			d.Outcome = Malformed
			return &FileError{d.Path, first.Page, fmt.Errorf("%w: %s", ErrMalformed, first.Reason)}
		}
		err = fmt.Errorf("%w: its pages hold no text layer, so they are likely scanned: run OCR over the file first", ErrNoText)
		if d.MediaType != pdfType {
			err = fmt.Errorf("%w: the file is blank", ErrNoText)
		}
	}
	d.Outcome = outcomeOf(err)
	d.Pages = nil
	d.Faults = append([]Fault{{Reason: err.Error()}}, d.Faults...)
	return &FileError{Path: d.Path, Err: err}
}

func (d *Document) dropBlankPages() {
	kept := d.Pages[:0]
	for _, p := range d.Pages {
		if strings.TrimSpace(p.Text) != "" {
			kept = append(kept, p)
		}
	}
	d.Pages = kept
}
