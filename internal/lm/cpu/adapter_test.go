package cpu

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/infer"
)

// randomAdapter updates the projections whose path contains one of some words.
func randomAdapter(c lm.Config, seed uint64, rank int, words ...string) *adapter.Adapter {
	r := rand.New(rand.NewPCG(seed, 1))
	a := &adapter.Adapter{Modules: map[string]adapter.Module{}}
	for _, p := range c.Params() {
		for _, word := range words {
			if p.Linear && strings.Contains(p.Name, word) {
				m := adapter.Module{Rank: rank, In: p.Shape[1], Out: p.Shape[0], Scale: 0.5}
				m.A, m.B = randomFloats(r, rank*m.In), randomFloats(r, rank*m.Out)
				for i := range m.A {
					m.A[i] *= 0.1
				}
				a.Modules[strings.TrimSuffix(p.Name, ".weight")] = m
			}
		}
	}
	return a
}

// follow admits prompts, each with its adapter, and returns the logits of the prompts and of three steps with the same tokens.
func follow(t *testing.T, s *Slots, prompts [][]int32, adapters []infer.Adapter) (out [][][]float32) {
	t.Helper()
	slots := make([]int, len(prompts))
	for i, ids := range prompts {
		p, err := s.NewPrompt(ids, adapters[i])
		require.NoError(t, err)
		var logits []float32
		for logits == nil {
			logits, err = p.Prefill()
			require.NoError(t, err)
		}
		slots[i], err = s.Admit(p, false)
		require.NoError(t, err)
		out = append(out, [][]float32{logits})
	}
	for step := range 3 {
		next := map[int]int32{}
		for _, slot := range slots {
			next[slot] = int32(step + 5)
		}
		rows, err := s.Step(next)
		require.NoError(t, err)
		for i, slot := range slots {
			row, err := rows.Row(slot)
			require.NoError(t, err)
			out[i] = append(out[i], append([]float32{}, row...))
		}
	}
	return out
}

// TestAdaptersAreWhatIsMerged: a batch in which some sequences have adapters and some have none gives what each gives alone, and
// that is, within 1e-4 of the largest logit, what the merged model gives.
func TestAdaptersAreWhatIsMerged(t *testing.T) {
	for name, change := range map[string]func(c *lm.Config){
		"plain":  func(*lm.Config) {},
		"biases": func(c *lm.Config) { c.QKVBias, c.OutBias, c.MLPBias = true, true, true },
		"fused":  fuse,
		"norms":  addNorms,
	} {
		t.Run(name, func(t *testing.T) {
			c := oddConfig()
			change(&c)
			sources := []*adapter.Adapter{
				{}, randomAdapter(c, 1, 3, "proj"), randomAdapter(c, 2, 17, "q_proj", "qkv_proj", "o_proj", "layers.1.mlp"), randomAdapter(c, 3, 2, "down_proj"),
			}
			s := New(c, randomWeights(t, c, nil), infer.Options{})
			defer s.Close()
			var prompts [][]int32
			var adapters []infer.Adapter
			for i, from := range []int{1, 2, 0, 1, 3, 1} { // which adapter a sequence has
				a, err := s.Attach(sources[from])
				require.NoError(t, err)
				if from == 0 {
					a = nil
				} else if i > 0 && from == 1 {
					a = adapters[0]
				}
				ids := []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20} // prefixes are shared
				prompts, adapters = append(prompts, append(ids, int32(20+i))), append(adapters, a)
			}
			got := follow(t, s, prompts, adapters)
			for i, from := range []int{1, 2, 0, 1, 3, 1} {
				alone := New(c, randomWeights(t, c, nil), infer.Options{})
				a, err := alone.Attach(sources[from])
				require.NoError(t, err)
				assert.Equal(t, follow(t, alone, prompts[i:i+1], []infer.Adapter{a})[0], got[i], "what is computed beside it does not matter")
				alone.Close()

				merged := New(c, randomWeights(t, c, sources[from].Modules), infer.Options{})
				want := follow(t, merged, prompts[i:i+1], []infer.Adapter{nil})[0]
				merged.Close()
				for step, row := range want {
					top := float64(best.most(row))
					assert.InDeltaSlice(t, row, got[i][step], 1e-4*top, "sequence %d, step %d", i, step)
				}
				if from > 0 {
					assert.NotEqual(t, got[2][0], got[i][0])
				}
			}
		})
	}
}

func TestAdapterThatDoesNotFit(t *testing.T) {
	c := oddConfig()
	s := New(c, randomWeights(t, c, nil), infer.Options{})
	defer s.Close()
	a := randomAdapter(c, 1, 2, "q_proj")
	a.Modules["model.layers.9.self_attn.q_proj"] = adapter.Module{}
	_, err := s.Attach(a)
	assert.ErrorContains(t, err, "model.layers.9.self_attn.q_proj")
	wide := c
	wide.HiddenSize = 30
	_, err = s.Attach(randomAdapter(wide, 1, 2, "q_proj"))
	assert.ErrorContains(t, err, "of 30 to 24, the model's is of 28 to 24")
}
