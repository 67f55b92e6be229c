package office

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/internal/numerals"
	"github.com/docent-ml/docent/ingest/internal/symbols"
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
	p.state.skip = 1
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
	page  encoding.Encoding
	isSet bool
}

// rtfState is what a group restores at its end.
type rtfState struct {
	ignore bool // a destination that is no text
	fonts  bool // the table of fonts
	title  bool
	note   bool
	hidden bool
	table  bool // in a row
	place  int  // above 0 superscript, below subscript
	font   int
	page   encoding.Encoding
	skip   int // characters that stand for one of Unicode, for older readers
}

type rtf struct {
	data    []byte
	pos     int
	state   rtfState
	stack   []rtfState
	fonts   map[int]rtfFont
	ansi    encoding.Encoding
	bytes   []byte // of characters in the code page, not yet decoded
	skip    int    // what is left to skip
	high    rune   // first half of a pair
	opened  bool   // a group has just begun
	starred bool

	out   []byte
	title strings.Builder
	doc   *ingest.Document
	pages int

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
			if p.state.note && len(p.stack) > 0 && !p.stack[len(p.stack)-1].note {
				p.write("]")
			}
			if k := len(p.stack); k > 0 {
				p.state, p.stack = p.stack[k-1], p.stack[:k-1]
			}
			p.skip = 0
			if len(p.stack) == 0 { // what stands behind is none of it
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
	if font.isSet && !p.state.fonts {
		page = font.page
	}
	raw := p.bytes
	p.bytes = p.bytes[:0]
	if page == nil { // symbols
		for _, c := range raw {
			if r, ok := symbols.Rune(font.name, rune(c)); ok {
				p.write(string(r))
			} else {
				p.write(string(rune(c)))
			}
		}
		return
	}
	s, err := page.NewDecoder().Bytes(raw)
	if err != nil {
		s = raw
	}
	p.write(strings.ToValidUTF8(string(s), "\uFFFD"))
}

func (p *rtf) write(s string) {
	switch {
	case p.state.fonts:
		f := p.fonts[p.state.font]
		f.name = strings.TrimSuffix(f.name+s, ";")
		p.fonts[p.state.font] = f
	case p.state.title:
		p.title.WriteString(s)
	case !p.state.ignore && !p.state.hidden:
		p.out = append(p.out, numerals.Script(string(p.out[max(len(p.out)-8, 0):]), s, p.state.place)...)
	}
}

// space writes white space; in a cell that is one blank.
func (p *rtf) space(s string) {
	if p.state.table {
		s = " "
	}
	p.write(s)
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
	value, err := strconv.Atoi(string(m[2]))
	set := err == nil
	if word == "u" && set {
		p.unicode(rune(uint16(value)))
		p.opened = false
		return
	}
	p.flush()
	p.word(word, value, set)
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
	case '~':
		p.flush()
		p.write(" ")
	case '_':
		p.flush()
		p.write("-")
	case '\r', '\n':
		p.flush()
		p.word("par", 0, false)
	}
	p.opened = false
}

func (p *rtf) unicode(r rune) {
	p.flush()
	p.skip = p.state.skip
	switch {
	case r >= 0xD800 && r < 0xDC00:
		p.high = r
	case r >= 0xDC00 && r < 0xE000:
		if p.high != 0 {
			p.write(string((p.high-0xD800)<<10 + (r - 0xDC00) + 0x10000))
		}
		p.high = 0
	default:
		if known, ok := symbols.Rune(p.fonts[p.state.font].name, r); ok && r >= 0xF000 {
			r = known
		}
		if utf8.ValidRune(r) {
			p.write(string(r))
		}
	}
}

