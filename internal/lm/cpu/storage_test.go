package cpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm"
)

// unpacked are the same weights as floats.
func unpacked(t *testing.T, w *Weights, c lm.Config) *Weights {
	t.Helper()
	out := NewWeights(F32)
	out.k, out.vectors = w.k, w.vectors
	for _, p := range c.Params() {
		if m := w.matrices[p.Name]; m != nil {
			r := 0
			require.NoError(t, out.Take(p, func(dst []float32) error {
				for ; len(dst) > 0; dst, r = dst[m.in:], r+1 {
					m.row(r, dst[:m.in])
				}
				return nil
			}))
		}
	}
	return out
}

// assertTunesAsUnpacked: loss and gradient on stored weights are those on the same values as floats, but for relative differences.
func assertTunesAsUnpacked(t *testing.T, w *Weights, c lm.Config, ofLoss, ofGradient float64, what any) {
	t.Helper()
	run := func(w *Weights) (float64, []float32) {
		tuner, theta := randomTunerOf(t, w, c, 0, 0.2)
		gradient := make([]float32, len(theta))
		return tuner.Gradient(randomBatch(c.VocabSize), theta, gradient, 7), gradient
	}
	loss, gradient := run(w)
	wantLoss, want := run(unpacked(t, w, c))
	assert.InEpsilon(t, wantLoss, loss, ofLoss, what)
	var diff, norm float64
	for i, v := range want {
		d := float64(gradient[i] - v)
		diff, norm = diff+d*d, norm+float64(v)*float64(v)
	}
	assert.Less(t, math.Sqrt(diff/norm), ofGradient, what)
}

// TestFrozenBaseInOtherStorages: loss and gradient are those of the same weights as floats. With BF16 vectors are rounded too: as far apart
// are, over the checkpoints of internal/golden, PEFT's own losses (by up to 5.9e-4) and gradients (by up to 3.7e-2) in bfloat16 and in
// float32 on the same rounded weights.
func TestFrozenBaseInOtherStorages(t *testing.T) {
	eachSet(t, func(t *testing.T, k *kernels) {
		c := oddConfig()
		c.HiddenSize, c.IntermediateSize = 90, 150 // more than a block, and no multiple of it
		for storage := range storages {
			w := randomWeightsFor(t, k, storage, c, nil)
			if storage == BF16 {
				assertTunesAsUnpacked(t, w, c, 5.9e-4, 3.7e-2, storage)
				continue
			}
			assertTunesAsUnpacked(t, w, c, 1e-5, 1e-4, storage)
		}
	})
}
