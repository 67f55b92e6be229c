package adapter_test

import (
	"encoding/json"
	"fmt"
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

// TestConfigurationsAsOthersWriteThem: a field is followed as PEFT does, or refused by its name.
func TestConfigurationsAsOthersWriteThem(t *testing.T) {
	const absent = "absent"
	for name, c := range map[string]struct {
		field string
		value any    // as JSON; absent = the field is not there
		says  string // in the error; "" = it is read
		scale float64
	}{
		"no alpha":              {"lora_alpha", absent, "", 4}, // PEFT's default is 8
		"alpha null":            {"lora_alpha", "null", "lora_alpha", 0},
		"alpha of a fraction":   {"lora_alpha", "6.5", "", 3.25},
		"alpha as text":         {"lora_alpha", `"6"`, "lora_alpha", 0},
		"alpha not finite":      {"lora_alpha", "NaN", "", 0},
		"no rank":               {"r", absent, "rank 8", 0},
		"rank null":             {"r", "null", "r is null", 0},
		"rank of a fraction":    {"r", "2.5", "r", 0},
		"no kind":               {"peft_type", absent, "peft_type", 0},
		"kind in small letters": {"peft_type", `"lora"`, "", 3},
		"other kind":            {"peft_type", `"ADALORA"`, "ADALORA", 0},
		"no start":              {"init_lora_weights", absent, "", 3},
		"start of zeros":        {"init_lora_weights", "false", "", 3},
		"gaussian start":        {"init_lora_weights", `"gaussian"`, "", 3},
		"start of an iteration": {"init_lora_weights", `"pissa_niter_16"`, "pissa_niter_16", 0},
		"loftq":                 {"init_lora_weights", `"loftq"`, "loftq", 0},
		"start of a later PEFT": {"init_lora_weights", `"spectral"`, "spectral", 0},
		"no patterns":           {"rank_pattern", "null", "", 3},
		"rank by a fraction":    {"rank_pattern", `{"q_proj": 1.5}`, "rank_pattern", 0},
		"rank of nobody":        {"rank_pattern", `{"up_proj": 64}`, "", 3},
		"alpha by text":         {"alpha_pattern", `{"q_proj": "4"}`, "alpha_pattern", 0},
		"alpha by a list":       {"alpha_pattern", `[["q_proj", 4]]`, "alpha_pattern", 0},
		"alpha by a flag":       {"alpha_pattern", `{"(?i)Q_PROJ": 4}`, "(?i)", 0},
		"a field of later PEFT": {"use_spectral", "true", "use_spectral", 0},
		"a setting of later":    {"spectral_config", `{"rank": 2}`, "spectral_config", 0},
		"one that is off":       {"use_spectral", "false", "", 3},
		"one that is empty":     {"spectral_config", "{}", "", 3},
		"tokens of aLoRA":       {"alora_invocation_tokens", "[1, 2]", "alora_invocation_tokens", 0},
		"a name in capitals":    {"LORA_ALPHA", "100", "LORA_ALPHA", 0},
		"targets by a regex":    {"target_modules", `".*\\.q_proj"`, "", 3},
		"targets nobody has":    {"target_parameters", `["experts.down_proj"]`, "experts.down_proj", 0},
		"targets as text":       {"target_parameters", `"experts.down_proj"`, "target_parameters", 0},
		"no biases":             {"bias", "null", "", 3},
		"modules as text":       {"modules_to_save", `"lm_head"`, "modules_to_save", 0},
		"tokens of nobody":      {"trainable_token_indices", "[-1]", "trainable_token_indices", 0},
		"rsLoRA as a number":    {"use_rslora", "1", "use_rslora", 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, nil)
			fields := golden.JSON[map[string]json.RawMessage](t, dir, ConfigFile)
			delete(fields, c.field)
			text := "{"
			for key, value := range fields {
				text += fmt.Sprintf("%q: %s, ", key, value)
			}
			if c.value != absent {
				text += fmt.Sprintf("%q: %s, ", c.field, c.value)
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, ConfigFile), []byte(text[:len(text)-2]+"}"), 0o644))
			a, err := Load(os.DirFS(dir))
			if c.scale == 0 {
				require.ErrorIs(t, err, ErrFormat)
				require.ErrorContains(t, err, c.says)
				return
			}
			require.NoError(t, err)
			assert.InDelta(t, c.scale, a.Modules["model.layers.0.self_attn.q_proj"].Scale, 1e-12)
		})
	}
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
