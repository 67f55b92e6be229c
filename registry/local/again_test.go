package local

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
)

// TestReadAgain: what a store has parsed it forgets when the file is another, be it of the same length, and what callers do with a
// version stays theirs.
func TestReadAgain(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	run, err := s.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	source, err := run.LogModel(t.Context(), "m", fstest.MapFS{"w": {Data: []byte("1")}})
	require.NoError(t, err)
	_, err = s.Register(t.Context(), "g", source, map[string]string{"by": "ada"})
	require.NoError(t, err)
	tag := func() string {
		v, err := s.Get(t.Context(), "g", 1)
		require.NoError(t, err)
		defer func() { v.Tags["by"] = "nobody" }()
		return v.Tags["by"]
	}
	assert.Equal(t, []string{"ada", "ada"}, []string{tag(), tag()})

	file := filepath.Join(dir, "models", "g", "model.json")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, bytes.ReplaceAll(data, []byte("ada"), []byte("bob")), 0o600))
	assert.Equal(t, "bob", tag())

	other := openStore(t, dir, Options{MustExist: true})
	require.NoError(t, other.TagVersion(t.Context(), "g", 1, map[string]string{"by": "eve"}))
	assert.Equal(t, "eve", tag())
	_, err = other.Promote(t.Context(), "g", 1, registry.PromoteOptions{})
	require.NoError(t, err)
	v, err := s.Get(t.Context(), "g", 1)
	require.NoError(t, err)
	assert.Equal(t, registry.Production, v.Stage)
}
