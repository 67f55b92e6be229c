package infer_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/testmodel"
)

// TestGoldenAdapters: a model with PEFT's adapter on top has the logits of the model that PEFT merged, for every family.
func TestGoldenAdapters(t *testing.T) {
	backend := golden.Backend(t)
	for _, dir := range golden.Tiny(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			ref := "dir:" + filepath.Join(dir, "model")
			from, err := adapter.Load(os.DirFS(filepath.Join(dir, "adapter_final")))
			require.NoError(t, err)
			ids, shape := golden.Ints(t, dir, "logits.safetensors", "input_ids")
			want, _ := golden.Floats(t, dir, "merged_logits.safetensors", "logits")
			m := golden.Open(t, backend, ref, true)
			both(t, ref, m, backend, func(t *testing.T, open func(o infer.Options) infer.Slots) {
				s := open(infer.Options{Slots: 2})
				a, err := s.Attach(from)
				require.NoError(t, err)
				var got []float32
				for at := 0; at < len(ids); at += shape[1] {
					hidden, err := s.Hidden(ids[at:at+shape[1]], a)
					require.NoError(t, err)
					rows, err := s.Logits(hidden)
					require.NoError(t, err)
					for _, row := range rows {
						got = append(got, row...)
					}
				}
				golden.Close(t, want, got, 1e-4, "logits")
				s.Detach(a)
			})
		})
	}
}

// updates is an adapter with random matrices for the projections whose paths end so.
func updates(seed uint64, rank int, scale float64, shapes map[string][2]int) *adapter.Adapter {
	r := rand.New(rand.NewPCG(seed, 3))
	a := &adapter.Adapter{Modules: map[string]adapter.Module{}}
	for _, layer := range []string{"0", "1"} {
		for name, shape := range shapes {
			m := adapter.Module{Rank: rank, Out: shape[0], In: shape[1], Scale: scale}
			for range rank * m.In {
				m.A = append(m.A, float32(r.NormFloat64())/10)
			}
			for range rank * m.Out {
				m.B = append(m.B, float32(r.NormFloat64())/10)
			}
			a.Modules["model.layers."+layer+"."+name] = m
		}
	}
	return a
}

// TestMixedAdapters: sequences with adapters of other modules and ranks, and with none, come and go in one batch, and each is
// what it is alone. A prompt takes over the beginning of none but its own adapter's.
func TestMixedAdapters(t *testing.T) {
	ref := "dir:" + testmodel.Write(t, 3)
	backend := golden.Backend(t)
	m := golden.Open(t, backend, ref, true)
	sources := []*adapter.Adapter{
		nil,
		updates(1, 3, 2, map[string][2]int{"self_attn.q_proj": {32, 32}, "mlp.down_proj": {32, 64}}),
		updates(2, 8, 1, map[string][2]int{"self_attn.q_proj": {32, 32}, "self_attn.v_proj": {16, 32}}),
		updates(3, 16, 1, map[string][2]int{"mlp.up_proj": {64, 32}, "self_attn.o_proj": {32, 32}}),
	}
	prompt := randomIDs(rand.New(rand.NewPCG(9, 9)), 40, m.Config.VocabSize)
	const tokens = 12
	both(t, ref, m, backend, func(t *testing.T, open func(o infer.Options) infer.Slots) {
		s := open(infer.Options{Slots: 3})
		adapters := make([]infer.Adapter, len(sources))
		want := make([][]int32, len(sources))
		for i, from := range sources {
			if from != nil {
				var err error
				adapters[i], err = s.Attach(from)
				require.NoError(t, err)
				assert.Positive(t, adapters[i].Bytes())
			}
			alone := open(infer.Options{Slots: 1, PrefixBytes: -1})
			var a infer.Adapter
			if from != nil {
				var err error
				a, err = alone.Attach(from)
				require.NoError(t, err)
			}
			want[i] = greedyWith(t, alone, prompt, a, tokens)
		}
		assert.NotEqual(t, want[0], want[1])
		assert.NotEqual(t, want[1], want[2])

		type sequence struct {
			of, slot int
			got      []int32
		}
		var running []*sequence
		waiting := []int{1, 0, 2, 3, 1, 1, 2, 0, 3, 2, 1}
		for turn := 0; len(waiting)+len(running) > 0; turn++ {
			if len(waiting) > 0 && s.Free() > 0 && turn%3 == 0 {
				x := &sequence{of: waiting[0]}
				waiting = waiting[1:]
				var logits []float32
				x.slot, logits = admitWith(t, s, prompt, adapters[x.of])
				x.got = []int32{best(logits)}
				running = append(running, x)
			}
			next := map[int]int32{}
			for _, x := range running {
				next[x.slot] = x.got[len(x.got)-1]
			}
			if len(next) == 0 {
				continue
			}
			rows := step(t, s, next)
			var still []*sequence
			for _, x := range running {
				if x.got = append(x.got, best(rows[x.slot])); len(x.got) < tokens {
					still = append(still, x)
					continue
				}
				assert.Equal(t, want[x.of], x.got, "adapter %d", x.of)
				s.Release(x.slot)
			}
			running = still
		}
		s.Detach(adapters[2])
		p, err := s.NewPrompt(prompt, adapters[1])
		require.NoError(t, err)
		assert.Equal(t, len(prompt)-1, p.Len(), "its beginning is still known")
		p.Close()
	})
}

func greedyWith(t *testing.T, s infer.Slots, prompt []int32, a infer.Adapter, n int) []int32 {
	t.Helper()
	slot, logits := admitWith(t, s, prompt, a)
	defer s.Release(slot)
	out := []int32{best(logits)}
	for len(out) < n {
		out = append(out, best(step(t, s, map[int]int32{slot: out[len(out)-1]})[slot]))
	}
	return out
}
