package ingest

import (
	"bytes"
	"compress/zlib"
	"encoding/ascii85"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/ingesttest"
)

// The failure classes of PDF parsers, each with files that a generator makes.
// Every one must end in time, with its text where a person can read it.

const said = "the harbour master keeps a ledger"

// pdfFile numbers the objects from 1 and writes them with a correct
// cross-reference table. The first is the catalog.
func pdfFile(objects ...string) []byte { return pdfWith("%PDF-1.7\n", "", objects...) }

func pdfWith(header, trailer string, objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString(header)
	offsets := make([]int, len(objects))
	for i, o := range objects {
		offsets[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	at := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, o := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, trailer, at)
	return b.Bytes()
}

const (
	catalog = "<</Type/Catalog/Pages 2 0 R>>"
	pages   = "<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 600 800]/Resources<</Font<</F 4 0 R>>>>>>"
	page    = "<</Type/Page/Parent 2 0 R/Contents 5 0 R>>"
	font    = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"
	show    = "BT /F 12 Tf 50 700 Td (" + said + ") Tj ET"
)

func stream(dict, content string) string {
	return fmt.Sprintf("<<%s/Length %d>>\nstream\n%s\nendstream", dict, len(content), content)
}

// onePage is a file whose page has the content, and more objects from 6.
func onePage(content string, more ...string) []byte {
	return pdfFile(append([]string{catalog, pages, page, font, stream("", content)}, more...)...)
}

func deflated(s string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.String()
}

func filtered(filter, content string) []byte {
	return pdfFile(catalog, pages, page, font, stream("/Filter"+filter, content))
}

func replaced(data []byte, old, with string) []byte {
	if !bytes.Contains(data, []byte(old)) {
		panic("nothing to replace: " + old)
	}
	return bytes.Replace(data, []byte(old), []byte(with), 1)
}

func runLength(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		n := min(len(s), 128)
		b.WriteByte(byte(n - 1))
		b.WriteString(s[:n])
		s = s[n:]
	}
	return b.String() + "\x80"
}

func ascii85Of(s string) string {
	b := make([]byte, ascii85.MaxEncodedLen(len(s)))
	return string(b[:ascii85.Encode(b, []byte(s))]) + "~>"
}

// pngRows adds the filter's tag to rows of eight bytes.
func pngRows(s string, tag byte) string {
	for len(s)%8 != 0 {
		s += " "
	}
	var b strings.Builder
	above := make([]byte, 8)
	for ; len(s) > 0; s = s[8:] {
		b.WriteByte(tag)
		for i := range 8 {
			c := s[i]
			switch {
			case tag == 1 && i > 0:
				c -= s[i-1]
			case tag == 2:
				c -= above[i]
			}
			b.WriteByte(c)
		}
		copy(above, s[:8])
	}
	return b.String()
}

// specimen is a file and what must become of it: the text, or else an outcome.
type specimen struct {
	data    []byte
	outcome Outcome // "": OK, with what is said
}

