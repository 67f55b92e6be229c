package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/local"
)

func TestPrune(t *testing.T) {
	dir, data, cache := filepath.Join(t.TempDir(), "registry"), t.TempDir(), t.TempDir()
	store, err := local.Open(dir, local.Options{})
	require.NoError(t, err)
	defer store.Close()
	train(t, store, "guide", 8, 16)
	spare, err := store.Get(t.Context(), "guide", 1)
	require.NoError(t, err)
	for range 3 { // never promoted
		_, err := store.Register(t.Context(), "guide", registry.Source{RunID: spare.RunID, Path: spare.Path}, nil)
		require.NoError(t, err)
	}
	for _, name := range []string{"guide/1", "guide/2", "guide/4", "other/1"} {
		require.NoError(t, os.MkdirAll(filepath.Join(cache, name), 0o755))
	}
	for _, name := range []string{"artifacts_tmp", "artifacts_tmp.previous"} {
		require.NoError(t, os.MkdirAll(filepath.Join(data, name, "step-1"), 0o755))
	}
	state := filepath.Join(data, "run.json")
	require.NoError(t, os.WriteFile(state, []byte(`{"run":"r","finished":false}`+"\n"), 0o644))
	args := []string{"-registry", "file:" + dir, "-cache", cache, "-data", data, "-keep", "1", "prune"}
	assert.Equal(t, "nothing is old and not needed: -keep 1, -older 720h0m0s\n", said(t, args...))

	time.Sleep(10 * time.Millisecond)
	args = append(args, "-older", "1ms")
	want := []string{"guide version 4", "guide version 3", filepath.Join(cache, "guide", "1"), filepath.Join(cache, "guide", "4"), "artifacts_tmp.previous"}
	text := said(t, append(args, "-dry-run")...)
	assert.Equal(t, len(want), strings.Count(text, "would remove "), text)
	text = said(t, args...)
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		assert.Contains(t, line, want[i])
	}
	assert.DirExists(t, filepath.Join(cache, "guide", "2"), "it serves")
	assert.DirExists(t, filepath.Join(data, "artifacts_tmp"), "-resume needs it")
	require.NoError(t, os.WriteFile(state, []byte(`{"run":"r","finished":true}`+"\n"), 0o644))
	assert.Contains(t, said(t, args...), filepath.Join(data, "artifacts_tmp"))
	assert.Equal(t, "guide version 1 is in Production, version 2 is archived\n", said(t, "-registry", "file:"+dir, "rollback", "guide"))
}
