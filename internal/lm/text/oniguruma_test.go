package text

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPatternsAreOnigurumas compares with the splits of tokenizers, which testdata/make_patterns.py wrote.
func TestPatternsAreOnigurumas(t *testing.T) {
	var patterns []struct {
		Pattern string
		Splits  [][]string // the text and its parts
	}
	readJSON(t, "testdata/patterns.json", &patterns)
	require.NotEmpty(t, patterns)
	for _, p := range patterns {
		find, err := regexFinder("test", p.Pattern)
		if !assert.NoError(t, err, p.Pattern) {
			continue
		}
		split := splitter(find, false, isolated)
		for _, c := range p.Splits {
			var got []string
			split(c[0], true, func(word string, _ bool) { got = append(got, word) })
			if !assert.Equal(t, c[1:], got, "%s of %q", p.Pattern, c[0]) {
				break
			}
		}
	}
}

// TestPatternsRefused: what is not translated is named.
func TestPatternsRefused(t *testing.T) {
	for pattern, name := range map[string]string{
		`\X`: `\X`, `a\Kb`: `\K`, `(?~ab)`: "(?~", `(a)\1`: `\1`, `(?<x>a)\k<x>`: `\k`, `\g<0>`: `\g`, `(?x: a)`: "(?x", `\G`: `\G`, `\p{Emoji}`: "emoji",
		`(?i)\p{Lu}`: `\p{Lu}`, `(?i)ss`: "ss", `(?i)ß`: "ß", `(?i)[à-ü]`: "range", `a{2}?`: "{2}?", `(?(1)a)`: "(?(", `[[:nope:]]`: "nope", `(?i)[[:upper:]]`: "upper",
		`a{3,2}`: "{3,2}", `^*`: "*", `[a`: "end", `(a`: "end", `a)`: ")", `\pL`: `\p`, `[[:graph:]]`: "graph", `\012`: `\0`,
	} {
		_, err := regexFinder("test", pattern)
		require.ErrorIs(t, err, ErrUnsupported, pattern)
		assert.ErrorContains(t, err, name, pattern)
	}
}
