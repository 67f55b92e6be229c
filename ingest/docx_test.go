package ingest

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
		"paragraphs and runs": {para("Hel", "lo ", "world") + para("Next"), []string{"Hello world\n\nNext"}},
		"tabs and breaks":     {`<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t></w:r></w:p>`, []string{"a\tb\nc-d"}},
		"table row by row":    {"<w:tbl>" + cells("Week", "Topic") + cells("1", "Limits") + cells("", "x") + "</w:tbl>" + para("after"), []string{"Week\tTopic\n1\tLimits\n\tx\n\nafter"}},
		"hard page break":     {para("one") + `<w:p><w:r><w:br w:type="page"/></w:r></w:p>` + para("two"), []string{"one", "two"}},
		"break noted twice":   {para("one") + `<w:p><w:r><w:br w:type="page"/><w:lastRenderedPageBreak/><w:t>two</w:t></w:r></w:p>`, []string{"one", "two"}},
		"deleted and fields":  {`<w:p><w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:r><w:instrText>PAGE</w:instrText></w:r></w:p>`, []string{"new"}},
		"second rendering":    {`<w:p><w:r><mc:AlternateContent><mc:Choice><w:txbxContent>` + para("box") + `</w:txbxContent></mc:Choice><mc:Fallback>` + para("box") + `</mc:Fallback></mc:AlternateContent></w:r></w:p>`, []string{"box"}},
		"entities":            {para("a &lt; b &amp; c"), []string{"a < b & c"}},
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

func TestWordPartsAndTitle(t *testing.T) {
	ingesttest.NothingLeft(t)
	data := wordFile(t, map[string]string{
		"_rels/.rels":         `<Relationships><Relationship Type="http://x/officeDocument" Target="/odd/main.xml"/></Relationships>`,
		"odd/main.xml":        `<w:document><w:body>` + para("Body") + `</w:body></w:document>`,
		"odd/footnotes.xml":   `<w:footnotes><w:footnote w:type="separator">` + para("line") + `</w:footnote><w:footnote w:id="2">` + para("A note.") + `</w:footnote></w:footnotes>`,
		"docProps/core.xml":   `<cp:coreProperties><dc:title>The  title</dc:title></cp:coreProperties>`,
		"word/header1.xml":    `<w:hdr>` + para("Header") + `</w:hdr>`,
		"../../etc/passwords": "nobody looks here",
	})
	d, err := one(t, fstest.MapFS{"a.docx": {Data: data}}, Options{})
	require.NoError(t, err)
	assert.Equal(t, "The title", d.Title)
	assert.Equal(t, "Body\n\nA note.", d.Text())
	assert.Equal(t, docxType, d.MediaType)
}

func TestBadWordFiles(t *testing.T) {
	ingesttest.NothingLeft(t)
	endless := strings.Repeat("<w:p>", maxDepth+1)
	good := wordFile(t, map[string]string{"document": para("x")})
	many := map[string]string{"document": para("x")}
	for i := range maxParts {
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
		"encrypted or old": {[]byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1rest"), Encrypted, "save it as .docx"},
		"cut":              {good[:len(good)/2], Malformed, ""},
		"cut XML":          {wordFile(t, map[string]string{"word/document.xml": "<w:document><w:p>"}), Malformed, "unexpected EOF"},
		"too deep":         {wordFile(t, map[string]string{"document": endless}), Malformed, "nests more than"},
		"too many parts":   {wordFile(t, many), TooLarge, "files inside"},
		"entity bomb":      {wordFile(t, map[string]string{"word/document.xml": `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x><w:t>&b;</w:t></x>`}), Malformed, "invalid character entity"},
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
	data := wordFile(t, map[string]string{"document": "<w:p><w:r><w:t>" + strings.Repeat("a", maxPartBytes+1) + "</w:t></w:r></w:p>"})
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
