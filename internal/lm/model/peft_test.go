package model_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/model"
)

const peft = "testdata/peft"

// TestPEFTAdapters: adapters that PEFT wrote give the logits that it gives, and are saved as they were. internal/ci/adapters.py
// makes them.
func TestPEFTAdapters(t *testing.T) {
	ids := golden.JSON[[]int32](t, peft, "ids.json")
	files, err := filepath.Glob(filepath.Join(peft, "*", "logits.safetensors"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			backend := golden.Backend(t)
			want, _ := golden.Floats(t, dir, "logits.safetensors", "logits")
			m := golden.Open(t, backend, "dir:"+dir, false)
			golden.Close(t, want, golden.Logits(t, backend, m, ids, []int{len(ids)}), 1e-4, "logits")

			a, err := adapter.Load(os.DirFS(dir))
			require.NoError(t, err)
			again := t.TempDir()
			require.NoError(t, a.Save(t.Context(), again))
			wrote, err := os.ReadFile(filepath.Join(again, adapter.ConfigFile))
			require.NoError(t, err)
			given, err := os.ReadFile(filepath.Join(dir, adapter.ConfigFile))
			require.NoError(t, err)
			assert.Equal(t, string(given), string(wrote), "what docent does not read is kept too")
			back, err := adapter.Load(os.DirFS(again))
			require.NoError(t, err)
			assert.Equal(t, a.Modules, back.Modules)
		})
	}
}

// TestAdaptersOfOtherKindsAreRefused changes one field of a usable adapter.
func TestAdaptersOfOtherKindsAreRefused(t *testing.T) {
	for field, value := range map[string]any{
		"init_lora_weights": "pissa_niter_4", "init_lora_weights ": "corda", "init_lora_weights  ": "lora_ga", "init_lora_weights   ": "loftq",
		"init_lora_weights    ": "of next year", "kasa_config": map[string]any{"beta": 1}, "fine_tune_type": "lora", "of_next_year": 1,
		"alpha_pattern": map[string]any{"q_proj++": 1}, "rank_pattern": map[string]any{"[a-z-[q]]_proj": 4}, "alpha_pattern ": map[string]any{"(?i)Q_proj": 1},
		"alpha_pattern  ": map[string]any{"(?<n>q)_proj": 1}, "rank_pattern ": map[string]any{"q_proj": 0}, "rank_pattern  ": map[string]any{"q_proj": 3},
	} {
		dir := t.TempDir()
		require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(peft, "gaussian"))))
		fields := golden.JSON[map[string]any](t, dir, adapter.ConfigFile)
		for len(field) > 0 && field[len(field)-1] == ' ' {
			field = field[:len(field)-1]
		}
		fields[field] = value
		data, err := json.Marshal(fields)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, adapter.ConfigFile), data, 0o644))
		_, err = model.Open(t.Context(), "dir:"+dir, model.Options{Backend: golden.Backend(t)})
		require.ErrorIs(t, err, adapter.ErrFormat, "%s %v", field, value)
	}
}

// TestWhatIsComputedOnTop: adapters that are more than low-rank updates of projections are merged.
func TestWhatIsComputedOnTop(t *testing.T) {
	const variants = "../../golden/testdata/variants/"
	for name, onTop := range map[string]bool{"loraplus": true, "pissa": true, "dora": false, "save-head": false, "target-both": false, "tokens": false, "lora-bias": false, "bias-all": false} {
		_, folder, err := model.AdapterFolder("dir:" + variants + name + "/final")
		require.NoError(t, err)
		assert.Equal(t, onTop, folder != "", name)
	}
	m := golden.Open(t, golden.Backend(t), "dir:"+variants+"../tiny/llama/model", false)
	defer m.Close()
	_, err := m.With(os.DirFS(variants + "dora/final"))
	require.ErrorIs(t, err, adapter.ErrFormat)
	assert.ErrorContains(t, err, "merges it")
}
