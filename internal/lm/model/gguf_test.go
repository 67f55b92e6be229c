package model_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// TestExportGGUF: what is exported is read back with the logits of the model, and the ids of its tokenizer.
func TestExportGGUF(t *testing.T) {
	backend := golden.Backend(t)
	exported := 0
	for _, tiny := range golden.Tiny(t) {
		t.Run(filepath.Base(tiny), func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(tiny, "model"))))
			golden.WriteTokenizer(t, dir)
			m := golden.Open(t, backend, "dir:"+dir, false)
			ids, shape := []int32{5, 9, 33, 2, 71, 40}, []int{6}
			want := golden.Logits(t, backend, m, ids, shape)
			for _, x := range []struct {
				dtype     weights.DType
				tolerance float64
			}{{weights.F32, 1e-5}, {"F16", 1e-2}, {weights.BF16, 5e-2}, {"Q8_0", 5e-2}, {"Q4_0", 0.6}} {
				file := filepath.Join(t.TempDir(), "model.gguf")
				err := m.ExportGGUF(t.Context(), nil, file, x.dtype)
				if _, statErr := os.Stat(file); err != nil {
					require.ErrorIs(t, err, lm.ErrUnsupported)
					require.ErrorIs(t, statErr, os.ErrNotExist)
					t.Skip(err)
				}
				back := golden.Open(t, backend, "gguf:"+file, false)
				golden.Close(t, want, golden.Logits(t, backend, back, ids, shape), x.tolerance, string(x.dtype))
				assert.Equal(t, m.Tokenizer.EncodeWithSpecial("Hi there 12<|im_end|>"), back.Tokenizer.EncodeWithSpecial("Hi there 12<|im_end|>"))
				assert.Equal(t, m.Chat == nil, back.Chat == nil)
			}
			exported++
		})
	}
	assert.GreaterOrEqual(t, exported, 15, "families that llama.cpp converts")
}
