package dataset_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
)

// outDir is a directory in which no temporary file may be left.
func outDir(t *testing.T) string {
	dir := t.TempDir()
	t.Cleanup(func() {
		left, err := filepath.Glob(filepath.Join(dir, ".*"))
		require.NoError(t, err)
		assert.Empty(t, left, "temporary files")
	})
	return dir
}

func text(s string) dataset.Row { return dataset.Row{Text: s} }

func content(t *testing.T, name string) string {
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(data)
}

func TestWriteFile(t *testing.T) {
	dir := outDir(t)
	name := filepath.Join(dir, "train.jsonl")
	n, err := dataset.WriteFile(name, values(text("one"), text("two")))
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	assert.Equal(t, "{\"text\":\"one\"}\n{\"text\":\"two\"}\n", content(t, name))

	// The file may be made of itself.
	rows := dataset.ReadFile[dataset.Row](os.DirFS(dir), "train.jsonl")
	n, err = dataset.WriteFile(name, dataset.Concat(rows, rows))
	require.NoError(t, err)
	assert.Equal(t, 4, n)
	assert.Len(t, collect(t, rows), 4)
}

func TestWriteFileFails(t *testing.T) {
	dir := outDir(t)
	name := filepath.Join(dir, "train.jsonl")
	require.NoError(t, os.WriteFile(name, []byte("old"), 0o644))
	for _, bad := range []string{"!broken", "?line", ""} {
		n, err := dataset.WriteFile(name, mapped(items("one", bad), text))
		require.ErrorContains(t, err, name)
		assert.Equal(t, 1, n)
		assert.Equal(t, "old", content(t, name), "the old file stays")
	}
	assert.Panics(t, func() {
		_, _ = dataset.WriteFile(name, func(func(dataset.Row, error) bool) { panic("a builder's fault") })
	})
	assert.Equal(t, "old", content(t, name))

	_, err := dataset.WriteFile(filepath.Join(dir, "missing", "train.jsonl"), values(text("one")))
	require.ErrorIs(t, err, os.ErrNotExist)

	folder := filepath.Join(dir, "folder")
	require.NoError(t, os.Mkdir(folder, 0o755))
	_, err = dataset.WriteFile(folder, values(text("one")))
	require.Error(t, err)
}

func TestWriteFilePermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such permissions")
	}
	name := filepath.Join(outDir(t), "train.jsonl")
	require.NoError(t, os.WriteFile(name, nil, 0o640))
	require.NoError(t, os.Chmod(name, 0o640))
	_, err := dataset.WriteFile(name, values(text("one")))
	require.NoError(t, err)
	info, err := os.Stat(name)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o640), info.Mode().Perm())
}
