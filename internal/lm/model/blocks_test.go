package model_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/cpu"
	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/testmodel"
)

// TestStoredBlocks: a model whose weights are kept as its GGUF file has them, rows of heads in the order of the checkpoint, says what
// the same weights say as floats, but for the rounding of the inputs; it has the same digest, and another mark when a byte changes.
func TestStoredBlocks(t *testing.T) {
	dir := testmodel.Write(t, 4)
	from, err := model.Open(t.Context(), "dir:"+dir, model.Options{Keep: func(lm.Param, func([]float32) error) error { return nil }})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "m.gguf")
	require.NoError(t, from.ExportGGUF(t.Context(), nil, file, "Q4_0"))
	require.NoError(t, from.Close())

	open := func(s cpu.Storage) (m *model.Model, logits []float32, bytes int64) {
		w := cpu.NewWeights(s)
		m, err := model.Open(t.Context(), "gguf:"+file, model.Options{Keep: w.Take, KeepBlocks: w.TakeBlocks})
		require.NoError(t, err)
		t.Cleanup(func() { m.Close() })
		slots := cpu.New(m.Config, w, infer.Options{})
		defer slots.Close()
		hidden, err := slots.Hidden([]int32{257, 72, 101, 108, 108, 111}, nil)
		require.NoError(t, err)
		rows, err := slots.Logits(hidden)
		require.NoError(t, err)
		for _, row := range rows {
			logits = append(logits, row...)
		}
		return m, logits, w.Bytes()
	}
	floats, want, size := open(cpu.F32)
	stored, got, small := open(cpu.Stored)
	assert.InDeltaSlice(t, want, got, 0.08)
	assert.Less(t, 4*small, size)
	digest, err := floats.Digest()
	require.NoError(t, err)
	same, err := stored.Digest()
	require.NoError(t, err)
	assert.Equal(t, digest, same)
	again, _, _ := open(cpu.Stored)
	assert.Equal(t, stored.Mark, again.Mark)

	data, err := os.ReadFile(file)
	require.NoError(t, err)
	data[len(data)-5] ^= 1
	require.NoError(t, os.WriteFile(file, data, 0o644))
	altered, _, _ := open(cpu.Stored)
	assert.NotEqual(t, stored.Mark, altered.Mark)
}

// TestStoredBlocksOfExperts: so do experts, whose gates and ups lie apart in the file.
func TestStoredBlocksOfExperts(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("../../golden/testdata/tiny/qwen3_moe/model")))
	require.NoError(t, os.CopyFS(dir, os.DirFS("../../ci/testdata/tokenizer")))
	from, err := model.Open(t.Context(), "dir:"+dir, model.Options{Keep: func(lm.Param, func([]float32) error) error { return nil }})
	require.NoError(t, err)
	defer from.Close()
	file := filepath.Join(t.TempDir(), "m.gguf")
	require.NoError(t, from.ExportGGUF(t.Context(), nil, file, "Q8_0"))
	last := func(s cpu.Storage) []float32 {
		w := cpu.NewWeights(s)
		m, err := model.Open(t.Context(), "gguf:"+file, model.Options{Keep: w.Take, KeepBlocks: w.TakeBlocks})
		require.NoError(t, err)
		defer m.Close()
		slots := cpu.New(m.Config, w, infer.Options{})
		defer slots.Close()
		hidden, err := slots.Hidden([]int32{5, 9, 33, 2, 71, 40}, nil)
		require.NoError(t, err)
		return hidden[len(hidden)-1]
	}
	assert.InDeltaSlice(t, last(cpu.F32), last(cpu.Stored), 0.05)
}
