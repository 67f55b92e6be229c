package lora

import (
	"math"
	"math/rand/v2"
	"slices"
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

// soften proposes up to three tokens at every second trained position.
func soften(e *Examples) {
	r := rand.New(rand.NewPCG(9, 10))
	for i := range e.rows {
		x := &e.rows[i]
		x.soft = make([][]target, len(x.ids))
		for k, trained := range x.trained {
			for n := range 1 + r.IntN(3) {
				if trained && k%2 == 0 {
					x.soft[k] = append(x.soft[k], target{r.Int32N(200), 0.6 / float32(n+1)})
				}
			}
		}
	}
}

// TestSoftTargetsAreTheSameOnBothComputers: losses of some steps, and what they begin with, is Σ weight·loss of each token.
func TestSoftTargetsAreTheSameOnBothComputers(t *testing.T) {
	run := map[bool][]float64{}
	bothComputers(t, func(t *testing.T, backend compute.Backend) {
		tr := newTrainer(t, backend, smallConfig(), Options{})
		e := tokenized(t, tr, 7)
		hard := e.digest()
		soften(e)
		assert.NotEqual(t, hard, e.digest(), "a checkpoint tells the targets apart")
		before, err := tr.Evaluate(t.Context(), e)
		require.NoError(t, err)
		var want float64
		for _, x := range e.rows {
			for i, trained := range x.trained {
				if !trained {
					continue
				}
				for _, y := range x.choices(i) { // each token alone, where the example ends
					one := example{ids: append(slices.Clone(x.ids[:i]), y.token), trained: make([]bool, i+1)}
					one.trained[i] = true
					got, err := tr.Evaluate(t.Context(), &Examples{rows: []example{one}})
					require.NoError(t, err)
					want += float64(y.weight) * got.Loss
				}
			}
		}
		assert.InEpsilon(t, want, before.Loss*float64(before.Tokens), 1e-5)
		run[backend == nil] = append(losses(t, tr, e, 0), before.Loss)
		e.rows[3].soft[slices.Index(e.rows[3].trained, true)] = []target{{token: 5, weight: 0.5}}
		for _, err := range tr.Steps(t.Context(), e) {
			require.ErrorIs(t, err, ErrMismatch)
		}
	})
	assert.InEpsilonSlice(t, run[true], run[false], 1e-4)
	assert.Greater(t, run[true][0], run[true][len(run[true])-2], "it learns")
}
