package office

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/internal/numerals"
	"github.com/docent-ml/docent/ingest/internal/omml"
	"github.com/docent-ml/docent/ingest/internal/symbols"
	"github.com/docent-ml/docent/ingest/internal/zipxml"
)

// RTF reads the Rich Text Format: paragraphs, list numbers as they are written, tables row by row, foot- and endnotes
// where their marks stand, in brackets. Hidden and deleted text, headers, footers and comments are left out.
type RTF struct{}

// maxGroups bounds nested groups.
const maxGroups = 1 << 12

// Read implements ingest.Reader.
func (RTF) Read(ctx context.Context, r io.ReaderAt, size int64) (*ingest.Document, error) {
	data, err := io.ReadAll(io.NewSectionReader(r, 0, size))
	if err != nil {
		return nil, err
	}
	start := bytes.Index(data[:min(len(data), 64)], []byte(`{\rtf`))
	if start < 0 {
		return nil, fmt.Errorf("%w: it does not begin with {\\rtf", ingest.ErrMalformed)
	}
	p := &rtf{data: data[start:], fonts: map[int]rtfFont{}, doc: &ingest.Document{MediaType: "application/rtf"}}
	p.state.page = charmap.Windows1252
	p.state.skip, p.state.outside = 1, toNowhere
	if err := p.parse(ctx); err != nil {
		return nil, err
	}
	p.endPage()
	if len(p.doc.Pages) == 0 && p.pictures > 0 {
		return nil, fmt.Errorf("%w: the document is %d pictures and no word: run OCR over them first", ingest.ErrNoText, p.pictures)
	}
	p.doc.Title = oneLine(p.title.String())
	return p.doc, nil
}

type rtfFont struct {
	name  string
	page  encoding.Encoding // nil is one of symbols
	isSet bool
}

// rtfState is what a group restores at its end.
type rtfState struct {
	dest    destination
	outside destination // where both forms of a text that is there for old and for new readers would go
	note    bool
	field   bool
	hidden  bool
	table   bool // in a row
	box     int  // where a text box begins in the text, counted from 1
	place   int  // above 0 superscript, below subscript
	font    int
	page    encoding.Encoding
	skip    int          // characters that stand for one of Unicode, for older readers
	math    *zipxml.Node // the part of a formula that is being read
}

// rtfForm is a field of a form.
type rtfForm struct {
	kind, chosen int // 1 a box, 2 a list
	choices      []string
	at           int // in the text, where its result begins
}

// undecided is what a field has whose default counts.
const undecided = 25

func (f rtfForm) String() string {
	switch {
	case f.kind == 1 && f.chosen == 1:
		return "☒"
	case f.kind == 1:
		return "☐"
	case f.kind == 2 && f.chosen >= 0 && f.chosen < len(f.choices):
		return f.choices[f.chosen]
	}
	return ""
}

type rtf struct {
	data    []byte
	pos     int
	state   rtfState
	stack   []rtfState
	fonts   map[int]rtfFont
	plain   int // number of the font of text that names none
	ansi    encoding.Encoding
	bytes   []byte // of characters in the code page, not yet decoded
	skip    int    // what is left to skip
	high    rune   // first half of a pair
	opened  bool   // a group has just begun
	starred bool

	out      []byte
	boxes    []string // that stand beside the paragraph
	parts    int      // of all formulas
	apart    bool     // a formula was written last
	scripts  numerals.Scripts
	code     string
	name     string
	form     rtfForm
	title    strings.Builder
	doc      *ingest.Document
	pages    int
	pictures int
}

func (p *rtf) parse(ctx context.Context) error {
	for n := 0; p.pos < len(p.data); n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		c := p.data[p.pos]
		p.pos++
		switch c {
		case '{':
			p.flush()
			if len(p.stack) >= maxGroups {
				return fmt.Errorf("%w: more than %d groups in each other", ingest.ErrMalformed, maxGroups)
			}
			p.stack = append(p.stack, p.state)
			p.opened, p.starred, p.skip = true, false, 0
			continue
		case '}':
			p.flush()
			p.skip = 0
			if p.closeGroup(); len(p.stack) == 0 { // what stands behind is none of it
				return nil
			}
		case '\\':
			p.control()
			continue
		case '\r', '\n':
			continue
		default:
			p.char(c)
		}
		p.opened = false
	}
	p.flush()
	return nil
}

