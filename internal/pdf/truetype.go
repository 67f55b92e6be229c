package pdf

import (
	"slices"
	"unicode"

	parser "github.com/ledongthuc/pdf"
)

// program is what a font's embedded outlines say about characters. Viewers need
// no characters, so many files say nowhere else what their codes mean.
type program struct {
	glyphs map[uint32]uint32 // code to glyph: the font's built-in encoding
	texts  map[uint32]string // of glyphs
}

// text of a code in the built-in encoding, or "".
func (p *program) text(code uint32) string {
	if g, ok := p.glyphs[code]; ok {
		return p.texts[g]
	}
	return ""
}

// program reads the font file of a descriptor. What it does not understand is
// left out.
func (f *File) program(descriptor parser.Value) program {
	p := program{glyphs: map[uint32]uint32{}, texts: map[uint32]string{}}
	for _, key := range []string{"FontFile2", "FontFile3"} {
		s := f.streamOf(descriptor.Key(key))
		if s == nil {
			continue
		}
		data, _ := f.decode(s)
		if t := bytesOf(data); t.u8(0) == 1 && t.u8(1) == 0 && t.u8(2) >= 4 { // CFF without a file of tables around it
			p.readCFF(t)
		} else {
			p.readTables(t)
		}
	}
	return p
}

// bytesOf are read as big-endian numbers; what lies outside is 0.
type bytesOf []byte

func (b bytesOf) u8(i int) int {
	if i < 0 || i >= len(b) {
		return 0
	}
	return int(b[i])
}

func (b bytesOf) u16(i int) int { return b.u8(i)<<8 | b.u8(i+1) }
func (b bytesOf) u32(i int) int { return b.u16(i)<<16 | b.u16(i+2) }

func (b bytesOf) from(i int) bytesOf {
	if i < 0 || i > len(b) {
		return nil
	}
	return b[i:]
}

// readTables reads a TrueType or OpenType file.
func (p *program) readTables(t bytesOf) {
	for i := range min(t.u16(4), 64) {
		entry := t.from(12 + 16*i)
		if len(entry) < 16 {
			return
		}
		body := t.from(entry.u32(8))
		body = body[:min(len(body), entry.u32(12))]
		switch string(entry[:4]) {
		case "cmap":
			p.readCharacterMaps(body)
		case "post":
			p.readPostNames(body)
		case "CFF ":
			p.readCFF(body)
		}
	}
}

// readCharacterMaps turns the maps from Unicode round, and keeps those of symbol
// fonts and of the Macintosh as the built-in encoding.
func (p *program) readCharacterMaps(t bytesOf) {
	left := maxMapped
	for i := range min(t.u16(2), 32) {
		platform, encoding := t.u16(4+8*i), t.u16(6+8*i)
		sub := t.from(t.u32(8 + 8*i))
		switch {
		case platform == 0, platform == 3 && (encoding == 1 || encoding == 10):
			eachMapped(sub, &left, func(char, glyph uint32) {
				if !unicode.Is(unicode.Co, rune(char)) && p.texts[glyph] == "" {
					p.texts[glyph] = string(rune(char))
				}
			})
		case platform == 3 && encoding == 0:
			eachMapped(sub, &left, func(code, glyph uint32) { p.glyphs[code&0xFF] = glyph })
		case platform == 1:
			eachMapped(sub, &left, func(code, glyph uint32) {
				if _, known := p.glyphs[code]; !known {
					p.glyphs[code] = glyph
				}
			})
		}
	}
}

// maxMapped bounds what the maps of one font may claim: a few bytes name all
// characters there are.
const maxMapped = 1 << 17

// eachMapped calls do for the entries of a map in formats 0, 4, 6 and 12, left of
// them at most.
func eachMapped(t bytesOf, left *int, do func(code, glyph uint32)) {
	visit := func(code, glyph int) {
		*left--
		if glyph > 0 && glyph < 1<<16 {
			do(uint32(code), uint32(glyph))
		}
	}
	switch t.u16(0) {
	case 0:
		for code := range 256 {
			visit(code, t.u8(6+code))
		}
	case 4:
		n := t.u16(6) / 2
		ends, starts, deltas, offsets := 14, 16+2*n, 16+4*n, 16+6*n
		for i := range n {
			first, last, offset := t.u16(starts+2*i), t.u16(ends+2*i), t.u16(offsets+2*i)
			for code := first; code <= last && code < 0xFFFF && *left > 0; code++ {
				glyph := code
				if offset != 0 {
					glyph = t.u16(offsets + 2*i + offset + 2*(code-first))
				}
				if offset == 0 || glyph != 0 {
					glyph = (glyph + t.u16(deltas+2*i)) & 0xFFFF
				}
				visit(code, glyph)
			}
		}
	case 6:
		for i := range t.u16(8) {
			visit(t.u16(6)+i, t.u16(10+2*i))
		}
	case 12:
		for i := range min(t.u32(12), len(t)/12) {
			first, last, glyph := t.u32(16+12*i), t.u32(20+12*i), t.u32(24+12*i)
			for code := first; code <= min(last, unicode.MaxRune) && *left > 0; code++ {
				visit(code, glyph+code-first)
			}
		}
	}
}

// readPostNames reads the names of the glyphs that no map gave a character. The
// first 258 names are fixed, and begin as the Macintosh's character set does.
func (p *program) readPostNames(t bytesOf) {
	if t.u32(0) != 0x20000 {
		return
	}
	n := t.u16(32)
	var own []string
	for at := 34 + 2*n; at < len(t); at += 1 + t.u8(at) {
		name := t.from(at + 1)
		own = append(own, string(name[:min(t.u8(at), len(name))]))
	}
	const fixed, space = 258, 3
	mac := macRoman()
	names := map[uint32]string{}
	for glyph := range min(n, len(t)/2) {
		index := t.u16(34 + 2*glyph)
		switch {
		case index >= fixed && index-fixed < len(own):
			names[uint32(glyph)] = own[index-fixed]
		case index >= space && index < space+95:
			p.texts[uint32(glyph)] = mac[' '+index-space]
		case index >= space+95 && index < space+95+128:
			p.texts[uint32(glyph)] = mac[0x80+index-space-95]
		}
	}
	p.name(names)
}

// name gives glyphs without text that of their names.
func (p *program) name(names map[uint32]string) {
	var asked []string
	for glyph, n := range names {
		if p.texts[glyph] == "" {
			asked = append(asked, n)
		}
	}
	slices.Sort(asked)
	texts := glyphTexts(slices.Compact(asked))
	for glyph, n := range names {
		if p.texts[glyph] == "" {
			p.texts[glyph] = texts[n]
		}
	}
}