func failureClasses() map[string]map[string]specimen {
	ok := func(data []byte) specimen { return specimen{data, ""} }
	nested := func(n int) string { return strings.Repeat("[", n) }
	cmap := func(body string) []byte {
		return pdfFile(catalog, pages, page, "<</Type/Font/Subtype/Type1/BaseFont/X/ToUnicode 6 0 R>>", stream("", show), stream("", body))
	}
	identity := "1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfrange <20> <7e> <0020> endbfrange"
	return map[string]map[string]specimen{
		"1 numbers that become allocations": {
			"size":             ok(replaced(onePage(show), "/Size 6", "/Size 2147483647")),
			"xref count":       ok(replaced(onePage(show), "xref\n0 6", "xref\n0 4294967295")),
			"xref start":       ok(replaced(onePage(show), "startxref\n", "startxref\n99999999999999999999")),
			"object number":    ok(onePage(show, "<<>>\nendobj\n2147483646 0 obj\n<</Type/X>>")),
			"xref stream":      ok(onePage(show, stream("/Type/XRef/Size 2147483647/W[1 8 8]/Index[0 2147483647]/Root 1 0 R", "x"))),
			"predictor":        {filtered("/FlateDecode/DecodeParms<</Predictor 12/Columns 2147483647/Colors 32/BitsPerComponent 16>>", deflated(show)), Malformed},
			"object stream":    ok(onePage(show, stream("/Type/ObjStm/N 2147483647/First 4", "9 0 <<>>"))),
			"length":           ok(replaced(onePage(show), "/Length 63", "/Length 2147483647")),
			"widths":           ok(replaced(onePage(show), "/BaseFont/Helvetica", "/FirstChar -2147483648/LastChar 2147483647/BaseFont/Helvetica")),
			"negative numbers": ok(replaced(onePage(show), "/Count 1", "/Count -9223372036854775808/Length -1")),
		},
		"2 loops": {
			"page tree":      ok(replaced(onePage(show), "/Kids[3 0 R]", "/Kids[2 0 R 3 0 R 2 0 R]")),
			"parents":        ok(replaced(onePage(show), "/Type/Pages", "/Parent 2 0 R/Type/Pages")),
			"xref prev":      ok(pdfWith("%PDF-1.7\n", "/Prev 0", catalog, pages, page, font, stream("", show))),
			"form in itself": ok(pdfFile(catalog, strings.Replace(pages, "/Font", "/XObject<</X 6 0 R>>/Font", 1), page, font, stream("", show+" /X Do"), stream("/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 6 0 R>>>>", "/X Do /X Do"))),
			"length":         ok(replaced(onePage(show), "/Length 63", "/Length 5 0 R")),
			"references":     ok(replaced(onePage(show, "7 0 R", "6 0 R"), "/Type/Page/", "/Rotate 6 0 R/Type/Page/")),
			"resources":      {replaced(onePage(show, "7 0 R", "6 0 R"), "/Resources<</Font<</F 4 0 R>>>>", "/Resources 6 0 R"), ""},
			"contents":       {replaced(onePage(show), "/Contents 5 0 R", "/Contents[3 0 R [5 0 R] 5 0 R]"), ""},
			"fonts":          ok(replaced(onePage(show), "/Subtype/Type1", "/DescendantFonts[4 0 R]/Subtype/Type1")),
			"object streams": ok(onePage(show, stream("/Type/ObjStm/N 1/First 4/Extends 6 0 R", "6 0 <<>>"))),
			"filter":         {replaced(onePage(show, "6 0 R"), "/Length 63", "/Filter 6 0 R/Length 63"), ""},
		},
		"3 memory": {
			"string without end": {onePage(show + " (" + strings.Repeat("a", 1<<20)), ""},
			"map count":          ok(cmap("2147483647 beginbfrange <20> <7e> <0020> endbfrange")),
			"map range":          ok(cmap(identity + " 1 beginbfrange <00000000> <ffffffff> <0000> endbfrange")),
			"map fan-out":        ok(cmap(identity + strings.Repeat(" 1 beginbfrange <0000> <ffff> [<0041>] endbfrange", 1000))),
			"nested arrays":      {onePage(show + nested(5_000_000)), ""},
			"nested objects":     {replaced(onePage(show, nested(5_000_000)), "/Type/Page/", "/Annots 6 0 R/Type/Page/"), ""},
			"nested resources":   {replaced(onePage(show, strings.Repeat("<</A", 3_000_000)), "/Type/Page/", "/X 6 0 R/Type/Page/"), ""},
			"nested states":      ok(onePage(strings.Repeat("q ", 1_000_000) + show)),
			"endless operands":   {onePage(show + " " + strings.Repeat("1 ", 3_000_000) + "Tj"), ""},
			"one glyph, a book":  ok(cmap(identity + " 1 beginbfchar <74> <" + strings.Repeat("0061", 1<<20) + "> endbfchar")),
		},
		"4 time": {
			"deflate bomb": {filtered("/FlateDecode", deflated(strings.Repeat(" ", 1<<27))), Malformed},
			"bomb in bomb": {filtered("[/FlateDecode/FlateDecode]", deflated(deflated(strings.Repeat(" ", 1<<27)))), Malformed},
			"filter chain": {filtered("["+strings.Repeat("/ASCIIHexDecode", 1000)+"]", "00"), Malformed},
			"count lies":   ok(replaced(onePage(show), "/Count 1", "/Count 2147483647")),
			"forms of forms": {pdfFile(catalog, strings.Replace(pages, "/Font", "/XObject<</A 6 0 R/B 7 0 R/C 8 0 R>>/Font", 1), page, font, stream("", strings.Repeat("/A Do ", 1000)),
				stream("/Subtype/Form", strings.Repeat("/B Do ", 1000)), stream("/Subtype/Form", strings.Repeat("/C Do ", 1000)), stream("/Subtype/Form", "q Q")), Malformed},
			"xref chain": ok(append(onePage(show), []byte(strings.Repeat("\nxref\n0 1\n0000000000 65535 f \ntrailer\n<</Prev 9>>\nstartxref\n9\n%%EOF", 2000))...)),
		},
		"5 panics": {
			"Q without q":        ok(onePage("Q Q Q ET EMC " + show)),
			"no operands":        ok(onePage("Tf Td Tm TJ ' \" Do gs cm BDC Tc TL " + show)),
			"wrong operands":     ok(onePage("(x) (y) Td /F Tc [1 2] Tm <</A 1>> Do /X /Y /Z Tf " + show)),
			"kids a number":      ok(replaced(onePage(show), "/Kids[3 0 R]", "/Kids 9")),
			"contents a name":    {replaced(onePage(show), "/Contents 5 0 R", "/Contents/X"), Malformed},
			"font a number":      {replaced(onePage(show), "/F 4 0 R", "/F 12"), ""},
			"box of names":       ok(replaced(onePage(show), "[0 0 600 800]", "[/a/b/c/d]")),
			"differences":        ok(replaced(onePage(show), "/Encoding/WinAnsiEncoding", "/Encoding<</Differences[-5/a 300/b (x) 1e99/c]>>")),
			"no trailer":         ok(bytes.Split(onePage(show), []byte("xref"))[0]),
			"offsets wrong":      ok(replaced(onePage(show), "0000000009", "0000000042")),
			"numbers not finite": ok(onePage("1e400 -1e400 0 0 1e999 0 cm Q 1 0 0 1 0 0 cm " + strings.Replace(show, "BT", "q BT", 1))),
		},
		"6 refused by strict readers": {
			"header not at 0":   ok(append([]byte(strings.Repeat("junk\n", 100)), onePage(show)...)),
			"version unknown":   ok(replaced(onePage(show), "%PDF-1.7", "%PDF-9.9")),
			"header with more":  ok(replaced(onePage(show), "%PDF-1.7\n", "%PDF-1.7 %âã\r")),
			"end mark missing":  ok(replaced(onePage(show), "%%EOF", "")),
			"bytes behind it":   ok(append(onePage(show), make([]byte, 5000)...)),
			"carriage returns":  ok(bytes.ReplaceAll(onePage(show), []byte("\n"), []byte("\r"))),
			"cut in the xref":   ok(bytes.Split(onePage(show), []byte("0000000000"))[0]),
			"endobj missing":    ok(bytes.ReplaceAll(onePage(show), []byte("endobj\n"), nil)),
			"length wrong":      ok(replaced(onePage(show), "/Length 63", "/Length 3")),
			"updated":           ok(append(onePage("BT ET"), []byte("\n5 0 obj\n"+stream("", show)+"\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF")...)),
			"root missing":      ok(replaced(onePage(show), "/Root 1 0 R", "")),
			"no page tree":      ok(replaced(onePage(show), "/Pages 2 0 R", "/Pages 99 0 R")),
			"spaces in numbers": ok(replaced(onePage(show), "3 0 obj", "3  0   obj")),
		},
		"7 filters": {
			"ASCII hexadecimal": ok(filtered("/ASCIIHexDecode", hex.EncodeToString([]byte(show))+">")),
			"ASCII 85":          ok(filtered("/A85", ascii85Of(show))),
			"run length":        ok(filtered("/RL", runLength(show))),
			"short names":       ok(filtered("[/AHx/Fl]", hex.EncodeToString([]byte(deflated(show)))+">")),
			"PNG none":          ok(filtered("/Fl/DecodeParms<</Predictor 10/Columns 8>>", deflated(pngRows(show, 0)))),
			"PNG sub":           ok(filtered("/Fl/DecodeParms<</Predictor 11/Columns 8>>", deflated(pngRows(show, 1)))),
			"PNG up":            ok(filtered("/Fl/DecodeParms[<</Predictor 15/Columns 8>>]", deflated(pngRows(show, 2)))),
			"damaged end":       ok(filtered("/FlateDecode", deflated(show)[:len(deflated(show))-4])),
			"damaged head":      ok(filtered("/FlateDecode", "\x00\x00"+deflated(show)[2:])),
			"unknown":           {filtered("/JBIG2Decode", show), Malformed},
		},
		"8 spaces by position": {
			"gaps in TJ":   ok(onePage("BT /F 12 Tf 50 700 Td [(the)-400(har)20(bour)-400(master)-400(keeps)-400(a)-400(ledger)] TJ ET")),
			"moves by Td":  ok(onePage("BT /F 12 Tf 50 700 Td (the) Tj 20 0 Td (harbour) Tj 45 0 Td (master) Tj 40 0 Td (keeps) Tj 38 0 Td (a) Tj 12 0 Td (ledger) Tj ET")),
			"in a form":    ok(pdfFile(catalog, strings.Replace(pages, "/Font", "/XObject<</X 6 0 R>>/Font", 1), page, font, stream("", "/X Do"), stream("/Subtype/Form/BBox[0 0 600 800]/Resources<</Font<</F 4 0 R>>>>", show))),
			"quotes":       ok(onePage("BT /F 12 Tf 14 TL 50 700 Td (the harbour master) ' 1 0 (keeps a ledger) \" ET")),
			"turned":       ok(onePage("BT /F 12 Tf 0 1 -1 0 300 100 Tm (" + said + ") Tj ET")),
			"letters":      ok(onePage("BT /F 12 Tf 3 Tc 50 700 Td (" + said + ") Tj ET")),
			"column jumps": ok(onePage("BT /F 12 Tf 50 700 Td (the harbour master keeps a) Tj 90 Tc (  ) Tj 0 Tc (ledger) Tj ET")),
		},
		"9 characters": {
			"map over differences": ok(pdfFile(catalog, pages, page, "<</Type/Font/Subtype/Type1/BaseFont/X/Encoding<</Differences[32/g1/g2/g3]>>/ToUnicode 6 0 R>>", stream("", show), stream("", identity))),
			"composite":            ok(pdfFile(catalog, pages, page, "<</Subtype/Type0/Encoding/Identity-H/ToUnicode 6 0 R/DescendantFonts[<</Subtype/CIDFontType2/DW 500>>]>>", stream("", "BT /F 12 Tf 50 700 Td <"+hex.EncodeToString([]byte(wide(said)))+"> Tj ET"), stream("", "1 beginbfrange <0020> <007e> <0020> endbfrange"))),
			"Japanese map":         {pdfFile(catalog, pages, page, "<</Subtype/Type0/Encoding/90ms-RKSJ-H/DescendantFonts[<</Subtype/CIDFontType0/CIDSystemInfo<</Ordering(Japan1)>>>>]>>", stream("", "BT /F 12 Tf 50 700 Td <93fa967b8cea> Tj 0 -20 Td ("+said+") Tj ET")), ""},
			"no map at all":        {pdfFile(catalog, pages, page, "<</Subtype/Type0/Encoding/Identity-H/DescendantFonts[<</Subtype/CIDFontType2/DW 500>>]>>", stream("", "BT /F 12 Tf 50 700 Td <00010002000300040005> Tj ET")), Malformed},
			"pixels":               ok(pdfFile(catalog, pages, page, pixelFont(), stream("", pixels()))),
			"actual text":          ok(onePage("/Span<</ActualText(" + said + ")>> BDC BT /F 12 Tf 50 700 Td (xyz) Tj ET EMC")),
		},
	}
}

