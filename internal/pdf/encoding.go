package pdf

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	parser "github.com/ledongthuc/pdf"
	"golang.org/x/text/encoding/charmap"
)

// pdfDocChars are the characters in which PDFDocEncoding differs from Latin-1.
var pdfDocChars = map[byte]rune{
	0x80: '•', 0x81: '†', 0x82: '‡', 0x83: '…', 0x84: '—', 0x85: '–', 0x86: 'ƒ', 0x87: '⁄',
	0x88: '‹', 0x89: '›', 0x8A: '−', 0x8B: '‰', 0x8C: '„', 0x8D: '“', 0x8E: '”', 0x8F: '‘',
	0x90: '’', 0x91: '‚', 0x92: '™', 0x93: 'ﬁ', 0x94: 'ﬂ', 0x95: 'Ł', 0x96: 'Œ', 0x97: 'Š',
	0x98: 'Ÿ', 0x99: 'Ž', 0x9A: 'ı', 0x9B: 'ł', 0x9C: 'œ', 0x9D: 'š', 0x9E: 'ž', 0xA0: '€',
}

// charset maps the codes of a simple font to text; "" where a code has none.
type charset [256]string

var (
	winAnsi  = sync.OnceValue(func() charset { return fromCharmap(charmap.Windows1252) })
	macRoman = sync.OnceValue(func() charset { return fromCharmap(charmap.Macintosh) })
)

func fromCharmap(m *charmap.Charmap) (c charset) {
	for i := 32; i < 256; i++ {
		if r := m.DecodeByte(byte(i)); r != '\uFFFD' && r >= ' ' && (r < 0x7F || r > 0x9F) {
			c[i] = string(r)
		}
	}
	return c
}

func fromTable(table string) (c charset) {
	code := 32
	for _, r := range table {
		if r != 0 {
			c[code] = string(r)
		}
		code++
	}
	return c
}

// dingbats follow the order of their Unicode block, but for those that Unicode
// had elsewhere.
func dingbats() (c charset) {
	c[' '] = " "
	for code := 0x21; code <= 0x7E; code++ {
		c[code] = string(rune(0x2700 + code - 0x20))
	}
	for code, r := range map[int]rune{
		0x25: '☎', 0x2A: '☛', 0x2B: '☞', 0x48: '★', 0x6C: '●', 0x6E: '■', 0x73: '▲', 0x74: '▼', 0x75: '◆', 0x77: '◗',
	} {
		c[code] = string(r)
	}
	return c
}

// namedCharset returns the charset of an /Encoding or /BaseEncoding name.
func namedCharset(name string) (charset, bool) {
	switch name {
	case "WinAnsiEncoding":
		return winAnsi(), true
	case "MacRomanEncoding":
		return macRoman(), true
	case "StandardEncoding":
		return fromTable(standardChars), true
	}
	return charset{}, false
}

// glyphTexts turns glyph names into text. Names that follow a pattern are read
// here; for the Adobe glyph list, the library's copy is asked. It is reachable
// only through a font's encoder, hence a small file with one font per name.
func glyphTexts(names []string) map[string]string {
	texts := map[string]string{}
	var asked []string
	for _, n := range names {
		if _, done := texts[n]; done {
			continue
		}
		texts[n] = ""
		if s := patternName(n); s != "" {
			texts[n] = s
		} else if n != "" && n != ".notdef" {
			asked = append(asked, n)
		}
	}
	for n, s := range safely(func() map[string]string { return askLibrary(asked) }) {
		texts[n] = s
	}
	for _, n := range asked {
		if texts[n] == "" {
			texts[n] = composedName(n, texts)
		}
	}
	return texts
}

// patternName reads "a", "uni20AC" and "u1F600".
func patternName(n string) string {
	if len(n) == 1 {
		return n
	}
	hex, ok := strings.CutPrefix(n, "uni")
	if ok = ok && len(hex) >= 4; ok {
		hex = hex[:4]
	} else if hex, ok = strings.CutPrefix(n, "u"); !ok || len(hex) < 4 || len(hex) > 6 {
		return ""
	}
	v, err := strconv.ParseUint(hex, 16, 32)
	if err != nil || v < 32 || v > 0x10FFFF {
		return ""
	}
	return string(rune(v))
}

// composedName reads "f_f_i" by its parts and "one.oldstyle" by its stem.
func composedName(n string, known map[string]string) string {
	stem, _, _ := strings.Cut(n, ".")
	if stem == "" || stem == n && !strings.Contains(n, "_") {
		return ""
	}
	var parts []string
	for _, p := range strings.Split(stem, "_") {
		s := patternName(p)
		if s == "" {
			s = known[p]
		}
		if s == "" {
			s = safely(func() map[string]string { return askLibrary([]string{p}) })[p]
		}
		if s == "" {
			return ""
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "")
}

func askLibrary(names []string) map[string]string {
	texts := map[string]string{}
	if len(names) == 0 {
		return texts
	}
	const code = 1 // no glyph is a control character, so an echo means "unknown"
	var b strings.Builder
	b.WriteString(header + "xref\n0 1\n0000000000 65535 f \ntrailer\n<</Size 1/Fonts[")
	for _, n := range names {
		fmt.Fprintf(&b, "<</Encoding<</Differences[%d/%s]>>>>", code, escapeName(n))
	}
	fmt.Fprintf(&b, "]>>\nstartxref\n%d\n%%%%EOF\n", len(header))
	r, err := parser.NewReader(strings.NewReader(b.String()), int64(b.Len()))
	if err != nil {
		return texts
	}
	fonts := r.Trailer().Key("Fonts")
	for i, n := range names {
		f := parser.Font{V: fonts.Index(i)}
		if s := f.Encoder().Decode(string(rune(code))); s != string(rune(code)) {
			texts[n] = s
		}
	}
	return texts
}

func escapeName(n string) string {
	var b strings.Builder
	for i := 0; i < len(n); i++ {
		if c := n[i]; c <= ' ' || c >= 0x7F || c == '#' || isDelim(c) {
			fmt.Fprintf(&b, "#%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
