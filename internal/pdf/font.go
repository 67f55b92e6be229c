package pdf

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	parser "github.com/ledongthuc/pdf"
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

// font returns the font of a dictionary, parsed once per document.
func (f *File) font(v parser.Value) font {
	if v.Kind() != parser.Dict {
		return fallbackFont()
	}
	key := v.String()
	if cached, ok := f.fonts[key]; ok {
		return cached
	}
	if len(f.fonts) >= maxFonts {
		clear(f.fonts)
		clear(f.named)
		clear(f.damaged)
	}
	loaded := safely(func() font { return f.loadFont(v) })
	if loaded == nil {
		loaded = fallbackFont()
	}
	f.fonts[key] = loaded
	return loaded
}

// fontsIn returns what the names of a /Font dictionary were found to mean. Most
// pages have the same one, and the library would parse each font anew.
func (f *File) fontsIn(v parser.Value) map[string]font {
	key := v.String()
	fonts := f.named[key]
	if fonts == nil || len(fonts) > maxFonts {
		if len(f.named) >= maxFonts {
			clear(f.named)
		}
		fonts = map[string]font{}
		f.named[key] = fonts
	}
	return fonts
}

func (f *File) loadFont(v parser.Value) font {
	var toUnicode *cmap
	var err error
	if s := f.streamOf(v.Key("ToUnicode")); s != nil {
		var data []byte
		if data, err = f.decode(s); len(data) > 0 {
			toUnicode = parseCMap(data)
		}
	} else if v.Key("ToUnicode").IsNull() && slices.Contains(v.Keys(), "ToUnicode") {
		err = errors.New("it is missing")
	}
	var loaded font
	if v.Key("Subtype").Name() == "Type0" {
		loaded = f.loadComposite(v, toUnicode)
	} else {
		loaded = f.loadSimple(v, toUnicode)
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

func (f *File) loadSimple(v parser.Value, toUnicode *cmap) font {
	s := simpleFont{size: 1}
	chars := f.charset(v, toUnicode.isEmpty())
	width := f.simpleWidths(v)
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
	if v.Key("Subtype").Name() == "Type3" {
		s.size = drawnSize(v)
	}
	return &s
}

// charset applies /Encoding and its /Differences over what the font implies. To
// unpack the font's own file is worth it only where nothing else tells.
func (f *File) charset(v parser.Value, unpack bool) charset {
	enc := v.Key("Encoding")
	if chars, ok := namedCharset(enc.Name()); ok {
		return chars
	}
	chars, ok := namedCharset(enc.Key("BaseEncoding").Name())
	if !ok {
		chars = f.implied(v, unpack)
	}
	if enc.Kind() != parser.Dict {
		return chars
	}
	diff := enc.Key("Differences")
	var codes []int
	var names []string
	for i, code := 0, 0; i < diff.Len(); i++ {
		switch x := diff.Index(i); x.Kind() {
		case parser.Integer:
			code = int(x.Int64())
		case parser.Name:
			if code >= 0 && code < 256 {
				codes, names = append(codes, code), append(names, x.Name())
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
func (f *File) implied(v parser.Value, unpack bool) charset {
	base := v.Key("BaseFont").Name()
	switch {
	case strings.HasSuffix(base, "ZapfDingbats"):
		return dingbats()
	case base == "Symbol" || strings.HasSuffix(base, "+Symbol"):
		return fromTable(symbolChars)
	}
	desc := v.Key("FontDescriptor")
	if s := f.streamOf(desc.Key("FontFile")); s != nil {
		if data, _ := f.decode(s); len(data) > 0 {
			if chars, ok := type1Charset(data); ok {
				return chars
			}
		}
	}
	chars := fromTable(standardChars)
	if v.Key("Subtype").Name() == "TrueType" {
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
func typeScale(v parser.Value) float64 {
	if v.Key("Subtype").Name() == "Type3" {
		if m := v.Key("FontMatrix"); m.Len() == 6 && m.Index(0).Float64() != 0 {
			return m.Index(0).Float64()
		}
	}
	return 0.001
}

// simpleWidths returns the advance of a code that shows t.
func (f *File) simpleWidths(v parser.Value) func(code int, t string) float64 {
	scale := typeScale(v)
	list := v.Key("Widths")
	firstCode := int(v.Key("FirstChar").Int64())
	missing := v.Key("FontDescriptor").Key("MissingWidth").Float64()
	standard := standardWidths(v.Key("BaseFont").Name())
	return func(code int, t string) float64 {
		if i := code - firstCode; i >= 0 && i < list.Len() {
			return list.Index(i).Float64() * scale
		}
		if list.Len() > 0 {
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
func drawnSize(v parser.Value) float64 {
	const usual, least, most = 0.5, 0.2, 1.25 // widths of letters, on average
	sum, n := 0.0, 0
	for i, list := 0, v.Key("Widths"); i < list.Len(); i++ {
		if w := math.Abs(list.Index(i).Float64()); w > 0 {
			sum, n = sum+w, n+1
		}
	}
	width := sum / float64(max(n, 1)) * math.Abs(typeScale(v))
	if width == 0 || width >= least && width <= most {
		return 1
	}
	return width / usual
}
