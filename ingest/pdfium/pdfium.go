// Package pdfium reads PDF files with PDFium, the engine of the Chrome browser,
// compiled to WebAssembly. It opens nearly every file that a person can read,
// at a price: a program that imports it grows by some ten megabytes, the first
// start takes seconds without a cache on disk, and pages take longer.
//
// As the second reader of a walk it is asked only where the engine of package
// ingest fails or doubts its text:
//
//	engine := &pdfium.PDF{CacheDir: dir}
//	defer engine.Close()
//	ingest.Walk(ctx, fsys, ingest.Options{
//		Fallback: map[string]ingest.Reader{".pdf": engine},
//		Isolated: &ingest.Isolated{},
//	})
//
// In Options.Readers it is the only one. With Options.Isolated, main must name
// it: ingest.RunChild(os.Args, &pdfium.PDF{}).
//
// PDFium runs in a sandbox without files, network or clock, and its memory is
// limited. Each document gets an instance of its own, which is thrown away.
// There is no rendering and no OCR.
//
// A PDF may be used from several goroutines at once.
package pdfium

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/klippa-app/go-pdfium"
	pdfiumerrors "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/internal/deadline"
)

// PDF is an ingest.Reader. Its zero value is ready to use; fields must not
// change after the first Read.
type PDF struct {
	Password string         // "": only the empty password
	MaxPages int            // more pages are left out, and a fault says so; 0: no limit
	Cleanup  ingest.Cleanup // zero: everything on

	// MaxMemory is how many bytes one document may take inside PDFium; 0: 512
	// MiB. It is never more than two thirds of the process's own memory limit
	// (GOMEMLIMIT, which child processes have).
	MaxMemory int64

	// CacheDir is a folder for the compiled engine, some 20 MB. With it, a
	// start takes a tenth of a second instead of seconds. "": compile each time.
	CacheDir string

	mu      sync.Mutex
	engines map[bool]*engine // by whether a call can be interrupted
	closed  bool
}

// EngineVersion tells ingest's cache which engine read a file.
func (*PDF) EngineVersion() string { return "go-pdfium 1.20.0/1" }

// Prepare compiles the engine, or takes it from CacheDir. Read does that too.
func (p *PDF) Prepare(ctx context.Context) error {
	_, err := p.engine(ctx, !deadline.Enforced(ctx))
	return err
}

// Read implements ingest.Reader. It ends at the deadline of ctx; in a child
// process, which is killed then, it need not watch it and is several times
// faster.
func (p *PDF) Read(ctx context.Context, r io.ReaderAt, size int64) (doc *ingest.Document, err error) {
	data := make([]byte, size)
	if n, err := r.ReadAt(data, 0); int64(n) < size {
		return nil, fmt.Errorf("read %d of %d bytes: %w", n, size, err)
	}
	at := strings.Index(string(data[:min(len(data), 1024)]), "%PDF-")
	if at < 0 {
		return nil, fmt.Errorf("%w: no %%PDF- in the first 1,024 bytes", ingest.ErrNotPDF)
	}
	e, err := p.engine(ctx, !deadline.Enforced(ctx))
	if err != nil {
		return nil, err
	}
	s, err := e.open(ctx, data[at:], p.Password)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return p.pages(ctx, s)
}

func (p *PDF) pages(ctx context.Context, s *session) (*ingest.Document, error) {
	doc := &ingest.Document{MediaType: "application/pdf", Title: s.title()}
	pages, err := s.pages()
	if err != nil {
		return nil, err
	}
	if p.MaxPages > 0 && pages > p.MaxPages {
		doc.AddFault(0, "%d of %d pages read: MaxPages is %d", p.MaxPages, pages, p.MaxPages)
		pages = p.MaxPages
	}
	total := 0
	for i := range pages {
		text, err := s.text(i)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case s.dead: // what an instance without memory says is not to be trusted
			doc.AddFault(i+1, "this page and those after it: %v", err)
			p.Cleanup.Apply(doc.Pages)
			return doc, nil
		case err != nil:
			doc.AddFault(i+1, "%v", err)
			continue
		}
		if total += len(text); total > maxTextBytes {
			return nil, fmt.Errorf("%w: more than %d MiB of text on the first %d pages", ingest.ErrTooLarge, maxTextBytes>>20, i+1)
		}
		doc.AddPage(i+1, text)
	}
	p.Cleanup.Apply(doc.Pages)
	return doc, nil
}

// maxTextBytes is some twenty thousand pages of print.
const maxTextBytes = 64 << 20

