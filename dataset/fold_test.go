package dataset

import (
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"golang.org/x/text/unicode/norm"
)

// foldRune against the Unicode tables: for letters of these scripts it is the letter that canonical decomposition begins with.
func TestFoldRuneIsDecomposition(t *testing.T) {
	ownRules := map[rune]bool{'ς': true, 'µ': true, 'ß': true, 'ϓ': true, 'ϔ': true}
	checked := 0
	for r := rune(0x80); r < 0x2000; r++ {
		if !unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic) || !unicode.IsLower(r) || ownRules[r] || r == 'ĳ' {
			continue
		}
		base := []rune(norm.NFD.String(string(r)))
		assert.Equal(t, string(base[0]), foldRune(r), "%c (%U)", r, r)
		checked++
	}
	assert.Greater(t, checked, 800)
}

func TestFoldText(t *testing.T) {
	words := func(text string) (words []string) {
		f := foldText(text)
		for i := range f.len() {
			words = append(words, f.word(i))
		}
		return words
	}
	for text, want := range map[string][]string{
		"":                              nil,
		" – ":                           nil,
		"Professor Ashdown-Reyl's":      {"professor", "ashdown", "reyl", "s"},
		"7.5 ECTS, 3,000 words; 06:45.": {"7.5", "ects", "3,000", "words", "06:45"},
		"2025/26":                       {"2025", "26"},
		"50% €5":                        {"50", "%", "€", "5"},
		"oﬃce Straße m²":                {"office", "strasse", "m2"},
		"re\u00adserved cafe\u0301":     {"reserved", "cafe"},
		"第5周a":                          {"第", "5", "周", "a"},
		"1. one":                        {"1", "one"},
		"v.2":                           {"v", "2"},
	} {
		assert.Equal(t, want, words(text), text)
	}
}
