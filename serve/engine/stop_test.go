package engine

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/serve"
)

// feed runs pieces through a matcher, and checks what holds for every text: nothing is sent that would have to be taken
// back, and pieces of another size give the same.
func feed(t testing.TB, stops []string, turns bool, pieces ...string) (text string, stopped bool) {
	t.Helper()
	m := newStopMatcher(stops, turns)
	for _, p := range pieces {
		out, stop := m.feed(p)
		text += out
		if stop {
			require.Empty(t, m.rest())
			return text, true
		}
	}
	return text + m.rest(), false
}

func TestStopStrings(t *testing.T) {
	for _, c := range []struct {
		stops []string
		text  string
		want  string
		stop  bool
	}{
		{nil, "abc", "abc", false},
		{[]string{"x"}, "abc", "abc", false},
		{[]string{"b"}, "abc", "a", true},
		{[]string{"a"}, "abc", "", true},
		{[]string{"bcd"}, "abc", "abc", false},
		{[]string{"aab"}, "aaab", "a", true},
		{[]string{"abcabd"}, "abcabcabd", "abc", true},
		{[]string{"\n\n", "END"}, "one\ntwo\n\nthree END", "one\ntwo", true},
		{[]string{"cd", "bcd"}, "abcd", "a", true}, // both end here: the earlier start
		{[]string{"é"}, "aèé", "aè", true},
		{[]string{"😀"}, "a😁😀b", "a😁", true},
	} {
		whole, stop := feed(t, c.stops, false, c.text)
		assert.Equal(t, c.want, whole, c.text)
		assert.Equal(t, c.stop, stop, c.text)
		split, stop := feed(t, c.stops, false, strings.Split(c.text, "")...)
		assert.Equal(t, c.want, split, c.text)
		assert.Equal(t, c.stop, stop, c.text)
	}
}

func TestStopHoldsBackOnlyWhatItMust(t *testing.T) {
	m := newStopMatcher([]string{"</s>", "stop"}, false)
	var sent []string
	for _, p := range []string{"a<", "b", "c</", "s", "x", "sto", "re", "st"} {
		out, stopped := m.feed(p)
		require.False(t, stopped)
		sent = append(sent, out)
	}
	assert.Equal(t, []string{"a", "<b", "c", "", "</sx", "", "store", ""}, sent)
	assert.Equal(t, "st", m.rest())
}

func TestTurns(t *testing.T) {
	for in, want := range map[string]string{
		"9 to 17.\nQuestion: When?\nAnswer: now":      "9 to 17.",
		"9 to 17.\n\n  Answer: again":                 "9 to 17.",
		"9 to 17. \r\nQuestion:":                      "9 to 17.",
		"\nQuestion: x":                               "",
		"Question: x":                                 "Question: x", // goes on with the line of the prompt
		"The Question: x":                             "The Question: x",
		"a\nQuestions: x":                             "a\nQuestions: x",
		"a\nQuestion\n":                               "a\nQuestion\n",
		"a\nQQuestion: x":                             "a\nQQuestion: x",
		"a\nAns\nAnswer: x":                           "a\nAns",
		"a\n\nAnswers\n \n\tAnswer:":                  "a\n\nAnswers",
		"line\nline\n":                                "line\nline\n",
		"a\nquestion: no":                             "a\nquestion: no",
		"a  b\t\nc":                                   "a  b\t\nc",
		"a\nAnswer Question:":                         "a\nAnswer Question:",
		strings.Repeat("q\n", 50) + "\nQuestion: x\n": strings.TrimSpace(strings.Repeat("q\n", 50)),
	} {
		for name, pieces := range map[string][]string{"whole": {in}, "bytes": strings.Split(in, ""), "words": strings.SplitAfter(in, " ")} {
			text, stop := feed(t, nil, true, pieces...)
			assert.Equal(t, want, text, "%q %s", in, name)
			assert.Equal(t, want != in, stop, "%q %s", in, name)
		}
	}
	text, stop := feed(t, []string{"17"}, true, "9 to 17.\nQuestion: x")
	assert.Equal(t, "9 to ", text)
	assert.True(t, stop)
}