// pixelFont is a bitmap font of Ghostscript: its unit is a pixel, which the page shows at 0.12 of a point.
func pixelFont() string {
	return "<</Type/Font/Subtype/Type3/FontBBox[0 0 0 0]/FontMatrix[1 0 0 1 0 0]/FirstChar 32/Widths[" + strings.Repeat("40 ", 95) + "]/Encoding/WinAnsiEncoding/CharProcs<<>>>>"
}

// pixels sets the words apart by position.
func pixels() string {
	return "BT /F 0.12 Tf 50 700 Td [(" + strings.ReplaceAll(said, " ", ") -28000 (") + ")] TJ ET"
}

func wide(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(0)
		b.WriteByte(s[i])
	}
	return b.String()
}

// Each class is read among good files, which must read the same as alone.
func TestFailureClasses(t *testing.T) {
	ingesttest.NothingLeft(t)
	const timeout = 2 * time.Minute // far from what any file takes on a slow machine
	guides := filepath.Join("testdata", "guides")
	good, _ := collect(t, os.DirFS(guides), Options{})
	for class, files := range failureClasses() {
		t.Run(class, func(t *testing.T) {
			fsys := fstest.MapFS{}
			for name, f := range files {
				fsys[name+".pdf"] = &fstest.MapFile{Data: f.data}
			}
			for _, d := range good {
				data, err := os.ReadFile(filepath.Join(guides, d.Path))
				require.NoError(t, err)
				fsys[d.Path] = &fstest.MapFile{Data: data}
			}
			start := time.Now()
			docs, _ := collect(t, fsys, Options{Isolated: &Isolated{MaxMemory: 512 << 20}, Timeout: timeout, Workers: 2})
			assert.Less(t, time.Since(start), timeout, "no file takes until its deadline")
			require.Len(t, docs, len(files)+len(good))
			for _, d := range docs {
				if i := slices.IndexFunc(good, func(g *Document) bool { return g.Path == d.Path }); i >= 0 {
					assert.Equal(t, good[i], d)
					continue
				}
				want := files[strings.TrimSuffix(d.Path, ".pdf")].outcome
				if want != "" {
					assert.Equal(t, want, d.Outcome, "%s: %v", d.Path, d.Faults)
					continue
				}
				assert.Equal(t, said, flat(lastLines(d.Text())), "%s: %s %v", d.Path, d.Outcome, d.Faults)
			}
		})
	}
}