func (p *rtf) word(word string, value int, set bool) {
	switch word {
	case "par", "sect":
		p.space("\n\n")
	case "line":
		p.space("\n")
	case "tab":
		p.space("\t")
	case "cell", "nestcell":
		p.write("\t")
	case "row", "nestrow":
		if n := len(p.out); n > 0 && p.out[n-1] == '\t' && !p.state.ignore { // the last cell is followed by none
			p.out = p.out[:n-1]
		}
		p.write("\n")
	case "page":
		if !p.state.ignore && !p.state.hidden {
			p.endPage()
		}
	case "intbl":
		p.state.table = true
	case "pard":
		p.state.table = false
	case "plain":
		p.state.hidden, p.state.place = false, 0
	case "super", "sub", "nosupersub":
		p.state.place = 0
		if !set || value != 0 {
			p.state.place = map[string]int{"super": 1, "sub": -1}[word]
		}
	case "v", "deleted":
		p.state.hidden = !set || value != 0
	case "ansicpg":
		if page, ok := codePage(value); ok {
			p.state.page, p.ansi = page, page
		}
	case "mac":
		p.state.page = charmap.Macintosh
	case "uc":
		p.state.skip = max(value, 0)
	case "f":
		p.state.font = value
	case "fcharset":
		if p.state.fonts {
			f := p.fonts[p.state.font]
			f.page, f.isSet = charset(value, p.ansi)
			p.fonts[p.state.font] = f
		}
	case "fonttbl":
		p.state.fonts = true
	case "title":
		p.state.title, p.state.ignore = p.opened, false
	case "footnote":
		p.state.note = true
		p.write(" [")
	case "bin":
		p.pos = min(p.pos+max(value, 0), len(p.data))
	case "pict":
		p.state.ignore = true
		p.pictures++
	case "shptxt", "shpinst", "shp", "fldrslt", "listtext", "pntext", "nesttableprops": // their text counts though a star may say otherwise
	default:
		p.write(rtfSigns[word])
		p.state.ignore = p.state.ignore || p.starred || slices.Contains(notText, word)
	}
}

var rtfSigns = map[string]string{"emdash": "—", "endash": "–", "bullet": "•", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”"}

// notText are destinations that no page shows, and shprslt, which says what shptxt says for older readers.
var notText = strings.Fields("info colortbl stylesheet header headerl headerr headerf footer footerl footerr footerf fldinst annotation " +
	"atnid atnauthor listtable listoverridetable revtbl rsidtbl generator nonshppict xe tc objdata themedata datastore filetbl mmath " +
	"ftnsep ftnsepc aftnsep aftnsepc pgdsctbl latentstyles author operator keywords subject doccomm company private shprslt")

func (p *rtf) endPage() {
	lines := strings.Split(string(p.out), "\n")
	for i, l := range lines {
		lines[i] = strings.Trim(l, " ")
	}
	text := strings.TrimSpace(strings.Join(lines, "\n"))
	for strings.Contains(text, "\n\n\n") {
		text = strings.ReplaceAll(text, "\n\n\n", "\n\n")
	}
	p.out = p.out[:0]
	if text != "" {
		p.pages++
		p.doc.Pages = append(p.doc.Pages, ingest.Page{Number: p.pages, Text: text})
	}
}

// codePage returns the encoding of a number that Windows gives it.
func codePage(n int) (encoding.Encoding, bool) {
	name, known := map[int]string{932: "shift_jis", 936: "gbk", 949: "euc-kr", 950: "big5", 10000: "macintosh", 65001: "utf-8", 866: "ibm866"}[n]
	switch {
	case n == 437:
		return charmap.CodePage437, true
	case n == 850:
		return charmap.CodePage850, true
	case n == 852:
		return charmap.CodePage852, true
	case !known:
		name = "windows-" + strconv.Itoa(n)
	}
	e, err := htmlindex.Get(name)
	return e, err == nil
}

// charset is the code page of a font; nil is one of symbols.
func charset(n int, ansi encoding.Encoding) (encoding.Encoding, bool) {
	pages := map[int]int{0: 1252, 77: 10000, 128: 932, 129: 949, 134: 936, 136: 950, 161: 1253, 162: 1254, 163: 1258, 177: 1255, 178: 1256, 186: 1257, 204: 1251, 222: 874, 238: 1250, 255: 437}
	if n == 2 {
		return nil, true
	}
	if n == 0 && ansi != nil {
		return ansi, true
	}
	page, ok := codePage(pages[n])
	return page, ok
}
