package engine

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/serve"
)

// TestGoldenSmolLM2 compares prompts, next-token probabilities and generations with transformers.
func TestGoldenSmolLM2(t *testing.T) {
	gguf, dirs := golden.SmolLM2(t)
	e, err := Load(t.Context(), "gguf:"+gguf, Options{Backend: golden.Backend(t), Precision: "f32"})
	require.NoError(t, err)
	defer e.Close()
	for _, dir := range dirs {
		for _, want := range golden.JSON[[]golden.Generation](t, dir, "generate.json") {
			t.Run(want.Messages[len(want.Messages)-1].Content, func(t *testing.T) {
				r := serve.Request{N: 1, IgnoreEOS: false}
				for _, m := range want.Messages {
					r.Messages = append(r.Messages, serve.Message{Role: m.Role, Content: m.Content})
				}
				ids, _, err := e.prompt(r)
				require.NoError(t, err)
				require.Equal(t, want.IDs, ids)

				r.Logprobs, r.TopLogprobs = true, len(want.Top)
				r.MaxTokens = len(want.Greedy)
				tokens := generated(t, e, r)
				for i, top := range want.Top {
					got := tokens[0].Top[i]
					assert.Equal(t, int(top[0]), got.ID, "rank %d", i)
					assert.InDelta(t, top[1], got.Logprob, 1e-3, "rank %d", i)
				}
				compare(t, want.Greedy, tokens, e)

				r.Sampling.RepetitionPenalty, r.Sampling.NoRepeatNgram = 1.2, 3
				r.MaxTokens = len(want.Guarded)
				compare(t, want.Guarded, generated(t, e, r), e)
			})
		}
	}
}

// generated runs a request and returns its tokens.
func generated(t *testing.T, m serve.Model, r serve.Request) (tokens []serve.TokenLogprob) {
	t.Helper()
	for d, err := range m.Generate(t.Context(), r) {
		require.NoError(t, err)
		tokens = append(tokens, d.Tokens...)
	}
	require.NotEmpty(t, tokens)
	require.False(t, math.IsNaN(tokens[0].Logprob))
	return tokens
}

// compare the ids; the end of sequence, which has no text, is not among the tokens of an answer.
func compare(t *testing.T, want []int32, got []serve.TokenLogprob, e *Engine) {
	t.Helper()
	if n := len(want); e.eos[want[n-1]] {
		want = want[:n-1]
	}
	ids := make([]int32, len(got))
	for i, x := range got {
		ids[i] = int32(x.ID)
	}
	require.Equal(t, want, ids)
}