// closeGroup goes back to the state before the group, and writes what could not be told before its end.
func (p *rtf) closeGroup() {
	k := len(p.stack)
	if k == 0 {
		return
	}
	inner := p.state
	p.state, p.stack = p.stack[k-1], p.stack[:k-1]
	if inner.box != p.state.box && inner.box <= len(p.out)+1 {
		text := strings.TrimSpace(string(p.out[inner.box-1:]))
		p.out = p.out[:inner.box-1]
		if p.state.table {
			p.write(" " + oneLine(text) + " ")
		} else if text != "" {
			p.boxes = append(p.boxes, text)
		}
	}
	if inner.note && !p.state.note {
		p.write("]")
	}
	if inner.dest == toText && p.state.dest == toData { // what stands for a picture
		p.out = append(p.out, ' ')
	}
	if inner.math != nil && p.state.math == nil {
		p.formula(omml.Linear(inner.math))
	}
	if inner.dest == toCode && p.state.dest != toCode {
		p.formula(omml.Field(p.code))
		p.code, p.form.at = "", len(p.out)
	}
	if inner.field && !p.state.field { // programs note the result of a box, and of a list, nowhere else
		if s := p.form.String(); s != "" && len(bytes.TrimSpace(p.out[min(p.form.at, len(p.out)):])) == 0 {
			p.write(s)
		}
		p.form = rtfForm{}
	}
}

func (p *rtf) formula(s string) {
	p.write(numerals.Apart(string(p.out[max(len(p.out)-4, 0):]), s))
	p.apart = s != ""
}

// char takes one byte of text.
func (p *rtf) char(c byte) {
	if p.skip > 0 {
		p.skip--
		return
	}
	p.bytes = append(p.bytes, c)
}

// flush decodes the bytes so far.
func (p *rtf) flush() {
	if len(p.bytes) == 0 {
		return
	}
	font := p.fonts[p.state.font]
	page := p.state.page
	if font.isSet && p.state.dest != toFonts {
		page = font.page
	}
	raw := p.bytes
	p.bytes = p.bytes[:0]
	if page == nil {
		for _, c := range raw {
			p.write(symbols.Text(string(rune(c)), font.name))
		}
		return
	}
	s, err := page.NewDecoder().Bytes(raw)
	if err != nil {
		s = raw
	}
	p.write(strings.ToValidUTF8(string(s), "\uFFFD"))
}

const maxCode = 4 << 10

func (p *rtf) write(s string) {
	switch p.state.dest {
	case toFonts:
		f := p.fonts[p.state.font]
		f.name = strings.TrimSuffix(f.name+s[:min(len(s), maxCode-min(len(f.name), maxCode))], ";")
		p.fonts[p.state.font] = f
	case toTitle:
		p.title.WriteString(s)
	case toCode:
		p.code += s[:min(len(s), maxCode-min(len(p.code), maxCode))]
	case toName:
		p.name += s[:min(len(s), maxCode-min(len(p.name), maxCode))]
	case toChoice:
		if n := len(p.form.choices); n > 0 { // else a field inside of it has ended the form
			last := &p.form.choices[n-1]
			*last += s[:min(len(s), maxCode-min(len(*last), maxCode))]
		}
	case toText:
		switch m := p.state.math; {
		case p.state.hidden || s == "":
		case m == nil:
			before := string(p.out[max(len(p.out)-8, 0):])
			if p.apart {
				s = numerals.Apart(before, s)
			}
			p.apart = false
			p.out = append(p.out, p.scripts.Next(before, s, p.state.place)...)
		case m.Name == "r":
			p.part(m, &zipxml.Node{Name: "t", Text: s})
		case len(m.Attr("val")) < maxCode: // a setting, which XML has in an attribute
			m.Attrs = []xml.Attr{{Name: xml.Name{Local: "val"}, Value: m.Attr("val") + s}}
		}
	}
}

