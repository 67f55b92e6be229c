package lora

import (
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDistill: what the base model says is found by both computers, and is what it says by its losses; a model that has not been
// trained is not pulled anywhere by it.
func TestDistill(t *testing.T) {
	found := map[bool][][]target{}
	bothComputers(t, func(t *testing.T, backend compute.Backend) {
		tr := newTrainer(t, backend, smallConfig(), Options{})
		e := tokenized(t, tr, 5)
		vocabulary := tr.base.model.Config.VocabSize
		require.NoError(t, tr.Distill(t.Context(), e, nil, Distillation{Choices: vocabulary}))
		x := e.rows[2]
		at := slices.Index(x.trained, true)
		said := x.soft[at]
		var sum float64
		for i, y := range said {
			sum += float64(y.weight)
			if i > 0 {
				assert.LessOrEqual(t, y.weight, said[i-1].weight, "the likeliest first")
			}
		}
		assert.InDelta(t, 1, sum, 1e-4)
		one := example{ids: append(slices.Clone(x.ids[:at]), said[3].token), trained: make([]bool, at+1)}
		one.trained[at] = true
		loss, err := tr.Evaluate(t.Context(), &Examples{rows: []example{one}})
		require.NoError(t, err)
		assert.InDelta(t, math.Exp(-loss.Loss), float64(said[3].weight), 1e-5)
		found[backend == nil] = x.soft

		for step, err := range tr.Steps(t.Context(), e) {
			require.NoError(t, err)
			assert.Less(t, step.GradNorm, 1e-5, "it says what it says")
			break
		}
		again := tokenized(t, tr, 5)
		require.NoError(t, tr.Distill(t.Context(), again, nil, Distillation{Choices: vocabulary}))
		assert.Equal(t, e.rows[2].soft, again.rows[2].soft, "the base model is asked, whatever was trained")
		assert.Equal(t, e.digest(), again.digest())
		require.NoError(t, tr.Distill(t.Context(), again, nil, Distillation{Choices: 3}))
		assert.NotEqual(t, e.digest(), again.digest(), "a checkpoint tells how it was taught")
	})
	for at, said := range found[true] {
		require.Len(t, found[false][at], len(said))
		for i, y := range said {
			assert.InDelta(t, found[false][at][i].weight, y.weight, 1e-5)
		}
	}
}

// TestDistillFromATeacher: what is said behind another prompt, mixed with the row's own tokens.
func TestDistillFromATeacher(t *testing.T) {
	tr := newTrainer(t, nil, smallConfig(), Options{})
	answer := []int32{5, 9, 2}
	behind := func(prompt ...int32) *Examples {
		x := example{ids: slices.Concat(prompt, answer), trained: make([]bool, len(prompt)+3)}
		for i := range answer {
			x.trained[len(prompt)+i] = true
		}
		return &Examples{rows: []example{x}, stats: ExampleStats{Rows: 1}}
	}
	e, teacher := behind(1, 7), behind(1, 30, 31, 32, 7)
	require.NoError(t, tr.Distill(t.Context(), e, teacher, Distillation{Choices: 2, Share: 0.25}))
	require.NoError(t, tr.Distill(t.Context(), teacher, nil, Distillation{Choices: 2}))
	for i := range answer {
		own, taught := e.rows[0].soft[2+i], teacher.rows[0].soft[5+i]
		require.Len(t, own, 3)
		assert.Equal(t, target{answer[i], 0.75}, own[0])
		assert.Equal(t, taught[0].token, own[1].token)
		assert.InDelta(t, 0.25*taught[0].weight, own[1].weight, 1e-7)
	}
	e.Append(teacher)
	assert.Equal(t, 2, e.Stats().Rows)

	assert.ErrorContains(t, tr.Distill(t.Context(), e, behind(1), Distillation{}), "the teacher has 1 examples, the student 2")
	other := behind(1)
	other.rows[0].ids[1] = 8
	assert.ErrorContains(t, tr.Distill(t.Context(), behind(1), other, Distillation{}), "example 1 ends otherwise")
	assert.ErrorContains(t, tr.Distill(t.Context(), e, nil, Distillation{Share: 2}), "Share")
}
