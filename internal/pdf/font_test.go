package pdf

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGlyphNames(t *testing.T) {
	got := glyphTexts([]string{"A", "eacute", "fi", "uni20AC", "u1F600", "f_f_i", "one.oldstyle", "alpha", ".notdef", "g123", "odd name#", "A"})
	assert.Equal(t, map[string]string{
		"A": "A", "eacute": "é", "fi": "ﬁ", "uni20AC": "€", "u1F600": "😀", "f_f_i": "ffi", "one.oldstyle": "1",
		"alpha": "α", ".notdef": "", "g123": "", "odd name#": "",
	}, got)
}

// fontText shows a string in a font of the given dictionary.
func fontText(t *testing.T, font, shown string, more ...string) string {
	t.Helper()
	content := "BT /F2 10 Tf 50 700 Td " + shown + " Tj ET"
	return textOf(t, []byte(strings.Replace(string(onePage(content, "", more...)), "/Font<<", "/Font<</F2 "+font, 1)))
}

func TestSimpleFontEncodings(t *testing.T) {
	const simple = "<</Type/Font/Subtype/Type1/BaseFont/X"
	assert.Equal(t, "Caf\u00e9 \u2019", fontText(t, simple+"/Encoding/WinAnsiEncoding>>", `(Caf\351 \222)`))
	assert.Equal(t, "Caf\u00e9", fontText(t, simple+"/Encoding/MacRomanEncoding>>", `(Caf\216)`))
	assert.Equal(t, "it\u2019s", fontText(t, simple+">>", `(it's)`), "standard encoding")
	assert.Equal(t, "\u03b1\u03b2", fontText(t, "<</Type/Font/Subtype/Type1/BaseFont/Symbol>>", `(ab)`))
	assert.Equal(t, "x\u03bby", fontText(t, simple+"/Encoding<</BaseEncoding/WinAnsiEncoding/Differences[1/lambda]>>>>", `(x\001y)`))
}

func TestToUnicodeComesFirst(t *testing.T) {
	cmap := streamObject("", "1 beginbfchar <41> <03A9> endbfchar 1 beginbfrange <42> <43> <0061> endbfrange")
	const font = "<</Type/Font/Subtype/TrueType/BaseFont/X/ToUnicode 5 0 R/Encoding<</Differences[65/Z/Y/X/W]>>>>"
	assert.Equal(t, "\u03a9abW", fontText(t, font, "(ABCD)", cmap), "the last code has only its name")
}

func TestType1BuiltInEncoding(t *testing.T) {
	program := streamObject("", "%!PS-AdobeFont-1.0\n/Encoding 256 array 0 1 255 {1 index exch /.notdef put} for\ndup 1 /Gamma put\ndup 2 /ff put\nreadonly def\ncurrentfile eexec xxx")
	const font = "<</Type/Font/Subtype/Type1/BaseFont/ABCDEF+CMR10/FontDescriptor<</Flags 4/FontFile 5 0 R>>>>"
	assert.Equal(t, "\u0393\ufb00", fontText(t, font, `(\001\002)`, program))
}

func TestCompositeFonts(t *testing.T) {
	font := func(encoding, extra, descendant string) string {
		return "<</Type/Font/Subtype/Type0/Encoding" + encoding + extra +
			"/DescendantFonts[<</Subtype/CIDFontType2" + descendant + ">>]>>"
	}
	cmap := streamObject("", "1 begincodespacerange <0000> <FFFF> endcodespacerange 1 beginbfrange <0001> <0003> <0061> endbfrange")
	narrow := "/DW 500/W[1[500 500] 3 3 500]"
	assert.Equal(t, "abc", fontText(t, font("/Identity-H", "/ToUnicode 5 0 R", narrow), "<000100020003>", cmap))
	assert.Equal(t, "日本", fontText(t, font("/UniJIS-UCS2-H", "", ""), "<65E5672C>"))
	assert.Equal(t, "日本A", fontText(t, font("/90ms-RKSJ-H", "", ""), "<93FA967B41>"))
	assert.Equal(t, "中文", fontText(t, font("/GBK-EUC-H", "", ""), "<D6D0CEC4>"))
	assert.Equal(t, "中文", fontText(t, font("/ETen-B5-H", "", ""), "<A4A4A4E5>"))
	assert.Equal(t, "한글", fontText(t, font("/KSCms-UHC-H", "", ""), "<C7D1B1DB>"))
	assert.Equal(t, "Ab", fontText(t, font("/Identity-H", "/ToUnicode/Identity-H", narrow), "<00410062>"))
	assert.Equal(t, "日本語", fontText(t, font("/UniJIS-UCS2-V", "", ""), "<65E5672C8A9E>"), "vertical")
	assert.Equal(t, "\ufffd\ufffd", fontText(t, font("/Identity-H", "", narrow), "<12345678>"), "no way to tell")

	encoding := streamObject("/Type/CMap", "1 begincodespacerange <00> <FF> endcodespacerange 1 begincidrange <41> <5A> 34 endcidrange")
	assert.Equal(t, "AZ", fontText(t, font(" 5 0 R", "", narrow+"/CIDSystemInfo<</Ordering(Japan1)>>"), "(AZ)", encoding))
}

