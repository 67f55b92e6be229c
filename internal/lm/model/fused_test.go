package model_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/model"
)

// TestUpdatesOfFusedExperts: PEFT's target_parameters on gpt_oss's experts mean a matrix that lies otherwise, and are refused by name.
func TestUpdatesOfFusedExperts(t *testing.T) {
	const path = "model.layers.0.mlp.experts.down_proj"
	const experts, in, out = 4, 32, 32
	a := &adapter.Adapter{Config: adapter.Config{Rank: 1, Alpha: 1, Parameters: []string{"experts.down_proj"}}, Modules: map[string]adapter.Module{
		path: {Rank: 1, In: in, Out: out, Experts: experts, Scale: 1, A: make([]float32, experts*in), B: make([]float32, experts*out)},
	}}
	_, err := model.Open(t.Context(), "dir:../../golden/testdata/tiny/gpt_oss/model", model.Options{Backend: golden.Backend(t), Adapter: a})
	require.ErrorIs(t, err, adapter.ErrFormat)
	assert.ErrorContains(t, err, "target_parameters")
	assert.ErrorContains(t, err, path)
}
