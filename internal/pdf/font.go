package pdf

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// unknown stands for a glyph that no map turns into a character.
const unknown = "\uFFFD"

// glyph is what one character code shows.
type glyph struct {
	text  string
	width float64 // advance, as a share of the font size
	space bool    // the single-byte code 32, which word spacing widens
}

// font reads strings in content streams.
type font interface {
	// next returns the glyph of the first code in s, which is not empty, and
	// how many bytes that code has.
	next(s []byte) (g glyph, bytes int)
	// vertical tells of a font that writes from top to bottom.
	vertical() bool
	// em is the size of the letters, as a share of the font size.
	em() float64
}

// maxFonts bounds the cache of a document that names endless fonts.
const maxFonts = 512

// font returns the font of a dictionary, made once per document.
func (f *File) font(v any) font {
	d := f.index.dict(v)
	if d == nil {
		return fallbackFont()
	}
	key := reflect.ValueOf(d).Pointer() // the index keeps dictionaries, so that each has one
	if cached, ok := f.fonts[key]; ok {
		return cached
	}
	if len(f.fonts) >= maxFonts {
		clear(f.fonts)
		clear(f.damaged)
	}
	loaded := f.loadFont(d)
	f.fonts[key] = loaded
	return loaded
}

func (f *File) loadFont(d dict) font {
	var toUnicode *cmap
	var err error
	if s := f.index.stream(d["ToUnicode"]); s != nil {
		var data []byte
		if data, err = f.decode(s); len(data) > 0 {
			toUnicode = parseCMap(data)
		}
	} else if d["ToUnicode"] != nil && f.index.get(d["ToUnicode"]) == nil {
		err = errors.New("it is missing")
	}
	var loaded font
	if f.index.name(d["Subtype"]) == "Type0" {
		loaded = f.loadComposite(d, toUnicode)
	} else {
		loaded = f.loadSimple(d, toUnicode)
	}
	if err != nil { // what the codes mean is guessed from here on
		f.damaged[loaded] = fmt.Errorf("%w: a font's map to Unicode: %v", ErrMalformed, err)
	}
	return loaded
}

// simpleFont has one byte per code.
type simpleFont struct {
	glyphs [256]glyph
	size   float64
}

func (s *simpleFont) next(b []byte) (glyph, int) { return s.glyphs[b[0]], 1 }
func (s *simpleFont) vertical() bool             { return false }
func (s *simpleFont) em() float64                { return s.size }

// fallbackFont shows text whose font is missing or broken.
var fallbackFont = sync.OnceValue(func() font {
	s := simpleFont{size: 1}
	chars := winAnsi()
	for code := range s.glyphs {
		s.glyphs[code] = glyph{text: chars[code], width: 0.5, space: code == ' '}
	}
	return &s
})

func (f *File) loadSimple(d dict, toUnicode *cmap) font {
	s := simpleFont{size: 1}
	chars := f.charset(d, toUnicode.isEmpty())
	width := f.simpleWidths(d)
	for code := range s.glyphs {
		t, ok := toUnicode.lookup(uint32(code))
		if !ok {
			t = chars[code]
		}
		if t == "" {
			t = unknown
		}
		s.glyphs[code] = glyph{text: t, width: width(code, t), space: code == ' '}
	}
	if f.index.name(d["Subtype"]) == "Type3" {
		s.size = f.drawnSize(d)
	}
	return &s
}

// charset applies /Encoding and its /Differences over what the font implies. To
// unpack the font's own file is worth it only where nothing else tells.
func (f *File) charset(d dict, unpack bool) charset {
	ix := f.index
	if chars, ok := namedCharset(ix.name(d["Encoding"])); ok {
		return chars
	}
	enc := ix.dict(d["Encoding"])
	chars, ok := namedCharset(ix.name(enc["BaseEncoding"]))
	if !ok {
		chars = f.implied(d, unpack)
	}
	var codes []int
	var names []string
	code := 0
	for _, v := range ix.list(enc["Differences"]) {
		switch x := ix.get(v).(type) {
		case float64:
			code = int(x)
		case nameObj:
			if code >= 0 && code < 256 {
				codes, names = append(codes, code), append(names, string(x))
			}
			code++
		}
		if len(names) > 4096 {
			break
		}
	}
	texts := glyphTexts(names)
	for i, n := range names {
		// Names like "g23", "C65" or "glyph12" say nothing: the code itself is then the better guess.
		if t := texts[n]; t != "" || strings.TrimRight(n, "0123456789") == n {
			chars[codes[i]] = t
		}
	}
	return chars
}

