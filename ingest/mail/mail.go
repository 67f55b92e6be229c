// Package mail reads messages and web archives with github.com/emersion/go-message, which knows MIME with its encodings;
// jhillyerd/enmime does too, and brings six modules more, and net/mail with mime/multipart leaves character sets to the caller.
package mail

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // of headers
	"github.com/emersion/go-message/textproto"

	"github.com/docent-ml/docent/ingest"
)

// EML reads messages (RFC 5322): subject, sender, receivers and date, then the text as mail programs show it, and forwarded
// messages. Attachments are named as faults and not read.
type EML struct{}

// MHT reads web pages that a browser saved as one file (MHTML), as ingest.HTML reads pages.
type MHT struct{}

// Readers returns the readers of this package by file extension.
func Readers() map[string]ingest.Reader {
	return map[string]ingest.Reader{".eml": EML{}, ".mht": MHT{}, ".mhtml": MHT{}}
}

// Limits of one message.
const (
	maxParts   = 1000
	maxDepth   = 16
	maxPart    = 32 << 20
	maxUseless = 20 // attachments that are named
)

// Read implements ingest.Reader.
func (EML) Read(ctx context.Context, r io.ReaderAt, size int64) (*ingest.Document, error) {
	m, e, err := open(ctx, r, size, "message/rfc822")
	if err != nil {
		return nil, err
	}
	m.message(e, 0)
	m.doc.Title, _ = e.Header.Text("Subject")
	return m.end()
}

// Read implements ingest.Reader.
func (MHT) Read(ctx context.Context, r io.ReaderAt, size int64) (*ingest.Document, error) {
	m, e, err := open(ctx, r, size, "multipart/related")
	if err != nil {
		return nil, err
	}
	m.quiet = true
	m.part(e, 0)
	if subject, err := e.Header.Text("Subject"); err == nil && m.doc.Title == "" {
		m.doc.Title = subject
	}
	return m.end()
}

type reading struct {
	ctx   context.Context
	doc   *ingest.Document
	texts []string
	parts int
	left  int
	quiet bool // parts that are no text belong to a page
	err   error
}

func open(ctx context.Context, r io.ReaderAt, size int64, kind string) (*reading, entity, error) {
	e, err := readEntity(io.NewSectionReader(r, 0, size))
	if err != nil {
		return nil, entity{}, fmt.Errorf("%w: no message: %w", ingest.ErrMalformed, err)
	}
	if e.Header.Len() == 0 {
		return nil, entity{}, fmt.Errorf("%w: no message: it has no header", ingest.ErrMalformed)
	}
	return &reading{ctx: ctx, doc: &ingest.Document{MediaType: kind}, left: 2 * maxPart}, e, nil
}

// entity is a part in the bytes that it was sent in: what it says of their encoding is a hint for the reader, which knows better
// where it is wrong.
type entity struct {
	*message.Entity
	charset string
}

func newEntity(h textproto.Header, body io.Reader) (entity, error) {
	e := entity{}
	header := message.Header{Header: h}
	if kind, params, err := header.ContentType(); err == nil && params["charset"] != "" {
		e.charset = params["charset"]
		delete(params, "charset")
		header.SetContentType(kind, params)
	}
	var err error
	if e.Entity, err = message.New(header, body); message.IsUnknownEncoding(err) {
		err = nil
	}
	return e, err
}

func readEntity(r io.Reader) (entity, error) {
	b := bufio.NewReader(r)
	h, err := textproto.ReadHeader(b)
	if err != nil {
		return entity{}, err
	}
	return newEntity(h, b)
}

func (m *reading) end() (*ingest.Document, error) {
	if m.err != nil {
		return nil, m.err
	}
	m.doc.Title = strings.TrimSpace(m.doc.Title)
	m.doc.Pages = []ingest.Page{{Number: 1, Text: strings.Join(m.texts, "\n\n")}}
	return m.doc, m.ctx.Err()
}

func (m *reading) message(e entity, depth int) {
	var head []string
	for _, name := range []string{"Subject", "From", "To", "Cc", "Date"} {
		if v, _ := e.Header.Text(name); strings.TrimSpace(v) != "" {
			head = append(head, name+": "+strings.Join(strings.Fields(v), " "))
		}
	}
	m.texts = append(m.texts, strings.Join(head, "\n"))
	m.part(e, depth)
}

func (m *reading) fault(format string, args ...any) {
	if len(m.doc.Faults) < maxUseless {
		m.doc.AddFault(0, format, args...)
	}
}

