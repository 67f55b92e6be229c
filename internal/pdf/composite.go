package pdf

import (
	"strings"
	"sync"

	parser "github.com/ledongthuc/pdf"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// compositeFont is a Type 0 font: codes of one to four bytes, which a character
// map takes apart, and glyphs numbered by CID.
type compositeFont struct {
	toUnicode *cmap
	encoding  *cmap // code to CID, when embedded in the file
	unicode   predefined
	latin     bool // CIDs of an Adobe collection, whose first ones are ASCII
	widths    map[uint32]float64
	width     float64
	downwards bool
	own       func(cid uint32) string // the text of a glyph by the font's own file
	cache     map[uint32]glyph
}

func (f *File) loadComposite(v parser.Value, toUnicode *cmap) font {
	c := &compositeFont{toUnicode: toUnicode, cache: map[uint32]glyph{}}
	descendant := v.Key("DescendantFonts").Index(0)
	if strings.HasPrefix(v.Key("ToUnicode").Name(), "Identity") {
		c.toUnicode = &cmap{ranges: ranges{{lo: ' ', hi: 0xFFFF, text: " "}}} // the codes are UTF-16
	}
	switch enc := v.Key("Encoding"); enc.Kind() {
	case parser.Name:
		c.unicode = predefinedMap(enc.Name())
		c.downwards = strings.HasSuffix(enc.Name(), "-V")
	case parser.Stream:
		if s := f.streamOf(enc); s != nil {
			data, _ := f.decode(s)
			c.encoding = parseCMap(data)
		}
	}
	switch descendant.Key("CIDSystemInfo").Key("Ordering").RawString() {
	case "Japan1", "GB1", "CNS1", "Korea1", "KR":
		c.latin = true
	}
	c.width = 1
	if dw := descendant.Key("DW"); !dw.IsNull() {
		c.width = dw.Float64() / 1000
	}
	c.widths = cidWidths(descendant.Key("W"))
	own := sync.OnceValue(func() func(uint32) string { return f.cidTexts(descendant) })
	c.own = func(cid uint32) string { return own()(cid) }
	return c
}

// cidTexts reads the file of a composite font and its map from CIDs to glyphs.
func (f *File) cidTexts(descendant parser.Value) func(cid uint32) string {
	p := safely(func() program { return f.program(descendant.Key("FontDescriptor")) })
	var glyphs bytesOf
	if s := f.streamOf(safely(func() parser.Value { return descendant.Key("CIDToGIDMap") })); s != nil {
		glyphs, _ = f.decode(s)
	}
	return func(cid uint32) string {
		if glyphs != nil {
			cid = uint32(glyphs.u16(2 * int(cid)))
		}
		return p.texts[cid]
	}
}

// cidWidths reads "c [w1 w2 …]" and "first last w".
func cidWidths(w parser.Value) map[uint32]float64 {
	widths := map[uint32]float64{}
	for i := 0; i+1 < w.Len(); {
		start := w.Index(i).Int64()
		if list := w.Index(i + 1); list.Kind() == parser.Array {
			for j := range list.Len() {
				widths[uint32(start)+uint32(j)] = list.Index(j).Float64() / 1000
			}
			i += 2
			continue
		}
		end := min(w.Index(i+1).Int64(), 1<<16)
		for cid := max(start, 0); cid <= end && len(widths) <= 1<<16; cid++ {
			widths[uint32(cid)] = w.Index(i+2).Float64() / 1000
		}
		i += 3
	}
	return widths
}

func (c *compositeFont) next(s []byte) (glyph, int) {
	code, n := c.split(s)
	key := code<<3 | uint32(n) // codes above 29 bits do not occur in text
	g, ok := c.cache[key]
	if !ok {
		g = c.load(code, s[:n])
		c.cache[key] = g
	}
	return g, n
}

func (c *compositeFont) vertical() bool { return c.downwards }
func (c *compositeFont) em() float64    { return 1 }

func (c *compositeFont) split(s []byte) (code uint32, n int) {
	switch {
	case c.encoding != nil:
		return c.encoding.split(s)
	case c.unicode.length != nil:
		n = min(c.unicode.length(s), len(s))
	default:
		n = min(2, len(s))
	}
	return uint32(bigEndian(s[:n])), n
}

func (c *compositeFont) load(code uint32, raw []byte) glyph {
	g := glyph{width: c.width, space: len(raw) == 1 && code == ' '}
	cid, known := code, c.unicode.decode == nil
	if c.encoding != nil {
		cid, known = c.encoding.cid(code)
	}
	if w, ok := c.widths[cid]; ok && known {
		g.width = w
	} else if len(raw) == 1 {
		g.width = c.width / 2 // half-width Latin beside full-width characters
	}
	if c.downwards {
		g.width = 1
	}
	var ok bool
	if g.text, ok = c.toUnicode.lookup(code); ok {
		return g
	}
	switch {
	case c.unicode.decode != nil:
		g.text = c.unicode.decode(raw)
	case c.latin && known && cid >= 1 && cid <= 95:
		g.text = string(rune(cid + 31))
	case known && c.toUnicode.isEmpty(): // else the code belongs to a cluster whose text another code has
		g.text = c.own(cid)
	}
	if g.text == "" {
		g.text = unknown
	}
	return g
}

// predefined is a character map that a file names but does not hold. Those of
// text carry the codes of a character set, so the set's decoder does the work.
type predefined struct {
	length func(s []byte) int
	decode func(code []byte) string
}

func predefinedMap(name string) predefined {
	has := func(part string) bool { return strings.Contains(name, part) }
	switch {
	case strings.HasPrefix(name, "Identity"):
		return predefined{}
	case has("UCS2"), has("UTF16"):
		return predefined{utf16Length, fromUTF16}
	case has("RKSJ"):
		return legacy(japanese.ShiftJIS, func(b byte) bool { return b >= 0x81 && b <= 0x9F || b >= 0xE0 && b <= 0xFC })
	case name == "EUC-H", name == "EUC-V":
		return legacy(japanese.EUCJP, highByte)
	case has("GB"):
		return legacy(simplifiedchinese.GB18030, highByte)
	case has("B5"), has("ETen"):
		return legacy(traditionalchinese.Big5, highByte)
	case has("KSC"):
		return legacy(korean.EUCKR, highByte)
	}
	return predefined{}
}

func utf16Length(s []byte) int {
	if s[0] >= 0xD8 && s[0] <= 0xDB {
		return 4
	}
	return 2
}

func highByte(b byte) bool { return b >= 0x81 && b <= 0xFE }

func legacy(e encoding.Encoding, lead func(byte) bool) predefined {
	d := e.NewDecoder()
	return predefined{
		length: func(s []byte) int {
			if lead(s[0]) {
				return 2
			}
			return 1
		},
		decode: func(code []byte) string {
			out, err := d.Bytes(code)
			if err != nil {
				return ""
			}
			return string(out)
		},
	}
}
