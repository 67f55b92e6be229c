package pdf

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func u16s(values ...int) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint16(b, uint16(v))
	}
	return b
}

// sfnt puts tables into a font file, given as name and content.
func sfnt(pairs ...string) string {
	n := len(pairs) / 2
	head := u16s(0, 1, n, 0, 0, 0)
	at := 12 + 16*n
	for i := 0; i < len(pairs); i += 2 {
		head = append(head, pairs[i]+"\x00\x00\x00\x00"...)
		head = binary.BigEndian.AppendUint32(head, uint32(at))
		head = binary.BigEndian.AppendUint32(head, uint32(len(pairs[i+1])))
		at += len(pairs[i+1])
	}
	for i := 1; i < len(pairs); i += 2 {
		head = append(head, pairs[i]...)
	}
	return string(head)
}

// unicodeMap maps characters from first on to glyphs from 1 on, in format 4.
func unicodeMap(first, n int) string {
	return string(u16s(4, 32, 0, 4, 0, 0, 0, first+n-1, 0xFFFF, 0, first, 0xFFFF, 1-first, 1, 0, 0))
}

// byteMap maps codes from first on to glyphs from 1 on, in format 6.
func byteMap(first, n int) string {
	b := u16s(6, 10+2*n, 0, first, n)
	for i := range n {
		b = append(b, u16s(i+1)...)
	}
	return string(b)
}

func characterMaps(unicode, mac string) string {
	return string(u16s(0, 2, 3, 1, 0, 20, 1, 0, 0, 20+len(unicode))) + unicode + mac
}

func TestTrueTypeSaysWhatCodesMean(t *testing.T) {
	greek := characterMaps(unicodeMap('α', 3), byteMap(0x81, 3))
	simple := "<</Type/Font/Subtype/TrueType/BaseFont/X/FontDescriptor<</Flags 4/FontFile2 5 0 R>>>>"
	assert.Equal(t, "αβγ", fontText(t, simple, "<818283>", streamObject("", sfnt("cmap", greek))))

	composite := func(extra string) string {
		return "<</Subtype/Type0/Encoding/Identity-H/DescendantFonts[<</Subtype/CIDFontType2/DW 500" + extra + "/FontDescriptor<</FontFile2 5 0 R>>>>]>>"
	}
	file := streamObject("", sfnt("cmap", greek))
	assert.Equal(t, "βα", fontText(t, composite(""), "<00020001>", file))
	assert.Equal(t, "γα", fontText(t, composite("/CIDToGIDMap 6 0 R"), "<00010002>", file, streamObject("", string(u16s(0, 3, 1)))))
	assert.Equal(t, "�", fontText(t, composite(""), "<0009>", file), "a glyph without a character")

	names := string(u16s(2, 0)) + strings.Repeat("\x00", 28) + string(u16s(5, 0, 258, 36, 105, 259)) + "\x05omega\x03f_i"
	assert.Equal(t, "ωAáfi", fontText(t, composite(""), "<0001000200030004>", streamObject("", sfnt("post", names))), "names of glyphs")

	both := strings.Replace(composite(""), "/Encoding", "/ToUnicode 6 0 R/Encoding", 1)
	assert.Equal(t, "Z�", fontText(t, both, "<00010002>", file, streamObject("", "1 beginbfchar <0001> <005A> endbfchar")), "a map to Unicode comes first, and what it leaves out is no character: the rest of a cluster")
}

