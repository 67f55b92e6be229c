package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/html/charset"
)

// HTML reads what a browser shows of a web page as one page of text: blocks as
// paragraphs, list items with a dash, table rows as lines with tabs between
// their cells. Scripts, styles and what stands in templates are left out, and
// links lead nowhere.
type HTML struct{}

// Read implements Reader.
func (HTML) Read(ctx context.Context, r io.ReaderAt, size int64) (*Document, error) {
	data, err := slurp(r, size)
	if err != nil {
		return nil, err
	}
	data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	enc, _, _ := charset.DetermineEncoding(data[:min(len(data), 1024)], "")
	source := enc.NewDecoder().Reader(bytes.NewReader(data))
	if bytes.HasPrefix(data, []byte{0xFF, 0xFE}) || bytes.HasPrefix(data, []byte{0xFE, 0xFF}) {
		s, err := decodeText(memory(data), size)
		if err != nil {
			return nil, err
		}
		source = strings.NewReader(s)
	} else if bytes.IndexByte(data, 0) >= 0 {
		return nil, fmt.Errorf("%w: byte %d is NUL, so this is no text", ErrMalformed, bytes.IndexByte(data, 0))
	}
	// A tokenizer, and no tree: the cost is that of the bytes, however deep and
	// wrong the nesting is.
	z := html.NewTokenizer(source)
	z.SetMaxBuf(maxToken)
	p := &htmlText{}
	for n := 0; ; n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		switch z.Next() {
		case html.ErrorToken:
			if err := z.Err(); !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
			}
			return &Document{MediaType: "text/html", Title: oneLine(p.title.String()), Pages: []Page{{Number: 1, Text: p.out.String()}}}, nil
		case html.TextToken:
			p.text(string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			p.open(atom.Lookup(name))
		case html.EndTagToken:
			name, _ := z.TagName()
			p.close(atom.Lookup(name))
		}
	}
}

const (
	maxToken   = 64 << 20 // one piece of text or one tag
	checkEvery = 1 << 12  // tokens between looks at the context
)

// htmlText is the text so far, and where in the document it is.
type htmlText struct {
	out    blocks
	title  strings.Builder
	hidden [8]int // how many of each hidden element are open
	pre    int
	inHead bool // in <title>
}

// hiddenElement returns the place in hidden of an element whose text is not shown.
func hiddenElement(a atom.Atom) (int, bool) {
	switch a {
	case atom.Script:
		return 0, true
	case atom.Style:
		return 1, true
	case atom.Template:
		return 2, true
	case atom.Svg:
		return 3, true
	case atom.Iframe:
		return 4, true
	case atom.Object:
		return 5, true
	case atom.Datalist:
		return 6, true
	case atom.Select:
		return 7, true
	}
	return 0, false
}

func (p *htmlText) text(s string) {
	switch {
	case p.inHead:
		p.title.WriteString(s)
	case p.hidden != [8]int{}:
	case p.pre > 0:
		p.out.verbatim(s)
	default:
		p.out.words(s)
	}
}

func (p *htmlText) open(a atom.Atom) {
	if i, ok := hiddenElement(a); ok {
		p.hidden[i]++
		return
	}
	switch a {
	case atom.Title:
		p.inHead = p.title.Len() == 0 && p.hidden == [8]int{}
	case atom.Pre, atom.Textarea:
		p.out.paragraph()
		p.pre++
	case atom.Br:
		p.out.line()
	case atom.Li:
		p.out.line()
		p.out.mark("- ")
	case atom.Td, atom.Th:
		p.out.cell()
	case atom.Tr:
		p.out.row()
	case atom.Dt, atom.Dd, atom.Option, atom.Figcaption, atom.Summary:
		p.out.line()
	default:
		if isBlock(a) {
			p.out.paragraph()
		}
	}
}

func (p *htmlText) close(a atom.Atom) {
	if i, ok := hiddenElement(a); ok {
		p.hidden[i] = max(p.hidden[i]-1, 0)
		return
	}
	switch a {
	case atom.Title:
		p.inHead = false
	case atom.Pre, atom.Textarea:
		p.pre = max(p.pre-1, 0)
		p.out.paragraph()
	case atom.Tr, atom.Li, atom.Dt, atom.Dd:
		p.out.line()
	default:
		if isBlock(a) {
			p.out.paragraph()
		}
	}
}

func isBlock(a atom.Atom) bool {
	switch a {
	case atom.P, atom.Div, atom.Section, atom.Article, atom.Main, atom.Header, atom.Footer, atom.Nav, atom.Aside, atom.Body,
		atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Blockquote, atom.Ul, atom.Ol, atom.Dl, atom.Table,
		atom.Thead, atom.Tbody, atom.Tfoot, atom.Caption, atom.Figure, atom.Form, atom.Fieldset, atom.Address, atom.Hr, atom.Details:
		return true
	}
	return false
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// blocks puts running text together: white space counts once, and breaks are
// written when the next word comes, the strongest of those that were asked for.
type blocks struct {
	b     strings.Builder
	space bool
	brk   string // "", "\n" or "\n\n"
	tabs  int
	first bool // the next cell is the first of its row
	bol   bool // nothing but a mark stands on the line
}

func (b *blocks) String() string { return strings.TrimSpace(b.b.String()) }

func (b *blocks) line() {
	if b.brk == "" {
		b.brk = "\n"
	}
}
func (b *blocks) paragraph() { b.brk = "\n\n" }

func (b *blocks) row() {
	b.line()
	b.first, b.tabs = true, 0
}

// cell begins a cell of a table row; empty ones count.
func (b *blocks) cell() {
	if !b.first {
		b.tabs++
	}
	b.first = false
}

// mark is written before the next word.
func (b *blocks) mark(s string) {
	b.flush()
	b.b.WriteString(s)
	b.bol = true
}

func (b *blocks) flush() {
	if b.brk != "" && b.b.Len() > 0 && !b.bol {
		b.b.WriteString(b.brk)
	}
	switch {
	case b.tabs > 0:
		b.b.WriteString(strings.Repeat("\t", b.tabs))
	case b.space && b.brk == "" && b.b.Len() > 0 && !b.bol:
		b.b.WriteByte(' ')
	}
	b.brk, b.tabs, b.space, b.bol = "", 0, false, false
}

func (b *blocks) words(s string) {
	for i, w := range strings.FieldsFunc(s, isCollapsible) {
		if i > 0 || isCollapsible(rune(s[0])) {
			b.space = true
		}
		b.flush()
		b.b.WriteString(strings.ReplaceAll(dropControls(w), "\u00A0", " "))
	}
	if s != "" && isCollapsible(rune(s[len(s)-1])) {
		b.space = true
	}
}

// exactly writes text whose spaces all count.
func (b *blocks) exactly(s string) {
	if s == "" {
		return
	}
	b.flush()
	b.b.WriteString(strings.ReplaceAll(dropControls(s), "\u00A0", " "))
}

// verbatim keeps white space, as in <pre>.
func (b *blocks) verbatim(s string) {
	s = dropControls(s)
	if strings.TrimFunc(s, unicode.IsSpace) == "" && b.b.Len() == 0 {
		return
	}
	b.flush()
	b.b.WriteString(s)
}

func isCollapsible(r rune) bool { return r == ' ' || r == '\n' || r == '\t' || r == '\r' || r == '\f' }
