package pdf

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTextOperators(t *testing.T) {
	const begin = "BT /F1 10 Tf 50 700 Td "
	cases := map[string]struct{ want, content string }{
		"Td sets words apart":       {"one two", begin + "(one) Tj 22 0 Td (two) Tj ET"},
		"Td without a gap does not": {"onetwo", begin + "(one) Tj 16.7 0 Td (two) Tj ET"},
		"Tm sets words apart":       {"one two", begin + "(one) Tj 1 0 0 1 72 700 Tm (two) Tj ET"},
		"TJ gaps are spaces":        {"one two", begin + "[(one) -280 (two)] TJ ET"},
		"TJ kerning is none":        {"kerning", begin + "[(ke) -30 (rn) 40 (ing)] TJ ET"},
		"TD sets the leading":       {"a\nb\nc", begin + "(a) Tj 0 -12 TD (b) Tj T* (c) Tj ET"},
		"T* and TL":                 {"a\nb", begin + "12 TL (a) Tj T* (b) Tj ET"},
		"quote operators":           {"a\nb\nc d", begin + "12 TL (a) Tj (b) ' 3 1 (c d) \" ET"},
		"letter spacing is no word": {"spaced", begin + "6 Tc (spaced) Tj ET"},
		"horizontal scaling":        {"one two", begin + "50 Tz (one) Tj 11 0 Td (two) Tj ET"},
		"superscript stays inline":  {"x2 end", begin + "(x) Tj 4 Ts /F1 6 Tf (2) Tj 0 Ts /F1 10 Tf ( end) Tj ET"},
		"cm moves":                  {"down\nup", "q 1 0 0 1 0 500 cm BT /F1 10 Tf 50 20 Td (down) Tj ET Q BT /F1 10 Tf 50 480 Td (up) Tj ET"},
		"Q without q":               {"fine", "Q Q " + begin + "(fine) Tj ET Q"},
		"unknown escape":            {"adb", begin + `(a\db) Tj ET`},
		"string without an end":     {"ok", begin + "(ok) Tj <41"},
		"missing font":              {"text", "BT /Nope 10 Tf 50 700 Td (text) Tj ET"},
		"inline image":              {"before\nafter", begin + "(before) Tj ET BI /W 2 /H 2 ID \x00(EI\xff)<<\x01 EI\nBT /F1 10 Tf 50 680 Td (after) Tj ET"},
		"actual text":               {"ffi done", begin + "/Span <</ActualText (ffi)>> BDC (abc) Tj EMC ( done) Tj ET"},
		"drawn twice":               {"bold", begin + "(bold) Tj ET BT /F1 10 Tf 50.3 700 Td (bold) Tj ET"},
		"off the page":              {"here", begin + "(here) Tj 5000 0 Td (gone) Tj ET"},
		"not a number":              {"", "BT /F1 1e999 Tf 99999999999 700 Td (x) Tj ET"},
		"a string as Tf operand":    {"x", begin + "(y) 10 Tf (x) Tj ET"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { shows(t, c.want, c.content) })
	}
}

func TestFormXObjects(t *testing.T) {
	form := func(extra, content string) string {
		return streamObject("/Type/XObject/Subtype/Form/BBox[0 0 600 800]"+extra, content)
	}
	own := "/Resources<</Font<</F9 " + helvetica + ">>>>"
	assert.Equal(t, "inside", textOf(t, onePage("/X Do", "/XObject<</X 5 0 R>>",
		form(own, "BT /F9 10 Tf 50 700 Td (inside) Tj ET"))))
	assert.Equal(t, "borrowed", textOf(t, onePage("/X Do", "/XObject<</X 5 0 R>>",
		form("", "BT /F1 10 Tf 50 700 Td (borrowed) Tj ET"))), "resources of the page")
	assert.Equal(t, "top\nlow", textOf(t, onePage("/X Do BT /F1 10 Tf 50 500 Td (low) Tj ET", "/XObject<</X 5 0 R>>",
		form("/Matrix[1 0 0 1 0 490]", "BT /F1 10 Tf 50 22 Td (top) Tj ET"))), "matrix")
	assert.Equal(t, "once", textOf(t, onePage("/X Do", "/XObject<</X 5 0 R>>",
		form("/Resources<</XObject<</X 5 0 R/Y 6 0 R>>>>", "BT 10 0 0 10 50 700 Tm /F1 1 Tf (once) Tj ET /X Do /Y Do"),
		form("/Resources<</XObject<</X 5 0 R>>>>", "/X Do"))), "cycle")
}

