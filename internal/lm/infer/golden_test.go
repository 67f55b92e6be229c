package infer_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/infer"
)

// TestGoldenTiny compares every family's logits and greedy tokens with transformers, in both layouts of the weights.
func TestGoldenTiny(t *testing.T) {
	backend := golden.Backend(t)
	for _, dir := range golden.Tiny(t) {
		for _, transposed := range []bool{false, true} {
			name := filepath.Base(dir)
			if transposed {
				name += "/transposed"
			}
			t.Run(name, func(t *testing.T) {
				m := golden.Open(t, backend, "dir:"+filepath.Join(dir, "model"), transposed)
				ids, shape := golden.Ints(t, dir, "logits.safetensors", "input_ids")
				want, _ := golden.Floats(t, dir, "logits.safetensors", "logits")
				golden.Close(t, want, golden.Logits(t, backend, m, ids, shape), 1e-4, "logits")

				run := golden.JSON[golden.TinyRun](t, dir, "run.json")
				s, err := infer.New(m, backend, infer.Options{Slots: 1})
				require.NoError(t, err)
				defer s.Close()
				require.Equal(t, run.Greedy.New, greedy(t, s, run.Greedy.Prompt, len(run.Greedy.New)))
			})
		}
	}
}

// greedy continues a prompt by n tokens, ignoring ends of sequence.
func greedy(t *testing.T, s *infer.Slots, prompt []int32, n int) []int32 {
	t.Helper()
	slot, logits := admit(t, s, prompt)
	defer s.Release(slot)
	out := []int32{best(logits)}
	for len(out) < n {
		rows, err := s.Step(map[int]int32{slot: out[len(out)-1]})
		require.NoError(t, err)
		out = append(out, best(rows[slot]))
	}
	return out
}

// admit computes a prompt and gives it a slot.
func admit(t testing.TB, s *infer.Slots, prompt []int32) (slot int, logits []float32) {
	t.Helper()
	p, err := s.NewPrompt(prompt)
	require.NoError(t, err)
	defer p.Close()
	for logits == nil {
		logits, err = s.Prefill(p)
		require.NoError(t, err)
	}
	slot, err = s.Admit(p, false, false)
	require.NoError(t, err)
	return slot, logits
}

func best(row []float32) int32 {
	b := 0
	for i, x := range row {
		if x > row[b] {
			b = i
		}
	}
	return int32(b)
}
