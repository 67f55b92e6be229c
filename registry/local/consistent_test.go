package local

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
)

// requireConsistent reads a whole store: every file parses, every run and version can be read, at most one version per
// model is in Production unless the test keeps several, and nothing lies in tmp/ that a sweep would not remove.
func requireConsistent(t *testing.T, dir string) {
	t.Helper()
	ctx := context.Background() // t.Context has ended when this runs as a clean-up
	s, err := Open(dir, Options{MustExist: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	require.NoError(t, fs.WalkDir(s.s.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(name, "tmp/") || strings.Contains(name, "/artifacts/") {
			return err
		}
		known := []string{"registry.json", "run.json", "metrics.jsonl", "manifest.json", "model.json", ".lock"}
		if base := path.Base(name); !strings.HasSuffix(base, ".tmp") {
			assert.Contains(t, known, base, "a file of no meaning: %s", name)
		}
		return nil
	}))
	experiments, err := fs.ReadDir(s.s.root.FS(), "runs")
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	for _, e := range experiments {
		for info, err := range s.ListRuns(ctx, e.Name()) {
			require.NoError(t, err)
			require.NotEmpty(t, info.ID)
		}
	}
	for m, err := range s.ListModels(ctx) {
		require.NoError(t, err)
		for v, err := range s.List(ctx, m.Name) {
			require.NoError(t, err)
			if v.Status == registry.Ready {
				list, err := s.Files(ctx, v)
				require.NoError(t, err)
				require.NotEmpty(t, list)
			}
		}
	}
	if _, err := s.s.root.Stat("tmp"); err == nil {
		require.NoError(t, s.s.locked(ctx, s.s.sweep))
		left, err := filepath.Glob(filepath.Join(dir, "tmp", "*"))
		require.NoError(t, err)
		require.Empty(t, left)
	}
}