// space writes white space; in a cell and in a note that is one blank.
func (p *rtf) space(s string) {
	if p.state.table || p.state.note {
		if s = " "; len(p.out) > 0 && strings.IndexByte(" \t\n", p.out[len(p.out)-1]) >= 0 {
			return
		}
	}
	p.write(s)
}

// endParagraph writes the text boxes that stand beside it, behind it.
func (p *rtf) endParagraph() {
	p.space("\n\n")
	if p.state.box == 0 && !p.state.table && len(p.boxes) > 0 {
		p.out = append(p.out, "\n\n"+strings.Join(p.boxes, "\n\n")+"\n\n"...)
		p.boxes = nil
	}
}

var controlWord = regexp.MustCompile(`^([a-zA-Z]+)(-?[0-9]+)? ?`)

// control reads a control word or symbol behind a backslash.
func (p *rtf) control() {
	if p.pos >= len(p.data) {
		return
	}
	c := p.data[p.pos]
	if c < 'a' || c > 'z' {
		p.pos++
		p.symbol(c)
		return
	}
	m := controlWord.FindSubmatch(p.data[p.pos:])
	p.pos += len(m[0])
	word := string(m[1])
	value, _ := strconv.ParseInt(string(m[2]), 10, 32) // no further than that from 0 where it is
	if word == "u" && len(m[2]) > 0 {
		if value < 0 { // as two bytes with a sign
			value += 1 << 16
		}
		p.unicode(rune(value))
		p.opened = false
		return
	}
	p.flush()
	p.word(word, int(value), len(m[2]) > 0)
	p.opened, p.starred = false, false
}

func (p *rtf) symbol(c byte) {
	switch c {
	case '\'':
		if p.pos+2 <= len(p.data) {
			if v, err := strconv.ParseUint(string(p.data[p.pos:p.pos+2]), 16, 8); err == nil {
				p.char(byte(v))
			}
			p.pos += 2
		}
	case '*':
		p.starred = true
		return
	case '\\', '{', '}':
		p.char(c)
	case '~', '_':
		p.flush()
		p.sign(map[byte]string{'~': " ", '_': "-"}[c])
	case '\r', '\n':
		p.flush()
		p.endParagraph()
	}
	p.opened = false
}

// sign writes a character that has a name, unless it stands for one of Unicode before it.
func (p *rtf) sign(s string) {
	if p.skip > 0 {
		p.skip--
		return
	}
	p.write(s)
}

func (p *rtf) unicode(r rune) {
	p.flush()
	p.skip = p.state.skip
	switch {
	case r >= 0xD800 && r < 0xDC00:
		p.high = r
	case r >= 0xDC00 && r < 0xE000:
		if p.high != 0 {
			p.write(string(utf16.DecodeRune(p.high, r)))
		}
		p.high = 0
	default:
		if known, ok := symbols.Rune(p.fonts[p.state.font].name, r); ok && r >= 0xF000 {
			r = known
		}
		p.write(string(r))
	}
}