// implied is the charset of a font that names none.
func (f *File) implied(d dict, unpack bool) charset {
	base := f.index.name(d["BaseFont"])
	switch {
	case strings.HasSuffix(base, "ZapfDingbats"):
		return dingbats()
	case base == "Symbol" || strings.HasSuffix(base, "+Symbol"):
		return fromTable(symbolChars)
	}
	desc := f.index.dict(d["FontDescriptor"])
	if s := f.index.stream(desc["FontFile"]); s != nil {
		if data, _ := f.decode(s); len(data) > 0 {
			if chars, ok := type1Charset(data); ok {
				return chars
			}
		}
	}
	chars := fromTable(standardChars)
	if f.index.name(d["Subtype"]) == "TrueType" {
		chars = winAnsi()
	}
	for code, t := range winAnsi() {
		if chars[code] == "" {
			chars[code] = t
		}
	}
	if unpack {
		p := f.program(desc)
		for code := range chars {
			if t := p.text(uint32(code)); t != "" {
				chars[code] = t
			}
		}
	}
	return chars
}

// type1Charset reads the encoding in the clear-text head of a Type 1 font:
// "dup 65 /A put" for each code.
func type1Charset(data []byte) (chars charset, ok bool) {
	head, _, _ := bytes.Cut(data[:min(len(data), 64<<10)], []byte("eexec"))
	_, table, ok := bytes.Cut(head, []byte("/Encoding"))
	if !ok {
		return chars, false
	}
	l := lexer{data: table}
	if l.next().is("StandardEncoding") {
		return fromTable(standardChars), true
	}
	var codes []int
	var names []string
	for {
		l.reset()
		t := l.next()
		if t.kind == eof || t.is("def") || t.is("readonly") {
			break
		}
		if !t.is("dup") {
			continue
		}
		code := l.next()
		n := l.next()
		if code.kind == number && n.kind == name && code.num >= 0 && code.num < 256 {
			codes, names = append(codes, int(code.num)), append(names, string(n.text))
		}
	}
	texts := glyphTexts(names)
	for i, n := range names {
		chars[codes[i]] = texts[n]
	}
	return chars, len(names) > 0
}

// typeScale is the size of the unit of the font's widths, as a share of the font size.
func (f *File) typeScale(d dict) float64 {
	if m := f.index.nums(d["FontMatrix"]); f.index.name(d["Subtype"]) == "Type3" && len(m) == 6 && m[0] != 0 {
		return m[0]
	}
	return 0.001
}

// simpleWidths returns the advance of a code that shows t.
func (f *File) simpleWidths(d dict) func(code int, t string) float64 {
	scale, list := f.typeScale(d), f.index.nums(d["Widths"])
	first := int(f.index.num(d["FirstChar"]))
	missing := f.index.num(f.index.dict(d["FontDescriptor"])["MissingWidth"])
	standard := standardWidths(f.index.name(d["BaseFont"]))
	return func(code int, t string) float64 {
		if i := code - first; i >= 0 && i < len(list) {
			return list[i] * scale
		}
		if len(list) > 0 {
			return missing * scale
		}
		return standard(t)
	}
}

// standardWidths returns the advances of the standard font nearest to a name.
func standardWidths(baseFont string) func(t string) float64 {
	n := strings.ToLower(baseFont)
	if strings.Contains(n, "courier") || strings.Contains(n, "mono") {
		return func(string) float64 { return 0.6 }
	}
	serif, bold := strings.Contains(n, "times") || strings.Contains(n, "serif"), strings.Contains(n, "bold")
	table := map[[2]bool]*[95]int{{}: &helveticaWidths, {false, true}: &helveticaBoldWidths, {true}: &timesWidths, {true, true}: &timesBoldWidths}[[2]bool{serif, bold}]
	return func(t string) float64 {
		r, _ := utf8.DecodeRuneInString(t)
		if letters := norm.NFD.PropertiesString(t).Decomposition(); letters != nil {
			r, _ = utf8.DecodeRune(letters) // one with an accent is as wide as without
		}
		if r >= 32 && r < 127 {
			return float64(table[r-32]) / 1000
		}
		return 0.556
	}
}

// drawnSize is the em of a Type 3 font. Its glyphs are drawings, which some
// writers scale to their size with the font's matrix, and not with the font size.
func (f *File) drawnSize(d dict) float64 {
	const usual, least, most = 0.5, 0.2, 1.25 // widths of letters, on average
	sum, n := 0.0, 0
	for _, w := range f.index.nums(d["Widths"]) {
		if w != 0 {
			sum, n = sum+math.Abs(w), n+1
		}
	}
	width := sum / float64(max(n, 1)) * math.Abs(f.typeScale(d))
	if width == 0 || width >= least && width <= most {
		return 1
	}
	return width / usual
}
