package lora

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestClippingScalesTheGradient: the norm is reported as it was, and Adam's first moment sees no more than the limit.
func TestClippingScalesTheGradient(t *testing.T) {
	bothComputers(t, func(t *testing.T, backend compute.Backend) {
		moment := func(limit float64) (norm, first float64) {
			c := smallConfig()
			c.MaxGradNorm = limit
			tr := newTrainer(t, backend, c, Options{})
			for s, err := range tr.Steps(t.Context(), tokenized(t, tr, 3)) {
				require.NoError(t, err)
				norm = s.GradNorm
				break
			}
			_, m, _, err := tr.computer.state()
			require.NoError(t, err)
			for _, x := range m {
				first += float64(x) * float64(x)
			}
			return norm, math.Sqrt(first)
		}
		norm, first := moment(0)
		assert.InEpsilon(t, (1-beta1)*norm, first, 1e-4)
		clippedNorm, clipped := moment(norm / 4)
		assert.InEpsilon(t, norm, clippedNorm, 1e-6)
		assert.InEpsilon(t, (1-beta1)*norm/4, clipped, 1e-4)
		_, wide := moment(norm * 2)
		assert.InEpsilon(t, first, wide, 1e-6, "a gradient within the limit stays")
	})
}

// TestDropoutIsOfTrainingOnly: it acts on the inputs of A, so not while B is zero, and never on evaluations.
func TestDropoutIsOfTrainingOnly(t *testing.T) {
	bothComputers(t, func(t *testing.T, backend compute.Backend) {
		c := smallConfig()
		c.Epochs = 1
		plain := newTrainer(t, backend, c, Options{})
		e := tokenized(t, plain, 9)
		without := losses(t, plain, e, 0)
		c.Dropout = 0.5
		dropping := newTrainer(t, backend, c, Options{})
		with := losses(t, dropping, e, 0)
		assert.InDelta(t, without[0], with[0], 1e-5)
		assert.Greater(t, math.Abs(without[2]-with[2]), 1e-4)

		a, err := dropping.Adapter()
		require.NoError(t, err)
		c.Dropout = 0
		same := newTrainer(t, backend, c, Options{Init: a})
		want, err := same.Evaluate(t.Context(), e)
		require.NoError(t, err)
		got, err := dropping.Evaluate(t.Context(), e)
		require.NoError(t, err)
		assert.InDelta(t, want.Loss, got.Loss, 1e-6)
	})
}
