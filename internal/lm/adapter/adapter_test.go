package adapter_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	. "github.com/docent-ml/docent/internal/lm/adapter"
)

// TestGoldenRoundTrip loads PEFT's adapters and writes them again with equal contents.
func TestGoldenRoundTrip(t *testing.T) {
	for _, dir := range golden.Tiny(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			a, err := Load(os.DirFS(filepath.Join(dir, "adapter_final")))
			require.NoError(t, err)
			run := golden.JSON[golden.TinyRun](t, dir, "run.json").LoRA
			assert.Equal(t, run.Rank, a.Config.Rank)
			out := t.TempDir()
			require.NoError(t, a.Save(t.Context(), out))
			back, err := Load(os.DirFS(out))
			require.NoError(t, err)
			assert.Equal(t, a.Modules, back.Modules)
			for _, m := range a.Modules {
				assert.InDelta(t, run.Alpha/float64(run.Rank), m.Scale, 1e-12)
			}
			left, err := filepath.Glob(filepath.Join(out, ".*"))
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}

// folder is an adapter with some fields of its configuration changed.
func folder(t *testing.T, change map[string]any) string {
	t.Helper()
	a := &Adapter{Config: Config{Rank: 2, Alpha: 6, Base: "owner/base"}, Modules: map[string]Module{
		"model.layers.0.self_attn.q_proj": {Rank: 2, In: 3, Out: 4, Scale: 3, A: make([]float32, 6), B: make([]float32, 8)},
		"model.layers.1.self_attn.q_proj": {Rank: 2, In: 3, Out: 4, Scale: 3, A: make([]float32, 6), B: make([]float32, 8)},
	}}
	dir := t.TempDir()
	require.NoError(t, a.Save(t.Context(), dir))
	fields := golden.JSON[map[string]any](t, dir, ConfigFile)
	for key, value := range change {
		fields[key] = value
	}
	data, err := json.Marshal(fields)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, ConfigFile), data, 0o644))
	return dir
}

func TestOtherKindsAreRefusedByName(t *testing.T) {
	for field, value := range map[string]any{
		"use_dora": true, "use_qalora": true, "lora_bias": true, "fan_in_fan_out": true, "bias": "some",
		"modules_to_save": []string{"lm_head"}, "layer_replication": [][]int{{0, 1}}, "peft_type": "IA3",
		"trainable_token_indices": []int{5}, "target_parameters": []string{"x"}, "r": 0,
	} {
		_, err := Load(os.DirFS(folder(t, map[string]any{field: value})))
		require.ErrorIs(t, err, ErrFormat, field)
		if field != "r" {
			assert.ErrorContains(t, err, field)
		}
	}
	_, err := Load(os.DirFS(folder(t, map[string]any{"r": 3})))
	require.ErrorContains(t, err, "q_proj", "the rank of the matrices is another")
	_, err = Load(os.DirFS(t.TempDir()))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestScaleFollowsPEFT(t *testing.T) {
	for _, c := range []struct {
		change map[string]any
		want   map[string]float64
	}{
		{nil, map[string]float64{"model.layers.0.self_attn.q_proj": 3}},
		{map[string]any{"use_rslora": true}, map[string]float64{"model.layers.0.self_attn.q_proj": 6 / 1.4142135623730951}},
		{map[string]any{"alpha_pattern": map[string]float64{"layers.1.self_attn.q_proj": 2}}, map[string]float64{"model.layers.0.self_attn.q_proj": 3, "model.layers.1.self_attn.q_proj": 1}},
	} {
		a, err := Load(os.DirFS(folder(t, c.change)))
		require.NoError(t, err)
		for path, scale := range c.want {
			assert.InDelta(t, scale, a.Modules[path].Scale, 1e-12, "%v", c.change)
		}
	}
}

func TestAddTo(t *testing.T) {
	m := Module{Rank: 1, In: 2, Out: 2, Scale: 2, A: []float32{1, 10}, B: []float32{3, 0}}
	w := []float32{100, 100, 100, 100}
	require.NoError(t, m.AddTo(w, 0))
	assert.Equal(t, []float32{106, 160, 100, 100}, w)
	m.B[0], m.B[1] = 0, float32(1e38)
	m.A[0] = float32(1e38)
	assert.ErrorContains(t, m.AddTo(w, 0), "[1, 0]")
	assert.ErrorContains(t, m.AddTo(w[2:], 1), "[1, 0]")
	require.NoError(t, m.AddTo(w[:2], 0), "the other row")
}

// TestWrappedNames: an adapter of the text part of a model of text and more has the names that PEFT gives it there.
func TestWrappedNames(t *testing.T) {
	dir := t.TempDir()
	m := Module{Rank: 1, In: 2, Out: 2, Scale: 1, A: []float32{1, 2}, B: []float32{3, 4}}
	a := &Adapter{Config: Config{Rank: 1, Alpha: 1, Targets: []string{"up_proj"}, Wrapped: true}, Modules: map[string]Module{"model.layers.3.mlp.up_proj": m}}
	require.NoError(t, a.Save(t.Context(), dir))
	data, err := os.ReadFile(filepath.Join(dir, WeightsFile))
	require.NoError(t, err)
	assert.Contains(t, string(data), "base_model.model.model.language_model.layers.3.mlp.up_proj.lora_B.weight")
	back, err := Load(os.DirFS(dir))
	require.NoError(t, err)
	assert.Equal(t, a.Modules, back.Modules)
}