func TestMapsInAllFormats(t *testing.T) {
	groups := append(u16s(12, 0, 0, 0, 0, 0, 0, 1), u16s(1, 0xF600, 1, 0xF601, 0, 7)...)
	ranges := string(u16s(4, 0, 0, 4, 0, 0, 0, 'c', 0xFFFF, 0, 'a', 0xFFFF, 0, 1, 4, 0, 9, 0, 8))
	for name, c := range map[string]struct {
		table string
		want  map[uint32]uint32
	}{
		"0":             {string(u16s(0, 0, 0)) + "\x00\x05\x06", map[uint32]uint32{1: 5, 2: 6}},
		"4":             {unicodeMap('a', 2), map[uint32]uint32{'a': 1, 'b': 2}},
		"4 with a list": {ranges, map[uint32]uint32{'a': 9, 'c': 8}},
		"6":             {byteMap(3, 2), map[uint32]uint32{3: 1, 4: 2}},
		"12":            {string(groups), map[uint32]uint32{0x1F600: 7, 0x1F601: 8}},
		"unknown":       {string(u16s(99)), map[uint32]uint32{}},
	} {
		got, left := map[uint32]uint32{}, maxMapped
		eachMapped(bytesOf(c.table), &left, func(code, glyph uint32) { got[code] = glyph })
		assert.Equal(t, c.want, got, name)
	}
	everything := string(u16s(4, 0, 0, 2000, 0, 0, 0)) + strings.Repeat("\xFF\xFE", 1000) + strings.Repeat("\x00", 10_000)
	left := maxMapped
	eachMapped(bytesOf(everything), &left, func(uint32, uint32) {})
	assert.LessOrEqual(t, left, 0, "what it claims is not believed")
}

func cffIndexOf(elements ...string) string {
	b := u16s(len(elements))
	if len(elements) == 0 {
		return string(b)
	}
	b = append(b, 2)
	at := 1
	for _, e := range elements {
		b = append(b, u16s(at)...)
		at += len(e)
	}
	return string(append(b, u16s(at)...)) + strings.Join(elements, "")
}

// cff has the glyphs .notdef, A, fi, gamma and eacute, for the codes 1 to 4.
func cff(ros string) string {
	number := func(n int) string { return "\x1c" + string(u16s(n)) }
	top := func(charset, encoding, strings int) string {
		return ros + "\x1e\x1a\x2f" + number(charset) + "\x0f" + number(encoding) + "\x10" + number(strings) + "\x11"
	}
	head := "\x01\x00\x04\x02" + cffIndexOf("X")
	size := len(head) + len(cffIndexOf(top(0, 0, 0))) + len(cffIndexOf("gamma"))
	charset := "\x00" + string(u16s(34, 109, 391, 207))
	encoding := "\x01\x01\x01\x03"
	return head + cffIndexOf(top(size, size+len(charset), size+len(charset)+len(encoding))) + cffIndexOf("gamma") +
		charset + encoding + cffIndexOf("", "", "", "", "")
}

func TestCFFSaysWhatCodesMean(t *testing.T) {
	font := "<</Type/Font/Subtype/Type1/BaseFont/CMR10/FontDescriptor<</Flags 4/FontFile3 5 0 R>>>>"
	want := "A\ufb01γé"
	assert.Equal(t, want, fontText(t, font, "<01020304>", streamObject("/Subtype/Type1C", cff(""))))
	assert.Equal(t, want, fontText(t, font, "<01020304>", streamObject("/Subtype/OpenType", sfnt("CFF ", cff("")))))
	composite := "<</Subtype/Type0/Encoding/Identity-H/DescendantFonts[<</Subtype/CIDFontType0/DW 500/FontDescriptor<</FontFile3 5 0 R>>>>]>>"
	assert.Equal(t, want, fontText(t, composite, "<0001000200030004>", streamObject("", cff(""))))
	assert.Equal(t, "�", fontText(t, composite, "<0001>", streamObject("", cff("\x8b\x8b\x8b\x0c\x1e"))), "glyphs of a collection have no names")
	assert.Len(t, standardNames(), 229)
}

func FuzzProgram(f *testing.F) {
	f.Add([]byte(cff("")))
	f.Add([]byte(sfnt("cmap", characterMaps(unicodeMap('a', 9), byteMap(1, 9)), "CFF ", cff(""))))
	f.Add([]byte(sfnt("post", string(u16s(2, 0))+strings.Repeat("\x00", 28)+string(u16s(1, 258))+"\x05omega")))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, read := range []func(*program, bytesOf){(*program).readTables, (*program).readCFF} {
			p := program{glyphs: map[uint32]uint32{}, texts: map[uint32]string{}}
			read(&p, data)
			if len(p.glyphs) > 1<<17 || len(p.texts) > 1<<17 {
				t.Fatal(fmt.Sprint(len(p.glyphs), " codes, ", len(p.texts), " glyphs"))
			}
		}
	})
}