// ErrClosed is what Read returns after Close.
var ErrClosed = errors.New("pdfium: closed")

// Close frees the compiled engine. It may be called twice; documents that are
// being read end with an error.
func (p *PDF) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var errs []error
	for _, e := range p.engines {
		errs = append(errs, e.close())
	}
	p.engines = nil
	return errors.Join(errs...)
}

// session is one document in an instance of its own.
type session struct {
	ctx      context.Context
	instance pdfium.Pdfium
	memory   memory
	doc      references.FPDF_DOCUMENT
	stop     func() bool // from killing the instance when ctx ends; false when that has happened
	dead     bool        // the instance gave up
}

// open starts an instance and has it open the document.
func (e *engine) open(ctx context.Context, data []byte, password string) (s *session, err error) {
	instance, memory, err := e.start(ctx)
	if err != nil {
		return nil, errors.Join(context.Cause(ctx), fmt.Errorf("starting an instance: %w", err))
	}
	s = &session{ctx: ctx, instance: instance, memory: memory}
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		e.ending.Lock()
		defer e.ending.Unlock()
		_ = instance.Kill()
	})
	s.stop = func() bool {
		if stop() {
			return true
		}
		<-killed
		return false
	}
	request := requests.OpenDocument{File: &data}
	if password != "" {
		request.Password = &password
	}
	err = s.call(func() error {
		opened, err := instance.OpenDocument(&request)
		if err == nil {
			s.doc = opened.Document
		}
		return err
	})
	if err != nil {
		s.close()
		return nil, s.explain(err)
	}
	return s, nil
}

// call runs f and notes whether the instance can go on after an error. Errors
// of PDFium itself are numbered; all others are traps: no memory, no stack.
func (s *session) call(f func() error) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("%v", x)
		}
		s.dead = s.dead || err != nil && !isAnswer(err)
	}()
	if s.dead {
		return errors.New("the instance gave up before")
	}
	return f()
}

func isAnswer(err error) bool {
	return slices.ContainsFunc([]error{
		pdfiumerrors.ErrSuccess, pdfiumerrors.ErrUnknown, pdfiumerrors.ErrFile, pdfiumerrors.ErrFormat,
		pdfiumerrors.ErrPassword, pdfiumerrors.ErrSecurity, pdfiumerrors.ErrPage,
	}, func(known error) bool { return errors.Is(err, known) })
}

// explain says why a document does not open, in the terms of package ingest.
func (s *session) explain(err error) error {
	switch {
	case s.ctx.Err() != nil:
		return context.Cause(s.ctx)
	case errors.Is(err, pdfiumerrors.ErrPassword):
		return fmt.Errorf("%w: a password is needed, or another one", ingest.ErrEncrypted)
	case errors.Is(err, pdfiumerrors.ErrSecurity):
		return fmt.Errorf("%w: by a security handler that needs its own software", ingest.ErrEncrypted)
	}
	return fmt.Errorf("%w: PDFium: %s", ingest.ErrMalformed, firstLine(err))
}

func (s *session) pages() (n int, err error) {
	err = s.call(func() error {
		count, err := s.instance.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: s.doc})
		if err == nil {
			n = count.PageCount
		}
		return err
	})
	if err != nil {
		return 0, s.explain(err)
	}
	return n, nil
}

func (s *session) title() (title string) {
	_ = s.call(func() error {
		meta, err := s.instance.FPDF_GetMetaText(&requests.FPDF_GetMetaText{Document: s.doc, Tag: "Title"})
		if err == nil {
			title = strings.TrimSpace(meta.Value)
		}
		return nil
	})
	return title
}

func (s *session) text(page int) (text string, err error) {
	err = s.call(func() error {
		got, err := s.instance.GetPageText(&requests.GetPageText{Page: requests.Page{
			ByIndex: &requests.PageByIndex{Document: s.doc, Index: page},
		}})
		if err == nil {
			text = plain(got.Text)
		}
		return err
	})
	if err != nil {
		err = errors.New("PDFium: " + firstLine(err))
	}
	return text, err
}

// plain turns PDFium's line ends and its mark for a hyphen at a line end into
// what ingest.Cleanup works on.
func plain(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x02\r\n", "-\n", "\x02\n", "-\n", "\x02", "-\n", "\uFFFE", "-\n").Replace(s)
	return strings.TrimSpace(s)
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func (s *session) close() {
	if s.stop() {
		_ = s.instance.Close()
	}
	if s.memory != nil {
		s.memory.release()
	}
}
