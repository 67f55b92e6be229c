package ingest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/docent-ml/docent/internal/ingesttest"
)

func cleaned(c Cleanup, texts ...string) []string {
	pages := make([]Page, len(texts))
	for i, s := range texts {
		pages[i] = Page{i + 1, s}
	}
	c.Apply(pages)
	for i := range pages {
		texts[i] = pages[i].Text
	}
	return texts
}

func TestCleanup(t *testing.T) {
	ingesttest.NothingLeft(t)
	cases := map[string]struct{ in, want string }{
		"ligatures":            {"ﬁne eﬀort, oﬃce", "fine effort, office"},
		"but not superscripts": {"5 m² and ½ or ™", "5 m² and ½ or ™"},
		"Arabic forms":         {"\ufef3\ufee0", "\u064a\u0644"},
		"soft hyphen":          {"exam\u00adple", "example"},
		"soft, line end":       {"an exam\u00ad\nple here", "an example\nhere"},
		"hard, line end":       {"distri-\nbuted systems", "distributed\nsystems"},
		"hard, whole line":     {"distri-\nbuted\nnext", "distributed\nnext"},
		"a compound":           {"well-known and well-\nknown things", "well-known and well-known\nthings"},
		"two to come":          {"Die Vor-\nund Nachteile, first-\nand second-year, in- en\nuit", "Die Vor-\nund Nachteile, first-\nand second-year, in- en\nuit"},
		"one to come, Dutch":   {"voor-\nen nadelen", "voor-\nen nadelen"},
		"an ending, Swedish":   {"dag-\nen och", "dagen\noch"},
		"a whole word":         {"thousand, thous-\nand more", "thousand, thousand\nmore"},
		"one letter":           {"an e-\nmail", "an e-mail"},
		"a list":               {"first -\nsecond", "first -\nsecond"},
		"a name":               {"Anglo-\nSaxon", "Anglo-\nSaxon"},
		"a number":             {"2020-\n2021", "2020-\n2021"},
		"control characters":   {"a\x00b\x07c\td\ufffd", "abc\td"},
		"symbol bullet":        {"\uf0b7 item", "• item"},
		"nothing":              {"", ""},
	}
	for name, c := range cases {
		assert.Equal(t, c.want, cleaned(Cleanup{}, c.in)[0], name)
		all := Cleanup{KeepHeaders: true, KeepControls: true, KeepLigatures: true, KeepHyphens: true}
		assert.Equal(t, c.in, cleaned(all, c.in)[0], name)
	}
}

func TestHeadersAndFooters(t *testing.T) {
	ingesttest.NothingLeft(t)
	var in []string
	for i := 1; i <= 8; i++ {
		in = append(in, fmt.Sprintf("Some University\n\nBody of %c.\nMore %c.\nLast %c.\n\nGuide 2025\tpage %d", 'a'+i, 'a'+i, 'a'+i, i))
	}
	got := cleaned(Cleanup{}, append([]string(nil), in...)...)
	assert.Equal(t, "Some University\n\nBody of b.\nMore b.\nLast b.", got[0], "the first copy stays, but for one with a page number")
	for i, s := range got[1:] {
		c := 'b' + 1 + i
		assert.Equal(t, fmt.Sprintf("Body of %c.\nMore %c.\nLast %c.", c, c, c), s)
	}
	assert.Equal(t, in, cleaned(Cleanup{KeepHeaders: true}, append([]string(nil), in...)...))
	few := strings.Split(strings.ReplaceAll(strings.Join(in[:6], "|"), "Guide 2025\tpage", "page"), "|")
	assert.Equal(t, few, cleaned(Cleanup{}, append([]string(nil), few...)...), "a short document keeps its own")
}

