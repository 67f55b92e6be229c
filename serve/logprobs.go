package serve

import (
	"strings"
	"unicode/utf8"

	"github.com/docent-ml/docent/openai"
)

// wireLogprobs writes token bytes as the API wants them.
func wireLogprobs(tokens []TokenLogprob) []openai.TokenLogprob {
	out := make([]openai.TokenLogprob, len(tokens))
	for i, t := range tokens {
		out[i] = openai.TokenLogprob{Token: lossy(t.Bytes), Logprob: t.Logprob, Bytes: ints(t.Bytes), TopLogprobs: make([]openai.TopLogprob, len(t.Top))}
		for j, alt := range t.Top {
			out[i].TopLogprobs[j] = openai.TopLogprob{Token: lossy(alt.Bytes), Logprob: alt.Logprob, Bytes: ints(alt.Bytes)}
		}
	}
	return out
}

// lossy is the text of a token, with U+FFFD for what is only a part of a character.
func lossy(b []byte) string { return strings.ToValidUTF8(string(b), string(utf8.RuneError)) }

func ints(b []byte) []int {
	out := make([]int, len(b))
	for i, c := range b {
		out[i] = int(c)
	}
	return out
}
