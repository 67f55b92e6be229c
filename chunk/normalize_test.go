package chunk_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/docent-ml/docent/chunk"
)

func TestNormalize(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"only white space", " \t\r\n\u00a0\f", ""},
		{"spaces", "  a \t b\u00a0c\u2003d  \n", "  a\tb c d"},
		{"line ends", "a\r\nb\rc\vd\u0085e\u2028f", "a\nb\nc\nd\ne\nf"},
		{"blank lines", "\n\na\n \n\t\n\nb\n\n", "a\n\nb"},
		{"form feed and paragraph separator", "a\fb\u2029c", "a\n\nb\n\nc"},
		{"control and invisible", "\ufeffa\x00b\u200bc\u2060d\x1b", "abcd"},
		{"joiners stay", "می\u200cخواهم \U0001F469\u200D\U0001F4BB", "می\u200cخواهم \U0001F469\u200D\U0001F4BB"},
		{"not UTF-8", "a\xffb", "a\ufffdb"},
		{"soft hyphen in a line", "Vor\u00adle\u00adsung", "Vorlesung"},
		{"soft hyphen at a line end", "even\u00ad\ning class", "evening class"},
		{"soft hyphen, spaces, line end", "even\u00ad  \n  ing class", "evening class"},
		{"soft hyphen and a space", "even\u00ad ing class", "evening class"},
		{"soft hyphen that breaks no word", "a \u00ad b", "a b"},
		{"soft hyphen before a blank line", "even\u00ad\n\ning", "even\n\ning"},
		{"soft hyphen at the end", "even\u00ad", "even"},
		{"soft hyphen alone", "\u00ad\n\u00ad", ""},
		{"soft behind plain hyphen", "by-\u00ad\ncatch", "by-catch"},
		{"hyphen at a line end", "labora-\ntory work", "laboratory work"},
		{"U+2010 at a line end", "labora\u2010\ntory work", "laboratory work"},
		{"twice in a word", "elec-\ntro-\nmagnetic", "electromagnetic"},
		{"Greek", "εξέ-\nταση", "εξέταση"},
		{"before a capital", "Professor Ashdown-\nReyl", "Professor Ashdown-Reyl"},
		{"before a digit", "COVID-\n19 and 2025-\n2026", "COVID-19 and 2025-2026"},
		{"single letter", "an e-\nmail, an X-\nray", "an e-mail, an X-ray"},
		{"compound known in the text", "by-catch is not wanted; by-\ncatch", "by-catch is not wanted; by-catch"},
		{"capitals known in the text", "Introduction: INTRODUC-\nTION", "Introduction: INTRODUCTION"},
		{"waiting for and", "first-\nand second-year students", "first-\nand second-year students"},
		{"a dash", "Monday -\nTuesday, a --\nb", "Monday -\nTuesday, a --\nb"},
		{"a list", "rules:\n- one\n- two", "rules:\n- one\n- two"},
		{"hyphen before a blank line", "labora-\n\ntory", "labora-\n\ntory"},
		{"a fence behind a soft hyphen", "\u00ad```\na  b", "```\na  b"},
		{"indented code", "Run:\n\n    a  = 1\n    if a:\n\n\tb  = 2", "Run:\n\n    a  = 1\n    if a:\n\n\tb  = 2"},
		{"indented in a list", "- one\n\n    two  three\n\n  four\n\n     five  six", "- one\n\n    two three\n\n  four\n\n     five six"},
		{"indented in a paragraph", "one\n     two  three", "one\n     two three"},
		{"table rows stay lines", "Essay  30%\nExam   70%", "Essay 30%\nExam 70%"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := chunk.Normalize(test.in)
			assert.Equal(t, test.want, got)
			assert.Equal(t, got, chunk.Normalize(got), "normalised twice")
		})
	}
}

func FuzzNormalize(f *testing.F) {
	for _, seed := range []string{"", "a-\nb", "even\u00ad\ning", "x\u00ad-\n\u00ad\ny", "a\xff\xfe-\n\xc3b", "first-\nand", "A-\n-b-\nc", "\f\u00ad\f", "εξέ-\nταση", "\u0301\u00ad\n\u0301", "by-catch by-\ncatch"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := chunk.Normalize(text)
		assert.True(t, utf8.ValidString(got))
		assert.Equal(t, strings.TrimRight(strings.TrimLeft(got, "\n"), " \t\n"), got)
		for _, gone := range []string{"\u00ad", "\r", "\f", "\x00", " \n", "\n\n\n"} {
			assert.NotContains(t, got, gone)
		}
		assert.Equal(t, got, chunk.Normalize(got), "normalised twice")
	})
}