func TestAnnotationsAreText(t *testing.T) {
	data := strings.Replace(string(onePage("BT /F1 10 Tf 50 700 Td (Name:) Tj ET", "",
		"<</Subtype/Widget/Rect[90 698 190 712]/AP<</N 6 0 R>>>>",
		streamObject("/Subtype/Form/BBox[0 0 100 14]/Resources<</Font<</F1 "+helvetica+">>>>", "BT /F1 10 Tf 2 2 Td (Ada) Tj ET"),
		"<</Subtype/Widget/F 2/Rect[90 600 190 614]/AP<</N 6 0 R>>>>",
		"<</Subtype/Widget/Rect[90 500 190 514]/AS/On/AP<</N<</On 6 0 R/Off 4 0 R>>>>>>",
	)), "/MediaBox", "/Annots[5 0 R 7 0 R 8 0 R]/MediaBox", 1)
	assert.Equal(t, "Name: Ada\nAda", textOf(t, []byte(data)), "a hidden one is not shown, a state is")
}

func TestContentsInSeveralStreams(t *testing.T) {
	data := objects(
		"<</Type/Catalog/Pages 2 0 R>>",
		"<</Type/Pages/Kids[3 0 R]/Resources<</Font<</F1 "+helvetica+">>>>/MediaBox[0 0 600 800]>>",
		"<</Type/Page/Parent 2 0 R/Contents[4 0 R 9 0 R 5 0 R]>>",
		streamObject("", "BT /F1 10 Tf 50 700 Td (split) Tj"),
		streamObject("/Filter/FlateDecode", deflated("0 -12 Td (inherited) Tj ET")),
	)
	assert.Equal(t, "split\ninherited", textOf(t, data))
}

func TestPageLimits(t *testing.T) {
	read := func(content string, l Limits) error {
		f, err := Open(onePage(content, ""), "", l)
		require.NoError(t, err)
		text, err := f.Text(context.Background(), 0)
		if err != nil {
			assert.Empty(t, text)
		}
		return err
	}
	many := "BT /F1 1 Tf 1 1 Td " + strings.Repeat("(abcdefgh) Tj ", 200)
	assert.NoError(t, read(many, Limits{}))
	assert.ErrorContains(t, read(many, Limits{Operators: 100}), "100 operators")
	assert.ErrorContains(t, read(many, Limits{Glyphs: 100}), "100 glyphs")
	assert.ErrorContains(t, read(many, Limits{StreamBytes: 100}), "100 bytes")
	assert.NoError(t, read(strings.Repeat("1 ", 4*maxOperands)+"re", Limits{}), "operands without end are dropped")
}

func TestFormDrawnOftenCostsOften(t *testing.T) {
	big := streamObject("/Subtype/Form", strings.Repeat("n ", 50_000))
	f, err := Open(onePage(strings.Repeat("/X Do ", 10_000), "/XObject<</X 5 0 R>>", big), "", Limits{})
	require.NoError(t, err)
	start := time.Now()
	_, err = f.Text(context.Background(), 0)
	assert.ErrorContains(t, err, "operators")
	assert.Less(t, time.Since(start), time.Minute)
}

func TestContextEndsAPage(t *testing.T) {
	f, err := Open(onePage(strings.Repeat("q Q ", 1_000_000), ""), "", Limits{})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err = f.Text(ctx, 0)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func FuzzContent(f *testing.F) {
	f.Add([]byte("BT /F1 10 Tf 50 700 Td [(a) -300 (b)] TJ T* (c) ' 1 2 (d) \" ET"))
	f.Add([]byte("q 0 1 -1 0 5 5 cm /X Do Q BI ID x EI /Span <</ActualText <FEFF0041>>> BDC (x) Tj EMC"))
	f.Fuzz(func(t *testing.T, content []byte) {
		file, err := Open(onePage(string(content), "/XObject<</X 4 0 R>>"), "", Limits{StreamBytes: 1 << 20, Operators: 10_000, Glyphs: 10_000})
		if err != nil {
			return // "endstream" inside the content
		}
		for i := range file.Pages() {
			_, _ = file.Text(context.Background(), i)
		}
	})
}