func TestWidthsDecideOverSpaces(t *testing.T) {
	font := "<</Type/Font/Subtype/TrueType/BaseFont/X/Encoding/WinAnsiEncoding/FirstChar 65/Widths[1000 200]>>"
	show := func(content string) string {
		return textOf(t, []byte(strings.Replace(string(onePage("BT /F2 10 Tf 50 700 Td "+content+" ET", "")), "/Font<<", "/Font<</F2 "+font, 1)))
	}
	assert.Equal(t, "AB", show("(A) Tj 10 0 Td (B) Tj"))
	assert.Equal(t, "B A", show("(B) Tj 10 0 Td (A) Tj"))
}

// Ghostscript draws the letters of a bitmap font in pixels and sets them at 0.12 of a point.
func TestType3InUnitsOfItsOwn(t *testing.T) {
	font := func(widths, matrix string) string {
		return "<</Type/Font/Subtype/Type3/FontBBox[0 0 0 0]/FontMatrix[" + matrix + "]/FirstChar 97/Widths[" + widths +
			"]/Encoding<</Differences[97/a/b/c]>>/CharProcs<<>>>>"
	}
	show := func(font, content string) string {
		return textOf(t, []byte(strings.Replace(string(onePage("BT /F2 "+content+" ET", "")), "/Font<<", "/Font<</F2 "+font, 1)))
	}
	pixels := font("40 42 38", "1 0 0 1 0 0")
	assert.Equal(t, "abc cab\nbc", show(pixels, "0.12 Tf 50 700 Td [(a)800(b)-900(c)-25000(cab)]TJ 0 -12 Td (bc) Tj"))
	assert.Equal(t, "abc cab\nbc", show(font("480 500 460", "0.001 0 0 0.001 0 0"), "10 Tf 50 700 Td [(a)10(b)-10(c)-300(cab)]TJ 0 -12 Td (bc) Tj"))
}

// One glyph may stand for several letters, and several glyphs for one letter and its points.
func TestRightToLeftClusters(t *testing.T) {
	letters := streamObject("", "1 beginbfchar <61> <05E9> <62> <05DC> <63> <05B8> <64> <06440627> <65> <0645> <66> <0633> endbfchar")
	const font = "<</Type/Font/Subtype/TrueType/BaseFont/X/ToUnicode 5 0 R>>"
	assert.Equal(t, "سلام", fontText(t, font, "(edf)", letters), "a ligature, drawn from left to right")
	assert.Equal(t, "שָל", fontText(t, font, "(a) Tj 2 0 Td (c) Tj -7.5 0 Td (b)", letters), "a point, drawn after its letter from right to left")
	assert.Equal(t, "שָל", fontText(t, font, "(b) Tj 6 0 Td (c) Tj (a)", letters), "a point, drawn before its letter from left to right")
	assert.Equal(t, "של", fontText(t, font, "<> Tj /Span<</ActualText<FEFF05E905DC>>> BDC (xy) Tj EMC ()", letters), "a word that a span stands for")
}

// What a damaged map leaves to guess must be told, for another reader may see more.
func TestDamagedMapIsAFault(t *testing.T) {
	const cmap = "1 beginbfrange <61> <7a> <03B1> endbfrange"
	for name, c := range map[string]struct{ stream, want string }{
		"whole":   {deflated(cmap), "αβγ"},
		"damaged": {strings.Repeat("x", 40), "abc"},
		"cut":     {deflated(cmap)[:len(deflated(cmap))-4], "αβγ"},
	} {
		data := strings.Replace(string(onePage("BT /F2 10 Tf 50 700 Td (abc) Tj ET", "", streamObject("/Filter/FlateDecode", c.stream))),
			"/Font<<", "/Font<</F2 <</Type/Font/Subtype/Type1/BaseFont/X/ToUnicode 5 0 R>>", 1)
		f, err := Open([]byte(data), "", Limits{})
		require.NoError(t, err)
		text, err := f.Text(t.Context(), 0)
		assert.Equal(t, c.want, text, name)
		_, again := f.Text(t.Context(), 0)
		assert.Equal(t, err, again, "a fault of every page that shows the font")
		lost, err2 := Open([]byte(strings.Replace(data, "ToUnicode 5", "ToUnicode 6", 1)), "", Limits{})
		require.NoError(t, err2)
		_, err2 = lost.Text(t.Context(), 0)
		assert.ErrorContains(t, err2, "missing", name)
		if name == "damaged" {
			assert.ErrorContains(t, err, "map to Unicode")
		} else {
			assert.NoError(t, err, name)
		}
	}
}
