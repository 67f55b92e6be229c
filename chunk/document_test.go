package chunk_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/chunk"
)

func pages(source string, texts ...string) []chunk.Section {
	var sections []chunk.Section
	for i, text := range texts {
		sections = append(sections, chunk.Section{Source: source, Page: i + 1, Text: text})
	}
	return sections
}

func TestDocumentJoinsPages(t *testing.T) {
	s := splitter(t, chunk.DefaultOptions())
	for _, test := range []struct {
		name  string
		pages []string
		want  string
	}{
		{"paragraphs", []string{"One.\n", "\nTwo."}, "One.\n\nTwo."},
		{"a sentence goes on", []string{"students meet", "in small groups"}, "students meet\nin small groups"},
		{"a heading follows", []string{"students meet", "8. Late work"}, "students meet\n\n8. Late work"},
		{"a word goes on, soft hyphen", []string{"two hours are rese\u00ad\n", "rved for it"}, "two hours are reserved for it"},
		{"a word goes on, hyphen", []string{"two hours are rese-", "rved for it"}, "two hours are reserved for it"},
		{"a word goes on behind an empty page", []string{"rese-", " \n", "rved"}, "reserved"},
		{"a compound from another page", []string{"about by-\ncatch", "By-catch is waste"}, "about by-catch\n\nBy-catch is waste"},
		{"empty pages", []string{"", "One", "", "", "Two", ""}, "One\n\nTwo"},
		{"nothing", []string{"", " "}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := s.Document(pages("a.pdf", test.pages...))
			assert.Equal(t, test.want, d.Text)
			assert.Equal(t, "a.pdf", d.Source)
		})
	}
	assert.Equal(t, chunk.Document{}, s.Document(nil))
}

func TestDocumentPageAt(t *testing.T) {
	s := splitter(t, chunk.DefaultOptions())
	d := s.Document(pages("a.pdf", "", "The word rese-", "rved is broken.", "Next"))
	require.Equal(t, "The word reserved is broken.\n\nNext", d.Text)
	for _, test := range []struct {
		at   string
		page int
	}{{"The", 2}, {"rese", 2}, {"rved", 3}, {"broken", 3}, {"Next", 4}} {
		assert.Equal(t, test.page, d.PageAt(strings.Index(d.Text, test.at)), test.at)
	}
	assert.Equal(t, 2, d.PageAt(-1))
	assert.Equal(t, 4, d.PageAt(len(d.Text)+10))
	assert.Equal(t, 0, chunk.Document{}.PageAt(0))
}

func TestDocumentRaw(t *testing.T) {
	s := splitter(t, chunk.Options{Size: 10, Raw: true})
	d := s.Document(pages("a.go", "if x {\n\tf()", "", "\n}\n", "done-", "now\u00ad "))
	assert.Equal(t, "if x {\n\tf()\n}\ndone-\nnow\u00ad ", d.Text)
	assert.Equal(t, 3, d.PageAt(strings.Index(d.Text, "}")))
	assert.Equal(t, 5, d.PageAt(strings.Index(d.Text, "now")))
}