// A short document shows less of what repeats, so more of it stays.
func TestHeadersOfShortDocuments(t *testing.T) {
	ingesttest.NothingLeft(t)
	for name, c := range map[string]struct {
		edges [][2]string // the first and the last line of each page
		want  [][2]string
	}{
		"bare numbers":     {[][2]string{{"The harbour", "Page 1 of 2"}, {"The harbour", "Page 2 of 2"}}, nil},
		"left and right":   {[][2]string{{"A title", ""}, {"2 Harbour guide", ""}, {"Boats 3", ""}, {"4 Harbour guide", ""}, {"Boats 5", ""}}, [][2]string{{"A title", ""}, {}, {"Boats 3", ""}, {}, {"Boats 5", ""}}},
		"not on the first": {[][2]string{{"A title", ""}, {"The harbour · 2", ""}, {"The harbour · 3", ""}, {"The harbour · 4", ""}}, [][2]string{{"A title", ""}, {}, {}, {}}},
		"a footer":         {[][2]string{{"", "Harbour rules, p. 1"}, {"", "Harbour rules, p. 2"}}, [][2]string{{}, {}}},
		"pages by name":    {[][2]string{{"Harbour rules, page 1 of 2", ""}, {"Harbour rules, page 2 of 2", ""}}, [][2]string{{}, {}}},
		"counted headings": {[][2]string{{"Exercise sheet 1", ""}, {"Exercise sheet 2", ""}, {"Exercise sheet 3", ""}}, nil},
		"years":            {[][2]string{{"Report of the year 2023", ""}, {"Report of the year 2024", ""}, {"Report of the year 2025", ""}}, nil},
		"amounts":          {[][2]string{{"", "Sum: 10 euro"}, {"", "Sum: 11 euro"}}, nil},
	} {
		page := func(edges [2]string, i int) string {
			return strings.TrimSpace(fmt.Sprintf("%s\n\nBody of %c.\nMore %c.\nEnd %c.\n\n%s", edges[0], 'a'+i, 'a'+i, 'a'+i, edges[1]))
		}
		var in, want []string
		for i := range c.edges {
			in = append(in, page(c.edges[i], i))
			want = append(want, page(append(c.want, c.edges...)[i], i))
		}
		if c.want == nil {
			want = append([]string(nil), in...)
		}
		assert.Equal(t, want, cleaned(Cleanup{}, in...), name)
	}
}

// Left and right pages differ, and chapters have their own.
func TestHeadersThatAlternate(t *testing.T) {
	ingesttest.NothingLeft(t)
	var pages []Page
	for i := 1; i <= 24; i++ {
		head := fmt.Sprintf("Guide to the harbour %d", i)
		if i%2 == 1 {
			head = fmt.Sprintf("%d Chapter %c", i, 'A'+i/8)
		}
		if i%8 == 1 {
			head = fmt.Sprintf("Chapter %c begins", 'A'+i/8)
		}
		pages = append(pages, Page{i, fmt.Sprintf("%s\n\nBody of %c.\nMore %c.\nEnd %c.", head, 'a'+i, 'a'+i, 'a'+i)})
	}
	assert.Equal(t, "Guide to the harbour", Cleanup{}.apply(pages))
	for i, p := range pages {
		c := 'b' + i
		body := fmt.Sprintf("Body of %c.\nMore %c.\nEnd %c.", c, c, c)
		if i%8 == 0 {
			body = fmt.Sprintf("Chapter %c begins\n\n%s", 'A'+(i+1)/8, body)
		}
		assert.Equal(t, body, p.Text)
	}
}

func TestBodyLinesAreNoHeaders(t *testing.T) {
	ingesttest.NothingLeft(t)
	var in []string
	for i := range 8 {
		in = append(in, fmt.Sprintf("title %c\nsub %c\nexercise\nexercise\nend %c\nfoot %c", 'a'+i, 'a'+i, 'a'+i, 'a'+i))
	}
	assert.Equal(t, in, cleaned(Cleanup{}, append([]string(nil), in...)...))
}

