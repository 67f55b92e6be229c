package ingest

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/ingest/internal/zipxml"
	"github.com/docent-ml/docent/internal/ingesttest"
)

// wordFile packs parts into a file; a part named document is its body.
func wordFile(t testing.TB, parts map[string]string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range parts {
		if name == "document" {
			name = "word/document.xml"
			content = `<?xml version="1.0"?><w:document xmlns:w="w"><w:body>` + content + `</w:body></w:document>`
		}
		w, err := z.Create(name)
		require.NoError(t, err)
		_, err = w.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

func para(runs ...string) string {
	return "<w:p><w:pPr><w:rPr><w:t>style</w:t></w:rPr></w:pPr><w:r><w:t>" + strings.Join(runs, "</w:t></w:r><w:r><w:t>") + "</w:t></w:r></w:p>"
}

// field is a paragraph of a field without a result.
func field(code string) string {
	return `<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText> ` + code + ` </w:instrText></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>`
}

func raised(base, power string) string {
	return `<w:r><w:t xml:space="preserve">` + base + `</w:t></w:r><w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>` + power + `</w:t></w:r>`
}

func cells(texts ...string) string {
	s := "<w:tr>"
	for _, text := range texts {
		s += "<w:tc>" + para(text) + "</w:tc>"
	}
	return s + "</w:tr>"
}

func TestWord(t *testing.T) {
	ingesttest.NothingLeft(t)
	cases := map[string]struct {
		body string
		want []string
	}{
		"paragraphs and runs":    {para("Hel", "lo ", "world") + para("Next"), []string{"Hello world\n\nNext"}},
		"tabs and breaks":        {`<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t></w:r></w:p>`, []string{"a\tb\nc-d"}},
		"table row by row":       {"<w:tbl>" + cells("Week", "Topic") + cells("1", "Limits") + cells("", "x") + "</w:tbl>" + para("after"), []string{"Week\tTopic\n1\tLimits\n\tx\n\nafter"}},
		"hard page break":        {para("one") + `<w:p><w:r><w:br w:type="page"/></w:r></w:p>` + para("two"), []string{"one", "two"}},
		"break noted twice":      {para("one") + `<w:p><w:r><w:br w:type="page"/><w:lastRenderedPageBreak/><w:t>two</w:t></w:r></w:p>`, []string{"one", "two"}},
		"deleted and fields":     {`<w:p><w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:r><w:instrText>PAGE</w:instrText></w:r></w:p>`, []string{"new"}},
		"second rendering":       {`<w:p><w:r><mc:AlternateContent><mc:Choice><w:txbxContent>` + para("box") + `</w:txbxContent></mc:Choice><mc:Fallback>` + para("box") + `</mc:Fallback></mc:AlternateContent></w:r></w:p>`, []string{"box"}},
		"symbols":                {`<w:p><w:r><w:sym w:font="Wingdings" w:char="F0FC"/></w:r><w:r><w:rPr><w:rFonts w:ascii="Symbol"/></w:rPr><w:t> b</w:t></w:r><w:r><w:t> b</w:t></w:r></w:p>`, []string{"✓≤ β b"}},
		"fonts of symbols":       {`<w:p><w:r><w:rPr><w:rFonts w:ascii="Arial" w:hAnsi="Symbol"/></w:rPr><w:t>a</w:t></w:r></w:p>`, []string{"aα"}},
		"other symbol fonts":     {`<w:p><w:r><w:sym w:font="Webdings" w:char="F061"/><w:sym w:font="Wingdings 3" w:char="F070"/><w:sym w:font="Wingdings 2" w:char="F098"/></w:r></w:p>`, []string{"✔▲●"}},
		"fields of symbols":      {field(`SYMBOL 179 \f "Symbol" \s 11`) + field(`EQ \f(12,5)`), []string{"≥\n\n12/5"}},
		"fields of formulas":     {field(`EQ \* jc2 \* "Font:MS Mincho" \* hps10 \o\ad(\s\up 9(とうきょう),東京)`) + field(`EQ \r(3,x); \f(\f(1,2),a+b) \b\bc\{(x,y) \i(0,1,x) \r(2) \, \l(1`), []string{"東京\n\n√(3&x); (1/2)/(a+b) (x,y) ∫_0^1 x √2 , 1"}},
		"formulas beside digits": {`<w:p><w:r><w:t>2</w:t></w:r><m:oMath><m:f><m:num><m:r><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></m:oMath><w:r><w:t>5</w:t></w:r></w:p>`, []string{"2 1/2 5"}},
		"powers":                 {`<w:p>` + raised("10", "6") + raised(" m", "2") + raised("; 2", "n") + `</w:p>`, []string{"10⁶ m2; 2n"}},
		"powers in pieces":       {`<w:p>` + strings.Replace(raised("10", "6"), "</w:rPr>", "</w:rPr><w:noBreakHyphen/>", 1) + raised(" x", "1") + raised("", "2") + `</w:p>`, []string{"10⁻⁶ x12"}},
		"soft hyphens":           {para("Hafen\u00ADmeister"), []string{"Hafenmeister"}},
		"raised text":            {`<w:p>` + strings.ReplaceAll(raised("7", "3"), `vertAlign w:val="superscript"`, `position w:val="8"`) + `</w:p>`, []string{"7³"}},
		"indices":                {`<w:p>` + strings.ReplaceAll(raised("101", "2")+raised("; H", "2"), "superscript", "subscript") + `</w:p>`, []string{"101_2; H2"}},
		"cell of blocks":         {`<w:tbl><w:tr><w:tc>` + para("Key") + `</w:tc><w:tc>` + para("one") + para("two") + "<w:tbl>" + cells("in", "side") + cells("2", "3") + "</w:tbl></w:tc></w:tr>" + cells("a", "b") + "</w:tbl>", []string{"Key\tone two in side 2 3\na\tb"}},
		"cells that span":        {`<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr>` + para("wide") + `</w:tc><w:tc>` + para("c") + `</w:tc></w:tr>` + cells("1", "2", "") + "</w:tbl>", []string{"wide\t\tc\n1\t2"}},
		"rows of one cell":       {`<w:tbl>` + cells("title") + cells("a", "b") + cells("foot") + "</w:tbl>", []string{"title\na\tb\nfoot"}},
		"drawn letters":          {`<w:p><w:r><w:pict><v:shape><v:textpath string="DRAFT"/></v:shape></w:pict></w:r></w:p>`, []string{"DRAFT"}},
		"frame":                  {"<w:tbl><w:tr><w:tc>" + para("one") + para("two") + "</w:tc></w:tr></w:tbl>", []string{"one\n\ntwo"}},
		"deleted rows":           {`<w:tbl><w:tr><w:trPr><w:del/></w:trPr><w:tc>` + para("old") + `</w:tc></w:tr>` + cells("a", "b") + "</w:tbl>", []string{"a\tb"}},
		"deleted ends":           {`<w:p><w:pPr><w:rPr><w:del/></w:rPr></w:pPr><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p><w:p><w:pPr><w:rPr><w:moveFrom/></w:rPr></w:pPr><w:r><w:t>a</w:t></w:r></w:p>` + para("b"), []string{"ab"}},
		"hidden text":            {`<w:p><w:r><w:t>a</w:t></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>no</w:t></w:r><w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>b</w:t></w:r></w:p>`, []string{"ab"}},
		"fields":                 {`<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>IF </w:instrText></w:r><w:r><w:t>code</w:t></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>result</w:t></w:r><w:r><w:fldChar w:fldCharType="end"/><w:fldChar w:fldCharType="begin"/></w:r></w:p>` + para("after"), []string{"result\n\nafter"}},
		"boxes to tick":          {`<w:p><w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:checkBox><w:default w:val="0"/><w:checked/></w:checkBox></w:ffData></w:fldChar><w:fldChar w:fldCharType="end"/></w:r><w:r><w:t> yes</w:t></w:r></w:p>`, []string{"☒ yes"}},
		"alternative text":       {`<w:p><w:r><w:t>Press</w:t><w:drawing><wp:docPr name="Picture 1" descr="Enter key"/></w:drawing></w:r><w:r><w:t> twice</w:t></w:r></w:p>`, []string{"Press Enter key twice"}},
		"content controls":       {`<w:sdt><w:sdtPr><w:alias w:val="x"/></w:sdtPr><w:sdtContent>` + para("a") + `</w:sdtContent></w:sdt><w:ins>` + para("b") + `</w:ins>`, []string{"a\n\nb"}},
		"only the fallback says": {`<w:p><w:r><mc:AlternateContent><mc:Choice><wp:x/></mc:Choice><mc:Fallback><w:t>old way</w:t></mc:Fallback></mc:AlternateContent></w:r></w:p>`, []string{"old way"}},
		"break before an item":   {para("a") + `<w:p><w:r><w:br w:type="page"/><w:t>b</w:t></w:r></w:p>`, []string{"a", "b"}},
		"entities":               {para("a &lt; b &amp; c"), []string{"a < b & c"}},
	}
	for name, c := range cases {
		data := wordFile(t, map[string]string{"document": c.body})
		d, err := DOCX{}.Read(context.Background(), memory(data), int64(len(data)))
		require.NoError(t, err, name)
		var got []string
		for i, p := range d.Pages {
			assert.Equal(t, i+1, p.Number, name)
			got = append(got, p.Text)
		}
		assert.Equal(t, c.want, got, name)
	}
}

// What a font shows for a code is not guessed, and its loss is told once.
func TestWordUnknownSymbols(t *testing.T) {
	ingesttest.NothingLeft(t)
	symbol := `<w:sym w:font="MT Extra" w:char="F061"/>`
	data := wordFile(t, map[string]string{"document": `<w:p><w:r><w:t>a</w:t>` + symbol + symbol + `</w:r></w:p>`})
	d, err := DOCX{}.Read(context.Background(), memory(data), int64(len(data)))
	require.NoError(t, err)
	assert.Equal(t, "a", d.Text())
	assert.Equal(t, []Fault{{Reason: `symbols of the font "MT Extra" are not known, and left out`}}, d.Faults)
}

func TestWordPartsAndTitle(t *testing.T) {
	ingesttest.NothingLeft(t)
	data := wordFile(t, map[string]string{
		"_rels/.rels":         `<Relationships><Relationship Type="http://x/officeDocument" Target="/odd/main.xml"/></Relationships>`,
		"odd/main.xml":        `<w:document><w:body><w:p><w:r><w:t>Body</w:t><w:footnoteReference w:id="2"/></w:r></w:p></w:body></w:document>`,
		"odd/footnotes.xml":   `<w:footnotes><w:footnote w:type="separator">` + para("line") + `</w:footnote><w:footnote w:id="2">` + para("A note.") + `</w:footnote></w:footnotes>`,
		"docProps/core.xml":   `<cp:coreProperties><dc:title>The  title</dc:title></cp:coreProperties>`,
		"word/header1.xml":    `<w:hdr>` + para("Header") + `</w:hdr>`,
		"../../etc/passwords": "nobody looks here",
	})
	d, err := one(t, fstest.MapFS{"a.docx": {Data: data}}, Options{})
	require.NoError(t, err)
	assert.Equal(t, "The title", d.Title)
	assert.Equal(t, "Body[1]\n\n[1] A note.", d.Text())
	assert.Equal(t, docxType, d.MediaType)
}

// A style can raise text, and a run can take that back.
func TestWordScriptsByStyle(t *testing.T) {
	ingesttest.NothingLeft(t)
	run := func(props, s string) string { return `<w:r><w:rPr>` + props + `</w:rPr><w:t>` + s + `</w:t></w:r>` }
	data := wordFile(t, map[string]string{
		"word/styles.xml": `<w:styles><w:style w:styleId="Up"><w:rPr><w:vertAlign w:val="superscript"/></w:rPr></w:style><w:style w:styleId="Power"><w:basedOn w:val="Up"/></w:style></w:styles>`,
		"document":        `<w:p>` + run("", "10") + run(`<w:rStyle w:val="Power"/>`, "6") + run("", " 2") + run(`<w:rStyle w:val="Up"/><w:vertAlign w:val="baseline"/>`, "8") + `</w:p>`,
	})
	d, err := DOCX{}.Read(context.Background(), memory(data), int64(len(data)))
	require.NoError(t, err)
	assert.Equal(t, "10⁶ 28", d.Text())
}

// What is drawn says something too, or is told as missing.
func TestWordDrawings(t *testing.T) {
	ingesttest.NothingLeft(t)
	data := wordFile(t, map[string]string{
		"word/_rels/document.xml.rels": `<R><Relationship Id="c" Type="x/chart" Target="charts/chart1.xml"/></R>`,
		"word/charts/chart1.xml":       `<c:chartSpace><c:chart><c:ser><c:tx><c:v>Boats</c:v></c:tx><c:val><c:v>3</c:v></c:val></c:ser></c:chart></c:chartSpace>`,
		"word/styles.xml":              `<w:styles><w:style w:styleId="Sy"><w:rPr><w:rFonts w:ascii="Symbol"/></w:rPr></w:style></w:styles>`,
		"document":                     `<w:p><w:r><w:rPr><w:rStyle w:val="Sy"/></w:rPr><w:t>b</w:t><w:drawing><c:chart xmlns:r="r" r:id="c"/></w:drawing><w:object><o:OLEObject ProgID="Equation.3"/></w:object></w:r></w:p>`,
	})
	d, err := DOCX{}.Read(context.Background(), memory(data), int64(len(data)))
	require.NoError(t, err)
	assert.Equal(t, "β\n\nBoats\t3", d.Text())
	require.Len(t, d.Faults, 1)
	assert.Contains(t, d.Faults[0].Reason, "Equation Editor")
}

func TestBadWordFiles(t *testing.T) {
	ingesttest.NothingLeft(t)
	endless := strings.Repeat("<w:p>", zipxml.MaxDepth+1)
	good := wordFile(t, map[string]string{"document": para("x")})
	many := map[string]string{"document": para("x")}
	for i := range zipxml.MaxParts {
		many[fmt.Sprint(i)] = ""
	}
	cases := map[string]struct {
		data []byte
		want Outcome
		says string
	}{
		"no zip":           {[]byte("hello"), Malformed, "not a Word document"},
		"empty file":       {nil, Malformed, "not a Word document"},
		"another zip":      {wordFile(t, map[string]string{"x": "y"}), Malformed, "no word/document.xml"},
		"encrypted or old": {[]byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1rest"), Encrypted, "save it anew"},
		"cut":              {good[:len(good)/2], Malformed, ""},
		"cut XML":          {wordFile(t, map[string]string{"word/document.xml": "<w:document><w:p>"}), Malformed, "unexpected EOF"},
		"too deep":         {wordFile(t, map[string]string{"document": endless}), Malformed, "nests more than"},
		"too many parts":   {wordFile(t, many), TooLarge, "files inside"},
		"entity bomb":      {wordFile(t, map[string]string{"word/document.xml": `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x><w:t>&b;</w:t></x>`}), Malformed, "invalid character entity"},
		"pictures":         {wordFile(t, map[string]string{"document": para(""), "word/media/image1.png": "x"}), Empty, "a picture and no word: run OCR over image1.png first"},
		"pictures outside": {wordFile(t, map[string]string{"document": para(""), "word/_rels/document.xml.rels": `<R><Relationship Id="i" Type="x/image" TargetMode="External" Target="http://x"/></R>`}), Empty, "a picture and no word"},
		"blank":            {wordFile(t, map[string]string{"document": para("")}), Empty, "blank"},
	}
	for name, c := range cases {
		d, err := one(t, fstest.MapFS{"a.docx": {Data: c.data}}, Options{})
		assert.Equal(t, c.want, d.Outcome, name)
		assert.ErrorContains(t, err, c.says, name)
	}
}

// Some thirty kilobytes that unpack to more than thirty megabytes.
func TestWordBomb(t *testing.T) {
	ingesttest.NothingLeft(t)
	data := wordFile(t, map[string]string{"document": "<w:p><w:r><w:t>" + strings.Repeat("a", zipxml.MaxPart+1) + "</w:t></w:r></w:p>"})
	d, err := one(t, fstest.MapFS{"a.docx": {Data: data}}, Options{})
	assert.Equal(t, TooLarge, d.Outcome)
	assert.ErrorContains(t, err, "unpacks to more than 32 MiB")
}

func FuzzDOCX(f *testing.F) {
	f.Add(`<w:p><w:r><w:t>a</w:t><w:br w:type="page"/></w:r></w:p>`, false)
	f.Add("<w:tbl>"+cells("a", "b")+"</w:tbl>", false)
	f.Add(string(wordFile(f, map[string]string{"document": para("whole")})), true)
	f.Fuzz(func(t *testing.T, s string, whole bool) {
		data := []byte(s)
		if !whole {
			data = wordFile(t, map[string]string{"document": s})
		}
		_, _ = DOCX{}.Read(context.Background(), memory(data), int64(len(data)))
	})
}

func TestWordFormulas(t *testing.T) {
	ingesttest.NothingLeft(t)
	r := func(s string) string { return "<m:r><m:t>" + s + "</m:t></m:r>" }
	arg := func(name string, s ...string) string {
		return "<m:" + name + ">" + strings.Join(s, "") + "</m:" + name + ">"
	}
	cases := map[string]string{
		arg("f", arg("num", r("a+b")), arg("den", r("2"))):                                                                 "(a+b)/2",
		arg("f", arg("num", r("1")), arg("den", arg("f", arg("num", r("x")), arg("den", r("y"))))):                         "1/(x/y)",
		arg("sSup", arg("e", r("x")), arg("sup", r("2"))):                                                                  "x^2",
		arg("sSubSup", arg("e", r("x")), arg("sub", r("i+1")), arg("sup", r("2"))):                                         "x_(i+1)^2",
		arg("rad", arg("deg"), arg("e", r("x+1"))):                                                                         "√(x+1)",
		arg("rad", arg("deg", r("3")), arg("e", r("8"))):                                                                   "√(3&8)",
		arg("nary", `<m:naryPr><m:chr m:val="∑"/></m:naryPr>`, arg("sub", r("i=1")), arg("sup", r("n")), arg("e", r("i"))): "∑_(i=1)^n i",
		arg("d", `<m:dPr><m:begChr m:val="["/><m:endChr m:val="]"/></m:dPr>`, arg("e", r("a")), arg("e", r("b"))):          "[a|b]",
		arg("func", arg("fName", r("sin")), arg("e", r("x"))):                                                              "sin x",
		arg("m", arg("mr", arg("e", r("1")), arg("e", r("0"))), arg("mr", arg("e", r("0")), arg("e", r("1")))):             "1, 0; 0, 1",
		r("2") + arg("f", arg("num", r("1")), arg("den", r("2"))) + r("x"):                                                 "2 1/2 x",
		arg("sSub", arg("e", r("log")), arg("sub", r("2"))) + r("8"):                                                       "log_2 8",
		arg("acc", arg("e", r("x"))):                                                                                       "x\u0302",
		arg("f", `<m:fPr><m:type m:val="noBar"/></m:fPr>`, arg("num", r("n")), arg("den", r("k"))):                         "n¦k",
	}
	for formula, want := range cases {
		data := wordFile(t, map[string]string{"document": "<w:p><m:oMath>" + formula + "</m:oMath></w:p>"})
		d, err := DOCX{}.Read(context.Background(), memory(data), int64(len(data)))
		require.NoError(t, err, formula)
		assert.Equal(t, want, d.Text(), formula)
	}
}

// Numbers come from lists, from styles, from lists that begin anew, and from levels that count in another way.
func TestWordNumbers(t *testing.T) {
	ingesttest.NothingLeft(t)
	level := func(i int, format, text string) string {
		return fmt.Sprintf(`<w:lvl w:ilvl="%d"><w:start w:val="1"/><w:numFmt w:val="%s"/><w:lvlText w:val="%s"/></w:lvl>`, i, format, text)
	}
	item := func(list, level int, text string) string {
		return fmt.Sprintf(`<w:p><w:pPr><w:numPr><w:ilvl w:val="%d"/><w:numId w:val="%d"/></w:numPr></w:pPr><w:r><w:t>%s</w:t></w:r></w:p>`, level, list, text)
	}
	styled := func(style, text string) string {
		return `<w:p><w:pPr><w:pStyle w:val="` + style + `"/></w:pPr><w:r><w:t>` + text + `</w:t></w:r></w:p>`
	}
	data := wordFile(t, map[string]string{
		"document": item(1, 0, "a") + item(1, 1, "b") + item(1, 1, "c") + para("text") + item(1, 0, "d") + item(1, 1, "e") +
			item(2, 0, "anew") + item(3, 0, "dot") + styled("H1", "Intro") + styled("H2", "Aim") + styled("H2", "Way") + styled("H1", "End") + styled("H3", "Inherits") +
			item(0, 0, "none") + item(1, 0, ""),
		"word/numbering.xml": `<w:numbering><w:abstractNum w:abstractNumId="7">` + level(0, "upperRoman", "%1)") + level(1, "lowerLetter", "%1.%2") + `</w:abstractNum>` +
			`<w:abstractNum w:abstractNumId="8">` + level(0, "bullet", "\uF0B7") + `</w:abstractNum>` +
			`<w:abstractNum w:abstractNumId="9"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="upperRoman"/><w:pStyle w:val="H1"/><w:lvlText w:val="Part %1"/></w:lvl>` +
			`<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:pStyle w:val="H2"/><w:isLgl/><w:lvlText w:val="%1.%2"/></w:lvl></w:abstractNum>` +
			`<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="7"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride></w:num>` +
			`<w:num w:numId="3"><w:abstractNumId w:val="8"/></w:num><w:num w:numId="4"><w:abstractNumId w:val="9"/></w:num></w:numbering>`,
		"word/styles.xml": `<w:styles><w:style w:styleId="H1"><w:pPr><w:numPr><w:numId w:val="4"/></w:numPr></w:pPr></w:style>` +
			`<w:style w:styleId="H2"><w:basedOn w:val="H1"/><w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="4"/></w:numPr></w:pPr></w:style>` +
			`<w:style w:styleId="H3"><w:basedOn w:val="H1"/><w:pPr><w:numPr><w:ilvl w:val="1"/></w:numPr></w:pPr></w:style></w:styles>`,
	})
	d, err := DOCX{}.Read(context.Background(), memory(data), int64(len(data)))
	require.NoError(t, err)
	assert.Equal(t, []string{
		"I) a", "I.a b", "I.b c", "text", "II) d", "II.a e", "V) anew", "- dot", "Part I Intro", "1.1 Aim", "1.2 Way", "Part II End", "2.1 Inherits", "none",
	}, strings.Split(d.Text(), "\n\n"))
}

func TestWordNumberFormats(t *testing.T) {
	ingesttest.NothingLeft(t)
	for format, want := range map[string][4]string{ // of 1, 2, 12 and 21
		"decimal": {"1", "2", "12", "21"}, "decimalZero": {"01", "02", "12", "21"}, "lowerRoman": {"i", "ii", "xii", "xxi"}, "hex": {"1", "2", "C", "15"},
		"upperLetter": {"A", "B", "L", "U"}, "ordinal": {"1st", "2nd", "12th", "21st"}, "numberInDash": {"- 1 -", "- 2 -", "- 12 -", "- 21 -"},
		"cardinalText": {"One", "Two", "Twelve", "Twenty-one"}, "ordinalText": {"First", "Second", "Twelfth", "Twenty-first"},
		"chicago": {"*", "†", "§§§", "******"}, "thaiNumbers": {"๑", "๒", "๑๒", "๒๑"}, "decimalEnclosedParen": {"⑴", "⑵", "⑿", "21"}, "japaneseCounting": {"一", "二", "十二", "二十一"},
	} {
		for i, n := range []int{1, 2, 12, 21} {
			assert.Equal(t, want[i], (&wordNumbers{english: true}).format(n, format), format)
		}
	}
	assert.Equal(t, "Twentieth", (&wordNumbers{english: true}).format(20, "ordinalText"))
	assert.Equal(t, "20", (&wordNumbers{}).format(20, "ordinalText"), "in words of another language")
}

// A note with a mark of its own is not counted, and keeps its text.
func TestWordNotes(t *testing.T) {
	ingesttest.NothingLeft(t)
	data := wordFile(t, map[string]string{
		"document":           `<w:p><w:r><w:t>Fee</w:t><w:footnoteReference w:customMarkFollows="1" w:id="3"/><w:t>*</w:t></w:r><w:r><w:t> due</w:t><w:footnoteReference w:id="2"/></w:r></w:p>`,
		"word/footnotes.xml": `<w:footnotes><w:footnote w:id="3">` + para("* Per year.") + `</w:footnote><w:footnote w:id="2">` + para("In May.") + `</w:footnote></w:footnotes>`,
	})
	d, err := DOCX{}.Read(context.Background(), memory(data), int64(len(data)))
	require.NoError(t, err)
	assert.Equal(t, "Fee* due[1]\n\n* Per year.\n\n[1] In May.", d.Text())
}

func TestWordOptionsAndParts(t *testing.T) {
	ingesttest.NothingLeft(t)
	wide := func(s string) string {
		b := []byte{0xFF, 0xFE}
		for _, u := range utf16.Encode([]rune(s)) {
			b = append(b, byte(u), byte(u>>8))
		}
		return string(b)
	}
	data := wordFile(t, map[string]string{
		"word/document.xml": wide(`<?xml version="1.0" encoding="UTF-16"?><w:document><w:body><w:p><w:r><w:t>Größe</w:t><w:commentReference w:id="0"/></w:r></w:p>` +
			`<w:altChunk r:id="r3"/><w:altChunk r:id="r4"/><w:sectPr><w:headerReference r:id="r1"/><w:footerReference r:id="r2"/></w:sectPr></w:body></w:document>`),
		"word/_rels/document.xml.rels": `<Relationships><Relationship Id="r1" Type="x/header" Target="h.xml"/><Relationship Id="r2" Type="x/footer" Target="f.xml"/>` +
			`<Relationship Id="r3" Type="x/aFChunk" Target="/chunk.html"/><Relationship Id="r4" Type="x/aFChunk" Target="/chunk.rtf"/></Relationships>`,
		"word/h.xml":        `<w:hdr>` + para("Head") + `</w:hdr>`,
		"word/f.xml":        `<w:ftr>` + para("Foot") + `</w:ftr>`,
		"word/comments.xml": `<w:comments><w:comment w:id="0" w:author="Ann">` + para("Check.") + `</w:comment></w:comments>`,
		"chunk.html":        "<p>Chunk</p>", "chunk.rtf": "{}",
	})
	read := func(o DOCX) *Document {
		d, err := o.Read(context.Background(), memory(data), int64(len(data)))
		require.NoError(t, err)
		return d
	}
	d := read(DOCX{})
	assert.Equal(t, "Größe\n\nChunk", d.Text())
	require.Len(t, d.Faults, 1)
	assert.Contains(t, d.Faults[0].Reason, "chunk.rtf, a document inside this one, left out")
	assert.Equal(t, "Head\n\nGröße [Comment by Ann: Check.]\n\nChunk\n\nFoot", read(DOCX{Headers: true, Comments: true}).Text())
}