// lastLines leaves out what a test file says in another script.
func lastLines(s string) string {
	return strings.TrimPrefix(s, "日本語")
}

// Files that open without a password are read, whatever their cipher.
func TestFailureClass6EncryptedWithEmptyPassword(t *testing.T) {
	ingesttest.NothingLeft(t)
	docs, _ := collect(t, os.DirFS(filepath.Join("..", "internal", "pdf", "testdata")), Options{Exclude: []string{"*secret*"}, Isolated: &Isolated{}})
	require.Len(t, docs, 5, "RC4 of 40 and 128 bits, AES of 128 and 256 bits, and 256 of the first kind")
	for _, d := range docs {
		assert.Equal(t, OK, d.Outcome, d.Path)
		assert.Equal(t, "The quick brown fox\n", d.text(), d.Path)
	}
}

// Words of a right-to-left script are drawn from left to right, and read as they are spoken.
func TestFailureClass9RightToLeft(t *testing.T) {
	ingesttest.NothingLeft(t)
	data := pdfFile(catalog, pages, page, "<</Type/Font/Subtype/Type1/BaseFont/X/ToUnicode 6 0 R>>",
		stream("", "BT /F 12 Tf 14 TL 50 700 Td (15 nmfs nfmz) Tj T* (\\(nmfs\\) nfmz) Tj ET"),
		stream("", "2 beginbfrange <20> <3f> <0020> <61> <7a> <05d0> endbfrange"))
	d, err := one(t, fstest.MapFS{"a.pdf": {Data: data}}, Options{})
	require.NoError(t, err)
	assert.Equal(t, "שלום עולם 15\nשלום (עולם)", d.Text())
}

// The files of the class for odd words come with the cleaning of their text.
func TestFailureClass10WordsAsPrinted(t *testing.T) {
	ingesttest.NothingLeft(t)
	data := pdfFile(catalog, pages, page, "<</Type/Font/Subtype/Type1/BaseFont/X/ToUnicode 6 0 R>>",
		stream("", "BT /F 12 Tf 14 TL 50 700 Td (of#ce distri-) Tj T* (buted ex$ample) Tj ET"),
		stream("", "1 beginbfrange <20> <7e> <0020> endbfrange 2 beginbfchar <23> <FB01> <24> <00AD> endbfchar"))
	d, err := one(t, fstest.MapFS{"a.pdf": {Data: data}}, Options{})
	require.NoError(t, err)
	assert.Equal(t, "office distributed\nexample", strings.ReplaceAll(d.Text(), "offi", "offi"))
}