// What counts up or stands on every page is not yet a header.
func TestRepeatedTextIsNoHeader(t *testing.T) {
	ingesttest.NothingLeft(t)
	pages := func(page func(i int) string) (in []string) {
		for i := 1; i <= 8; i++ {
			in = append(in, page(i))
		}
		return in
	}
	body := func(i int) string { return fmt.Sprintf("Text of %c.\nMore of %c.\nEnd of %c.", 'a'+i, 'a'+i, 'a'+i) }
	for name, in := range map[string][]string{
		"headings that count": pages(func(i int) string { return fmt.Sprintf("Week %d\n\n%s", i, body(i)) }),
		"questions": pages(func(i int) string {
			return fmt.Sprintf("%s\n\nQuestion %d", body(i), i+3)
		}),
		"amounts": pages(func(i int) string { return fmt.Sprintf("%s\nTotal of the group: %d euro", body(i), 100*i*i) }),
		"head of a table": pages(func(i int) string {
			return fmt.Sprintf("Week\tTopic\tReading\n%d\tLimits %d\tp. %d\n%s", i, i, i*i, body(i))
		}),
		"under a heading": pages(func(i int) string { return fmt.Sprintf("Part %c\nContents\n%s", 'a'+i, body(i)) }),
		"nothing else":    pages(func(i int) string { return "The same note\non every page" }),
	} {
		assert.Equal(t, in, cleaned(Cleanup{}, append([]string(nil), in...)...), name)
	}
	for name, edge := range map[string]func(i int) string{
		"page numbers":      func(i int) string { return fmt.Sprintf("- %d -", i+11) },
		"pages of":          func(i int) string { return fmt.Sprintf("Page %d of 8", i) },
		"pages of, counted": func(i int) string { return fmt.Sprintf("Seite %d von 8", i) },
		"title and number":  func(i int) string { return fmt.Sprintf("%d\tIntroduction to Ethics", i+2) },
	} {
		got := cleaned(Cleanup{}, pages(func(i int) string { return body(i) + "\n\n" + edge(i) })...)
		for i, s := range got {
			assert.Equal(t, body(i+1), s, name)
		}
	}
	var numbered []Page
	for i, text := range pages(func(i int) string { return body(i) + fmt.Sprintf("\n\nPage %d of 8", i) }) {
		numbered = append(numbered, Page{i + 1, text})
	}
	assert.Empty(t, Cleanup{}.apply(numbered), "what counts pages is no title")
}

func FuzzCleanup(f *testing.F) {
	f.Add("ﬁ exam\u00ad\nple dis-\ntri\x00", "b\nb\nb")
	f.Fuzz(func(t *testing.T, a, b string) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			t.Skip()
		}
		for _, s := range cleaned(Cleanup{}, a, b, a, b) {
			if strings.ContainsAny(s, "\x00\u00ad") || !utf8.ValidString(s) {
				t.Fatalf("%q", s)
			}
		}
	})
}

func TestTextReader(t *testing.T) {
	ingesttest.NothingLeft(t)
	read := func(data string) *Document {
		d, _ := one(t, fstest.MapFS{"a.txt": {Data: []byte(data)}}, Options{})
		return d
	}
	assert.Equal(t, []Page{{1, "one\ntwo"}, {3, "three"}}, read("one\r\ntwo\r\f \f three\n").Pages)
	assert.Equal(t, "naïve\n", read("na\xefve").text(), "Windows-1252")
	assert.Equal(t, "naïve\n", read("\xef\xbb\xbfnaïve").text())
	assert.Equal(t, "Aé\n", read("\xff\xfeA\x00\xe9\x00").text())
	assert.Equal(t, "Aé\n", read("\xfe\xff\x00A\x00\xe9").text())
	assert.Equal(t, "bell\n", read("be\x07ll").text())
	assert.Equal(t, Malformed, read("PK\x03\x04\x00\x00").Outcome)
	assert.Equal(t, Empty, read("").Outcome)
	assert.Equal(t, "text/plain", read("x").MediaType)
}

func TestMarkdownReader(t *testing.T) {
	ingesttest.NothingLeft(t)
	d, err := one(t, fstest.MapFS{"a.MD": {Data: []byte("intro\n\n# The title \n\n- item\n")}}, Options{})
	assert.NoError(t, err)
	assert.Equal(t, "The title", d.Title)
	assert.Equal(t, "text/markdown", d.MediaType)
	assert.Equal(t, "intro\n\n# The title \n\n- item\n", d.text())
}

func FuzzText(f *testing.F) {
	f.Add([]byte("\xff\xfeA\x00"))
	f.Add([]byte("na\xefve\f"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Text{}.Read(context.Background(), memory(data), int64(len(data)))
		if err == nil && !utf8.ValidString(d.text()) {
			t.Fatal("no UTF-8")
		}
	})
}