// FuzzStop checks against the obvious way: find the first end of a match in the whole text.
func FuzzStop(f *testing.F) {
	f.Add("aaab", "aab", "ab", uint8(1), false)
	f.Add("x\n\nQuestion: y", "\n", "Q", uint8(3), true)
	f.Add("héllo wörld", "ö", "lo w", uint8(2), true)
	f.Add("a \n Answer: b\nQuestion:", "zz", "Ans", uint8(5), true)
	f.Fuzz(func(t *testing.T, text, a, b string, size uint8, turns bool) {
		var stops []string
		for _, s := range []string{a, b} {
			if s != "" {
				stops = append(stops, s)
			}
		}
		want, wantStop := text, false
	search:
		for end := 1; end <= len(text); end++ {
			start := end
			for _, s := range stops {
				if strings.HasSuffix(text[:end], s) {
					start = min(start, end-len(s))
				}
			}
			for _, label := range []string{"Question:", "Answer:"} {
				if before, ok := strings.CutSuffix(text[:end], label); turns && ok {
					trimmed := strings.TrimRight(before, " \t\r\n")
					if strings.Contains(before[len(trimmed):], "\n") {
						start = min(start, len(trimmed))
					}
				}
			}
			if start < end {
				want, wantStop = text[:start], true
				break search
			}
		}
		var pieces []string
		for rest := text; rest != ""; {
			n := min(int(size)%7+1, len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		got, stop := feed(t, stops, turns, pieces...)
		require.Equal(t, want, got)
		require.Equal(t, wantStop, stop)
	})
}

func TestTranscript(t *testing.T) {
	tok := func(s string) *serve.TokenLogprob { return &serve.TokenLogprob{Bytes: []byte(s)} }
	names := func(list []serve.TokenLogprob) (s []string) {
		for _, l := range list {
			s = append(s, string(l.Bytes))
		}
		return s
	}
	// Half a character: both halves come out with it.
	tr := newTranscript(serve.Request{}, false)
	out, lps, _ := tr.add("", tok("\xe2\x82"))
	assert.Empty(t, out)
	assert.Empty(t, lps)
	out, lps, _ = tr.add("€", tok("\xac"))
	assert.Equal(t, "€", out)
	assert.Equal(t, []string{"\xe2\x82", "\xac"}, names(lps))
	out, lps, _ = tr.add("", tok("<eos>"))
	assert.Empty(t, out+strings.Join(names(lps), ""))
	out, lps, _ = tr.end("")
	assert.Empty(t, out+strings.Join(names(lps), ""), "the end of sequence has no text")

	// A stop string takes the tokens that are wholly its own with it.
	tr = newTranscript(serve.Request{Stop: []string{"STOP"}}, false)
	var all []string
	var text string
	for _, s := range []string{"a", "b S", "TO", "P rest"} {
		out, lps, stopped := tr.add(s, tok(s))
		text += out
		all = append(all, names(lps)...)
		assert.Equal(t, s == "P rest", stopped)
	}
	assert.Equal(t, "ab ", text)
	assert.Equal(t, []string{"a", "b S"}, all)

	// Held text and its tokens come at the end, with what is left of a character.
	tr = newTranscript(serve.Request{Stop: []string{"STOP"}}, false)
	out, lps, _ = tr.add("xST", tok("xST"))
	assert.Equal(t, "x", out)
	assert.Len(t, lps, 1)
	out, lps, _ = tr.add("", tok("\xe2"))
	assert.Empty(t, out)
	assert.Empty(t, lps)
	out, lps, stopped := tr.end("\uFFFD")
	assert.Equal(t, "ST\uFFFD", out)
	assert.Equal(t, []string{"\xe2"}, names(lps))
	assert.False(t, stopped)

	tr = newTranscript(serve.Request{Stop: []string{"x\uFFFD"}}, false)
	tr.add("x", nil)
	out, _, stopped = tr.end("\uFFFD")
	assert.Empty(t, out)
	assert.True(t, stopped)

	tr = newTranscript(serve.Request{}, true)
	out, _, stopped = tr.add("yes\nQuestion: no", nil)
	assert.Equal(t, "yes", out)
	assert.True(t, stopped)
}