func (p *rtf) word(word string, value int, set bool) {
	on := !set || value != 0
	switch word {
	case "par", "sect", "column":
		p.endParagraph()
	case "line", "lbr":
		p.space("\n")
	case "tab":
		p.space("\t")
	case "nestcell", "nestrow": // a table in a cell
		p.space(" ")
	case "cell", "row":
		p.cell(word == "row")
	case "page":
		if p.state.table || p.state.note || p.state.box > 0 {
			p.space("\n\n")
		} else if p.state.dest == toText && !p.state.hidden {
			p.endPage()
		}
	case "intbl":
		p.state.table = true
	case "pard":
		p.state.table = false
	case "plain":
		p.state.hidden, p.state.place, p.state.font = false, 0, p.plain
	case "super", "sub", "nosupersub", "up", "dn":
		p.state.place = 0
		if on {
			p.state.place = map[string]int{"super": 1, "sub": -1, "up": 1, "dn": -1}[word]
		}
	case "v", "deleted":
		p.state.hidden = on
	case "ansi", "mac", "pc", "pca", "ansicpg":
		if !set {
			value = map[string]int{"ansi": 1252, "mac": 10000, "pc": 437, "pca": 850}[word]
		}
		if page, ok := codePages[value]; ok {
			p.state.page = page
			if word == "ansicpg" {
				p.ansi = page
			}
		}
	case "uc":
		p.state.skip = max(value, 0)
	case "deff":
		p.plain, p.state.font = value, value
	case "f":
		p.state.font = value
	case "fcharset", "cpg":
		if f := p.fonts[p.state.font]; p.state.dest == toFonts {
			if page, ok := codePages[value]; word == "cpg" && ok {
				f.page, f.isSet = page, true
			} else if word == "fcharset" {
				f.page, f.isSet = charset(value, p.ansi)
			}
			p.fonts[p.state.font] = f
		}
	case "footnote":
		p.state.note = true
		p.write(" [")
	case "bin":
		p.pos += min(max(value, 0), len(p.data)-p.pos)
	case "title":
		if p.state.dest == toInfo {
			p.state.dest = toTitle
		}
	case "upr": // the same in the code page, and then in Unicode
		p.state.outside = p.state.dest
		p.state.dest = toNowhere
	case "ud":
		p.state.dest = p.state.outside
	case "shptxt", "dptxbxtext":
		if p.state.dest == toText {
			p.state.box, p.state.table = len(p.out)+1, false
		}
	case "sv":
		if p.name == "wzDescription" && p.state.dest == toData {
			p.state.dest = toText
			p.space(" ")
		} else {
			p.state.dest = toNowhere
		}
	case "field":
		p.state.field = true
	case "fftype":
		p.form = rtfForm{kind: value, chosen: undecided}
	case "ffres", "ffdefres":
		if value != undecided && (word == "ffres" || p.form.chosen == undecided) {
			p.form.chosen = value
		}
	case "moMath":
		p.state.math = &zipxml.Node{Name: "oMath"}
	default:
		if part := p.state.math; part != nil && word[0] == 'm' && (p.opened || word == "mr") {
			p.state.math = &zipxml.Node{Name: word[1:]}
			p.part(part, p.state.math)
			return
		}
		if s, ok := rtfSigns[word]; ok {
			p.sign(s)
		}
		p.group(word)
	}
}

// group begins a destination. A star stands before those that a reader may leave out if it does not know them.
func (p *rtf) group(word string) {
	dest, known := rtfGroups[word]
	if !known && p.starred {
		dest = toNowhere
	}
	switch {
	case dest == toText || p.state.dest == toNowhere:
		return
	case word == "pict":
		p.pictures++
	case dest == toCode:
		p.code = ""
	case dest == toName:
		p.name = ""
	case dest == toChoice:
		p.form.choices = append(p.form.choices, "")
	}
	p.state.dest = dest
}

// maxParts bounds what formulas may hold, each part of which takes twenty times its bytes in the file.
const maxParts = 1 << 20

func (p *rtf) part(of, n *zipxml.Node) {
	if p.parts++; p.parts <= maxParts {
		of.Kids = append(of.Kids, n)
	}
}

// cell ends a cell, or a row, whose last cell is followed by no tab. A row of nothing is none.
func (p *rtf) cell(last bool) {
	if p.state.dest != toText {
		return
	}
	p.out = bytes.TrimRight(p.out, " ")
	if !last {
		p.out = append(p.out, '\t')
		return
	}
	p.out = bytes.TrimSuffix(p.out, []byte("\t"))
	if start := bytes.LastIndexByte(p.out, '\n') + 1; len(bytes.TrimSpace(p.out[start:])) == 0 {
		p.out = p.out[:start]
		return
	}
	p.out = append(p.out, '\n')
}

func (p *rtf) endPage() {
	for _, box := range p.boxes {
		p.out = append(p.out, "\n\n"+box...)
	}
	p.boxes = nil
	lines := strings.Split(string(p.out), "\n")
	for i, l := range lines {
		lines[i] = strings.Trim(l, " ")
	}
	text := strings.TrimSpace(strings.ReplaceAll(strings.Join(lines, "\n"), "\u00AD", ""))
	for strings.Contains(text, "\n\n\n") {
		text = strings.ReplaceAll(text, "\n\n\n", "\n\n")
	}
	p.out = p.out[:0]
	if text != "" {
		p.pages++
		p.doc.Pages = append(p.doc.Pages, ingest.Page{Number: p.pages, Text: text})
	}
}
