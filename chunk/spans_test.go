package chunk_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/chunk"
)

// cuts returns the texts of the spans, after checking what must hold for all of them.
func cuts(t testing.TB, o chunk.Options, text string) []string {
	t.Helper()
	s := splitter(t, o)
	spans := s.Spans(text)
	require.Equal(t, spans, s.Spans(text), "same text, same spans")
	var texts []string
	for _, span := range spans {
		texts = append(texts, text[span.Start:span.End])
	}
	checkCover(t, text, spans)
	return texts
}

func checkCover(t testing.TB, text string, spans []chunk.Span) {
	t.Helper()
	end := 0
	for i, span := range spans {
		require.Less(t, span.Start, span.End)
		part := text[span.Start:span.End]
		require.Equal(t, strings.TrimSpace(part), part, "white space at an end of span %d", i)
		if i > 0 {
			require.Greater(t, span.Start, spans[i-1].Start)
			require.Greater(t, span.End, spans[i-1].End)
		}
		if span.Start > end {
			require.Empty(t, strings.TrimSpace(text[end:span.Start]), "text left out before span %d", i)
		}
		end = span.End
	}
	require.Empty(t, strings.TrimSpace(text[end:]), "text left out at the end")
}

func TestSpansPreferences(t *testing.T) {
	for _, test := range []struct {
		name          string
		size, overlap int
		text          string
		want          []string
	}{
		{"nothing", 10, 0, " \n\t", nil},
		{"all of it", 10, 3, " short ", []string{"short"}},
		{"exactly", 5, 0, "short", []string{"short"}},
		{"words", 9, 0, "one two three four", []string{"one two", "three", "four"}},
		{"sentence before word", 24, 0, "A first one. And a second one.", []string{"A first one.", "And a second one."}},
		{"sentence in quotes", 24, 0, "(“A first one.”) And a second one.", []string{"(“A first one.”)", "And a second one."}},
		{"paragraph before sentence", 26, 0, "A line of all.\n\nFirst. Then another.", []string{"A line of all.", "First. Then another."}},
		{"line before word", 18, 0, "Essay one 30%\nExam two 70%", []string{"Essay one 30%", "Exam two 70%"}},
		{"no preference in the first half", 20, 0, "No. Yes\n\nthen a longer run of words", []string{"No. Yes\n\nthen a", "longer run of words"}},
		{"Greek question mark", 16, 0, "Τι είναι αυτό; Δεν ξέρω τίποτα", []string{"Τι είναι αυτό;", "Δεν ξέρω τίποτα"}},
		{"overlap at a word", 13, 5, "aaaa bbbb cccc dddd", []string{"aaaa bbbb", "bbbb cccc", "cccc dddd"}},
		{"overlap too small for a word", 13, 3, "aaaa bbbb cccc dddd", []string{"aaaa bbbb", "cccc dddd"}},
		{"overlap gives way to a long word", 12, 6, "aaaa bbbb cccccccccccc d", []string{"aaaa bbbb", "cccccccccccc", "d"}},
		{"long word", 4, 0, "abcdefghij k", []string{"abcd", "efgh", "ij k"}},
		{"long word, overlap", 4, 2, "abcdefgh", []string{"abcd", "cdef", "efgh"}},
		{"characters, not bytes", 3, 0, "äöüßéè", []string{"äöü", "ßéè"}},
		{"combining mark stays", 3, 0, "abe\u0301cd", []string{"ab", "e\u0301c", "d"}},
		{"only marks", 2, 0, "e\u0301\u0301\u0301\u0301", []string{"e\u0301", "\u0301\u0301", "\u0301"}},
		{"Chinese sentence", 8, 0, "我们学习海洋。他们学习统计学。", []string{"我们学习海洋。", "他们学习统计学。"}},
		{"Chinese, overlap", 4, 2, "我们学习海洋", []string{"我们学习", "学习海洋"}},
		{"nothing closing begins a chunk", 3, 0, "我们、学习", []string{"我们、", "学习"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, cuts(t, chunk.Options{Size: test.size, Overlap: test.overlap}, test.text))
		})
	}
}

// The last sentence end in reach is preferred to words behind it, and abbreviations are no sentence ends.
func TestSpansSentenceEnds(t *testing.T) {
	const first = "It is late for us all."
	for _, rest := range []string{" Here Dr. Ollenby", " Here J. Ollenby", " Here e.g. Ollenby", " Here etc. and more", "\n2. Ollenby", " Here no! Ollenby"} {
		got := cuts(t, chunk.Options{Size: utf8.RuneCountInString(first+rest) - 3}, first+rest)
		if strings.Contains(rest, "!") {
			assert.Equal(t, []string{first + " Here no!", "Ollenby"}, got, "a real end of a sentence, for comparison")
			continue
		}
		assert.Equal(t, []string{first, strings.TrimSpace(rest)}, got)
	}
	assert.Equal(t, []string{"This is what we read in section 2.5.", "And more"},
		cuts(t, chunk.Options{Size: 42}, "This is what we read in section 2.5. And more"))
}

func TestSpansOverlapBeginsWithASentence(t *testing.T) {
	text := "One sentence here that is quite long. Two is here. Three goes on for longer than that."
	got := cuts(t, chunk.Options{Size: 52, Overlap: 25}, text)
	assert.Equal(t, []string{
		"One sentence here that is quite long. Two is here.",
		"Two is here. Three goes on for longer than that.",
	}, got)
}