// part adds the text of an entity. It tells whether there was any.
func (m *reading) part(e entity, depth int) (found bool) {
	if m.parts++; m.err != nil || m.ctx.Err() != nil || depth > maxDepth || m.parts > maxParts {
		if m.parts > maxParts || depth > maxDepth {
			m.err = fmt.Errorf("%w: more than %d parts, or %d in each other", ingest.ErrTooLarge, maxParts, maxDepth)
		}
		return false
	}
	kind, described, err := e.Header.ContentType()
	if err != nil || kind == "" {
		kind = "text/plain"
	}
	place, params, _ := e.Header.ContentDisposition()
	name := cmp.Or(params["filename"], described["name"])
	switch {
	case strings.HasPrefix(kind, "multipart/"):
		return m.multipart(e, kind, described["boundary"], depth)
	case kind == "message/rfc822":
		inner, err := readEntity(e.Body)
		if err != nil {
			m.fault("a message inside left out: %v", err)
			return false
		}
		m.message(inner, depth+1)
		return true
	case place == "attachment" || kind != "text/plain" && kind != "text/html" && kind != "application/xhtml+xml":
		if !m.quiet {
			m.fault("attachment %q (%s) not read", name, kind)
		}
		return false
	}
	data, err := io.ReadAll(io.LimitReader(e.Body, maxPart+1))
	if m.left -= len(data); len(data) > maxPart || m.left < 0 {
		m.err = fmt.Errorf("%w: more than %d MiB of text", ingest.ErrTooLarge, maxPart>>20)
		return false
	}
	if err != nil {
		m.fault("a part of the text breaks off: %v", err)
	}
	var reader ingest.Reader = ingest.Text{Charset: e.charset}
	if kind != "text/plain" {
		reader = ingest.HTML{Charset: e.charset}
	}
	d, err := reader.Read(m.ctx, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		m.fault("a part of the text left out: %v", err)
		return false
	}
	for _, f := range d.Faults {
		m.fault("%s", f.Reason)
	}
	if m.quiet && m.doc.Title == "" {
		m.doc.Title = d.Title
	}
	text := strings.TrimSpace(d.Text())
	if kind == "text/plain" && strings.EqualFold(described["format"], "flowed") {
		text = unfold(text, strings.EqualFold(described["delsp"], "yes"))
	}
	if text != "" {
		m.texts = append(m.texts, text)
	}
	return text != ""
}

// multipart adds all parts, of alternatives the last that is read, and of related ones the first, which the others belong to.
func (m *reading) multipart(e entity, kind, boundary string, depth int) (found bool) {
	if boundary == "" {
		m.fault("a part without a boundary left out")
		return false
	}
	parts := textproto.NewMultipartReader(e.Body, boundary)
	before := len(m.texts)
	for {
		var p entity
		next, err := parts.NextPart()
		if err == nil {
			p, err = newEntity(next.Header, next)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				m.fault("the message breaks off: %v", err)
			}
			return found
		}
		if kind == "multipart/related" && found {
			quiet := m.quiet
			m.quiet = true
			texts := m.texts
			if inner, _, _ := p.Header.ContentType(); !strings.HasPrefix(inner, "text/") { // frames and style sheets of a page
				m.part(p, depth+1)
			}
			m.quiet, m.texts = quiet, texts
			continue
		}
		earlier := m.texts[before:len(m.texts):len(m.texts)]
		if !m.part(p, depth+1) {
			continue
		}
		if found && kind == "multipart/alternative" {
			m.texts = append(m.texts[:before:before], m.texts[before+len(earlier):]...)
		}
		found = true
	}
}

// unfold puts the lines of paragraphs together again, as RFC 3676 says: one that ends in a space goes on in the next, unless that is
// quoted otherwise. Where cut is set that space is not of the text.
func unfold(text string, cut bool) string {
	var b strings.Builder
	depth, flows := 0, false
	for line := range strings.SplitSeq(text, "\n") {
		s := strings.TrimLeft(line, ">")
		quoted := len(line) - len(s)
		s = strings.TrimPrefix(s, " ") // stuffed, so that the line does not begin with a quote
		signature := s == "-- "
		if !flows || quoted != depth || signature {
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			if b.WriteString(line[:quoted]); quoted > 0 && s != "" {
				b.WriteByte(' ')
			}
		}
		depth, flows = quoted, strings.HasSuffix(s, " ") && !signature
		if cut && flows {
			s = strings.TrimSuffix(s, " ")
		}
		b.WriteString(s)
	}
	return b.String()
}
