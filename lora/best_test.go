package lora

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBest: the adapter of the best measure is kept, training stops after some that are no better, and a run that is resumed
// knows both.
func TestBest(t *testing.T) {
	scores := map[int]float64{2: 1, 4: 3, 6: 2, 8: 3, 10: 9}
	dir := t.TempDir()
	c := smallConfig()
	c.Epochs, c.MaxSteps, c.EvalEvery, c.Patience, c.SaveEvery = 0, 12, 2, 2, 1
	interrupted := errors.New("interrupted")
	kept := map[int][]float32{}
	run := func(stopAt int, resume bool) (*Trainer, *Result, error) {
		var tr *Trainer
		o := Options{Dir: dir}
		o.Measure = func(_ context.Context, a *Adapter) (float64, error) {
			theta, err := tr.layout.theta(a.a)
			require.NoError(t, err)
			if kept[tr.Step()] = theta; tr.Step() == stopAt {
				return 0, interrupted
			}
			return scores[tr.Step()], nil
		}
		tr = newTrainer(t, nil, c, o)
		if resume {
			require.NoError(t, tr.Resume(t.Context(), ""))
		}
		r, err := tr.Train(t.Context(), tokenized(t, tr, 7), nil)
		return tr, r, err
	}
	_, _, err := run(6, false)
	require.ErrorIs(t, err, interrupted)
	for _, resume := range []bool{true, true, false} { // the second one has been stopped before
		tr, r, err := run(0, resume)
		require.NoError(t, err)
		assert.Equal(t, 8, tr.Step(), "two evaluations after the best one")
		a, step, err := tr.Best()
		require.NoError(t, err)
		assert.Equal(t, 4, step)
		assert.Equal(t, 4, r.BestStep)
		theta, err := tr.layout.theta(a.a)
		require.NoError(t, err)
		assert.Equal(t, kept[4], theta)
		assert.NotEqual(t, kept[6], theta)
	}
	last, err := LatestCheckpoint(dir)
	require.NoError(t, err)
	assert.Equal(t, "step-000008", filepath.Base(last))
}

// TestBestIsOfTheLowestLoss without a measure.
func TestBestIsOfTheLowestLoss(t *testing.T) {
	c := smallConfig()
	c.Epochs, c.EvalEvery, c.LearningRate, c.Schedule, c.MaxGradNorm = 20, 3, 0.3, Constant, 0 // so much that it goes up again
	tr := newTrainer(t, nil, c, Options{})
	e := tokenized(t, tr, 7)
	r, err := tr.Train(t.Context(), e, e)
	require.NoError(t, err)
	a, _, err := tr.Best()
	require.NoError(t, err)
	again, err := NewTrainer(tr.base, c, Options{Init: a})
	require.NoError(t, err)
	defer again.Close()
	eval, err := again.Evaluate(t.Context(), e)
	require.NoError(t, err)
	assert.InDelta(t, r.Best.Loss, eval.Loss, 1e-6)
	assert.Less(t, eval.Loss, r.Final.Loss, "the last one is not the best")
}
