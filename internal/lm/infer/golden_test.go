package infer_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/cpu"
	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/model"
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
				s := newSlots(t, m, backend, infer.Options{Slots: 1})
				require.Equal(t, run.Greedy.New, greedy(t, s, run.Greedy.Prompt, len(run.Greedy.New)))
			})
		}
	}
}

// TestGoldenTinyCPU is the same for the implementation without a backend.
func TestGoldenTinyCPU(t *testing.T) {
	for _, dir := range golden.Tiny(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			s := newCPU(t, "dir:"+filepath.Join(dir, "model"), infer.Options{Slots: 1})
			ids, shape := golden.Ints(t, dir, "logits.safetensors", "input_ids")
			want, _ := golden.Floats(t, dir, "logits.safetensors", "logits")
			var got []float32
			for text := range slices.Chunk(ids, shape[1]) {
				hidden, err := s.Hidden(text, nil)
				require.NoError(t, err)
				rows, err := s.Logits(hidden)
				require.NoError(t, err)
				got = append(got, slices.Concat(rows...)...)
			}
			golden.Close(t, want, got, 1e-4, "logits")
			run := golden.JSON[golden.TinyRun](t, dir, "run.json")
			require.Equal(t, run.Greedy.New, greedy(t, s, run.Greedy.Prompt, len(run.Greedy.New)))
		})
	}
}

// newSlots runs an opened model on its backend.
func newSlots(t testing.TB, m *model.Model, backend compute.Backend, o infer.Options) *infer.Graphs {
	t.Helper()
	s := infer.New(m, backend, o, nil)
	t.Cleanup(s.Close)
	return s
}

// newCPU runs the model that ref names without a backend.
func newCPU(t testing.TB, ref string, o infer.Options) infer.Slots {
	t.Helper()
	return openCPU(t, ref, cpu.NewWeights(cpu.F32), o)
}

func openCPU(t testing.TB, ref string, w *cpu.Weights, o infer.Options) infer.Slots {
	t.Helper()
	if set := os.Getenv("DOCENT_KERNELS"); set != "" { // a lesser set than the best
		require.NoError(t, w.Use(set))
	}
	m, err := model.Open(t.Context(), ref, model.Options{Keep: w.Take, KeepBlocks: w.TakeBlocks})
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	s := cpu.New(m.Config, w, o)
	t.Cleanup(s.Close)
	return s
}

// both runs a test on either implementation; open is for a model that m is on the backend.
func both(t *testing.T, ref string, m *model.Model, backend compute.Backend, test func(t *testing.T, open func(o infer.Options) infer.Slots)) {
	t.Run("graphs", func(t *testing.T) {
		test(t, func(o infer.Options) infer.Slots { return newSlots(t, m, backend, o) })
	})
	t.Run("cpu", func(t *testing.T) {
		test(t, func(o infer.Options) infer.Slots { return newCPU(t, ref, o) })
	})
}

// greedy continues a prompt by n tokens, ignoring ends of sequence.
func greedy(t *testing.T, s infer.Slots, prompt []int32, n int) []int32 {
	t.Helper()
	return greedyWith(t, s, prompt, nil, n)
}

// step extends the slots and returns their rows.
func step(t testing.TB, s infer.Slots, next map[int]int32) map[int][]float32 {
	t.Helper()
	rows, err := s.Step(next)
	require.NoError(t, err)
	out := make(map[int][]float32, len(next))
	for slot := range next {
		out[slot], err = rows.Row(slot)
		require.NoError(t, err)
	}
	return out
}

// admit computes a prompt and gives it a slot.
func admit(t testing.TB, s infer.Slots, prompt []int32) (slot int, logits []float32) {
	t.Helper()
	return admitWith(t, s, prompt, nil)
}

func admitWith(t testing.TB, s infer.Slots, prompt []int32, a infer.Adapter) (slot int, logits []float32) {
	t.Helper()
	p, err := s.NewPrompt(prompt, a)
	require.NoError(t, err)
	defer p.Close()
	for logits == nil {
		logits, err = p.Prefill()
		require.NoError(t, err)
	}
	slot, err = s.Admit(p, false)
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