func TestSpansOfProse(t *testing.T) {
	prose := strings.Repeat("The quick brown fox jumps over the lazy dog near the river. It was seen there by some old friends!\n\n", 60)
	for _, o := range []chunk.Options{chunk.DefaultOptions(), {Size: 100, Overlap: 20}, {Size: 7, Overlap: 6}, {Size: 1}} {
		texts := cuts(t, o, prose)
		for _, text := range texts {
			require.LessOrEqual(t, utf8.RuneCountInString(text), o.Size)
		}
		if o.Size > 200 {
			for _, text := range texts {
				assert.Greater(t, utf8.RuneCountInString(text), o.Size/2-1)
				assert.Contains(t, "The It", text[:2], "a chunk begins with a sentence")
			}
		}
	}
}

// A tokenizer's measure: words and punctuation count, so that length in characters says little.
func TestSpansByTokens(t *testing.T) {
	words := func(text string) int { return len(strings.Fields(text)) }
	text := strings.Repeat("alpha beta gamma delta. ", 50)
	calls := 0
	o := chunk.Options{Size: 10, Overlap: 4, Measure: func(text string) int { calls++; return words(text) }}
	s := splitter(t, o)
	spans := s.Spans(text)
	checkCover(t, text, spans)
	for i, span := range spans {
		require.LessOrEqual(t, words(text[span.Start:span.End]), 10)
		if i > 0 {
			shared := max(0, spans[i-1].End-span.Start)
			require.Equal(t, 4, words(text[span.Start:span.Start+shared]))
		}
	}
	assert.Less(t, calls/len(spans), 20, "calls of Measure for each span")
}

// Measures that no tokenizer would give must neither hang nor lose text, and what they say fits must fit.
func TestSpansHostileMeasures(t *testing.T) {
	text := strings.Repeat("Some words. And others, longer ones!\n\nabcdefghijklmnopqrstuvwxyz我们学习 ", 8)
	random := rand.New(rand.NewPCG(1, 2))
	for name, measure := range map[string]func(string) int{
		"always zero":     func(string) int { return 0 },
		"negative":        func(s string) int { return -len(s) },
		"always too much": func(string) int { return 1 << 40 },
		"falling":         func(s string) int { return 1000 - len(s) },
		"saw":             func(s string) int { return len(s) % 17 },
		"hash": func(s string) int {
			h := 0
			for _, b := range []byte(s) {
				h = (h*31 + int(b)) % 1009
			}
			return h % 40
		},
		"by capital letters": func(s string) int { return strings.Count(s, "A") },
		"random":             func(string) int { return random.IntN(40) },
		"a character too big": func(s string) int {
			return strings.Count(s, "我")*100 + utf8.RuneCountInString(s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, o := range []chunk.Options{{Size: 20}, {Size: 20, Overlap: 5}, {Size: 20, Overlap: 19}, {Size: 1}} {
				o.Measure = measure
				spans := splitter(t, o).Spans(text)
				checkCover(t, text, spans)
				for _, span := range spans {
					part := text[span.Start:span.End]
					if name != "random" && utf8.RuneCountInString(part) > 1 {
						require.LessOrEqual(t, measure(part), o.Size, "%q", part)
					}
				}
			}
		})
	}
}

// Size bounds the work for a chunk: a text without any place to cut must not be measured whole again and again.
func TestSpansLongWordIsLinear(t *testing.T) {
	text := strings.Repeat("x", 1<<20)
	measured := 0
	s := splitter(t, chunk.Options{Size: 1000, Overlap: 100, Measure: func(s string) int { measured += len(s); return len(s) }})
	spans := s.Spans(text)
	checkCover(t, text, spans)
	assert.Less(t, measured, 40*len(text))
	for _, span := range spans[:len(spans)-1] {
		require.Equal(t, 1000, span.End-span.Start)
	}
}

func FuzzSpans(f *testing.F) {
	for _, seed := range []string{"", "one two three", "A first. A second.\n\nThird", "我们学习。海洋", "e\u0301\u0301", "\xff\xc3 \xa0\x80\x80\x80\x80", strings.Repeat("ab ", 40), "\u2003x\u2003", "a\u200d\u200db"} {
		f.Add(seed, uint8(5), uint8(2), uint8(0))
		f.Add(seed, uint8(1), uint8(0), uint8(3))
		f.Add(seed, uint8(9), uint8(8), uint8(1))
	}
	f.Fuzz(func(t *testing.T, text string, size, overlap, kind uint8) {
		o := chunk.Options{Size: int(size), Overlap: int(overlap)}
		switch kind % 4 {
		case 1:
			o.Measure = func(s string) int { return len(s) * 7 % 23 }
		case 2:
			o.Measure = func(s string) int { return 30 - len(s) }
		case 3:
			o.Measure = func(s string) int { return len(s) }
		}
		s, err := chunk.New(o)
		if o.Size == 0 || o.Overlap >= o.Size {
			require.ErrorIs(t, err, chunk.ErrOptions)
			return
		}
		require.NoError(t, err)
		measure := o.Measure
		if measure == nil {
			measure = utf8.RuneCountInString
		}
		spans := s.Spans(text)
		checkCover(t, text, spans)
		for _, span := range spans {
			part := text[span.Start:span.End]
			if utf8.RuneCountInString(part) > 1 {
				require.LessOrEqual(t, measure(part), o.Size)
			}
			if utf8.ValidString(text) {
				require.True(t, utf8.ValidString(part), "a character was cut: %q", part)
			}
		}
		for i := 1; i < len(spans); i++ {
			if shared := spans[i-1].End - spans[i].Start; shared > 0 {
				require.LessOrEqual(t, measure(text[spans[i].Start:spans[i-1].End]), o.Overlap)
			}
		}
		require.False(t, len(spans) == 0 && strings.IndexFunc(text, func(r rune) bool { return !unicode.IsSpace(r) }) >= 0)
	})
}
