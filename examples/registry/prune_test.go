package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/local"
)

func TestPrune(t *testing.T) {
	dir, data, root := filepath.Join(t.TempDir(), "registry"), t.TempDir(), t.TempDir()
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
	cache := program.CachedVersions(root, config.Registry{Dir: dir})
	folder := func(n int) string {
		v, err := store.Get(t.Context(), "guide", n)
		require.NoError(t, err)
		return filepath.Join(cache, program.CachedVersion(v))
	}
	unneeded, serving, never := folder(1), folder(2), folder(4)
	for _, dir := range []string{unneeded, serving, never, filepath.Join(cache, "other", "1-r"), filepath.Join(root, "guide", "1-another-registry")} {
		require.NoError(t, os.MkdirAll(dir, 0o755))
	}
	for _, name := range []string{"artifacts_tmp", "artifacts_tmp.previous"} {
		require.NoError(t, os.MkdirAll(filepath.Join(data, name, "step-1"), 0o755))
	}
	state := filepath.Join(data, "run.json")
	require.NoError(t, os.WriteFile(state, []byte(`{"run":"r","finished":false}`+"\n"), 0o644))
	args := []string{"-registry", "file:" + dir, "-cache", root, "-data", data, "-keep", "1", "prune"}
	assert.Equal(t, "nothing is old and not needed: -keep 1, -older 720h0m0s\n", said(t, args...))

	time.Sleep(10 * time.Millisecond)
	args = append(args, "-older", "1ms")
	want := []string{"guide version 4", "guide version 3", unneeded, never, "artifacts_tmp.previous"}
	text := said(t, append(args, "-dry-run")...)
	assert.Equal(t, len(want), strings.Count(text, "would remove "), text)
	text = said(t, args...)
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		assert.Contains(t, line, want[i])
	}
	assert.DirExists(t, serving, "it serves")
	assert.DirExists(t, filepath.Join(data, "artifacts_tmp"), "-resume needs it")
	require.NoError(t, os.WriteFile(state, []byte(`{"run":"r","finished":true}`+"\n"), 0o644))
	assert.Contains(t, said(t, args...), filepath.Join(data, "artifacts_tmp"))
	assert.Equal(t, "guide version 1 is in Production, version 2 is archived\n", said(t, "-registry", "file:"+dir, "rollback", "guide"))
}
