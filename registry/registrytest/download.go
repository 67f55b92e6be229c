package registrytest

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
)

// requireTree checks that dir holds exactly these files.
func requireTree(t *testing.T, want fstest.MapFS, dir string) {
	t.Helper()
	got := make(map[string]string)
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		got[name] = string(data)
		return err
	}))
	expected := make(map[string]string)
	for name, file := range want {
		expected[name] = string(file.Data)
	}
	if !assert.ObjectsAreEqual(expected, got) { // the contents are too long to print
		require.Fail(t, "other files", "want %q, got %q", slices.Collect(keys(expected)), slices.Collect(keys(got)))
	}
}

func keys(m map[string]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k, v := range m {
			if !yield(k + "=" + v[:min(len(v), 40)]) {
				return
			}
		}
	}
}

// requireAlone checks that nothing but dir lies where it was downloaded to.
func requireAlone(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(dir))
	require.NoError(t, err)
	require.Len(t, entries, 1, "beside the download: %v", entries)
}

var downloadTests = map[string]func(t *testing.T, s suite){
	"whole": func(t *testing.T, s suite) {
		v := s.register(t, s.name("handbook"), 1)[0]
		dir := filepath.Join(t.TempDir(), "cache", "not", "yet", "there")
		require.NoError(t, s.Registry.Download(t.Context(), v, dir))
		requireTree(t, files(), dir)
		requireAlone(t, dir)
		require.NoError(t, s.Another(t).Download(t.Context(), v, dir), "again")
		requireTree(t, files(), dir)
		requireAlone(t, dir)

		list, err := s.Registry.Files(t.Context(), v)
		require.NoError(t, err)
		assert.Len(t, list, len(files()))
		assert.True(t, slices.IsSortedFunc(list, func(a, b registry.File) int { return bytes.Compare([]byte(a.Path), []byte(b.Path)) }))
		for _, f := range list {
			assert.EqualValues(t, len(files()[f.Path].Data), f.Size, f.Path)
			assert.Len(t, f.SHA256, 64)
		}
	},
	"what was registered, whatever the run logs later": func(t *testing.T, s suite) {
		run := s.start(t)
		require.NoError(t, run.LogArtifacts(t.Context(), "model", files()))
		v, err := s.Registry.Register(t.Context(), s.name("handbook"), registry.Source{RunID: run.ID(), Path: "model"}, nil)
		require.NoError(t, err)
		require.NoError(t, run.LogArtifacts(t.Context(), "model", fstest.MapFS{"later": {Data: []byte("x")}}))
		dir := filepath.Join(t.TempDir(), "out")
		require.NoError(t, s.Registry.Download(t.Context(), v, dir))
		requireTree(t, files(), dir)
	},
	"parts": func(t *testing.T, s suite) {
		v := s.register(t, s.name("handbook"), 1)[0]
		parts := map[string]fstest.MapFS{
			"/1/tokenizer":            {"tokenizer.json": files()["tokenizer/tokenizer.json"], "empty.txt": files()["tokenizer/empty.txt"]},
			"/latest/config.json":     {"config.json": files()["config.json"]},
			"@best/größe/手册.txt":      {"手册.txt": files()["größe/手册.txt"]},
			"/None/tokenizer/":        nil,
			"runs:/model/tokenizer":   {"tokenizer.json": files()["tokenizer/tokenizer.json"], "empty.txt": files()["tokenizer/empty.txt"]},
			"runs:/model/config.json": {"config.json": files()["config.json"]},
		}
		require.NoError(t, s.Registry.SetAlias(t.Context(), v.Name, "best", 1))
		for part, want := range parts {
			uri := "models:/" + v.Name + part
			if rest, ok := bytes.CutPrefix([]byte(part), []byte("runs:/")); ok {
				uri = "runs:/" + v.RunID + "/" + string(rest)
			}
			u, err := registry.ParseURI(uri)
			if want == nil {
				require.ErrorIs(t, err, registry.ErrInvalid)
				continue
			}
			require.NoError(t, err)
			p, err := s.Registry.Resolve(t.Context(), u)
			require.NoError(t, err, uri)
			dir := filepath.Join(t.TempDir(), "out")
			require.NoError(t, s.Registry.Download(t.Context(), p, dir), uri)
			requireTree(t, want, dir)
		}
	},
	"a source that is one file": func(t *testing.T, s suite) {
		run := s.start(t)
		require.NoError(t, run.LogArtifacts(t.Context(), "deep", fstest.MapFS{"model.gguf": {Data: []byte("GGUF")}, "other": {}}))
		v, err := s.Registry.Register(t.Context(), s.name("handbook"), registry.Source{RunID: run.ID(), Path: "deep/model.gguf"}, nil)
		require.NoError(t, err)
		dir := filepath.Join(t.TempDir(), "out")
		require.NoError(t, s.Registry.Download(t.Context(), v, dir))
		requireTree(t, fstest.MapFS{"model.gguf": {Data: []byte("GGUF")}}, dir)
	},
	"a source that is everything": func(t *testing.T, s suite) {
		run := s.start(t)
		require.NoError(t, run.LogArtifacts(t.Context(), "", files()))
		v, err := s.Registry.Register(t.Context(), s.name("handbook"), registry.Source{RunID: run.ID()}, nil)
		require.NoError(t, err)
		dir := filepath.Join(t.TempDir(), "out")
		require.NoError(t, s.Registry.Download(t.Context(), v, dir))
		requireTree(t, files(), dir)
	},
	"into a directory": func(t *testing.T, s suite) {
		v := s.register(t, s.name("handbook"), 1)[0]
		empty := t.TempDir()
		require.NoError(t, s.Registry.Download(t.Context(), v, empty))
		requireTree(t, files(), empty)

		foreign := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(foreign, "thesis.tex"), []byte("years"), 0o600))
		requireError(t, s.Registry.Download(t.Context(), v, foreign), registry.ErrExists, "thesis.tex")
		requireTree(t, fstest.MapFS{"thesis.tex": {Data: []byte("years")}}, foreign)
		file := filepath.Join(foreign, "thesis.tex")
		requireError(t, s.Registry.Download(t.Context(), v, file), registry.ErrExists, "thesis.tex")

		linked := t.TempDir()
		if err := os.Symlink(foreign, filepath.Join(linked, "tokenizer")); err == nil {
			requireError(t, s.Registry.Download(t.Context(), v, linked), registry.ErrExists, "tokenizer")
			requireTree(t, fstest.MapFS{"thesis.tex": {Data: []byte("years")}}, foreign)
		}
	},
	"repairs its own": func(t *testing.T, s suite) {
		v := s.register(t, s.name("handbook"), 1)[0]
		dir := filepath.Join(t.TempDir(), "cache")
		require.NoError(t, s.Registry.Download(t.Context(), v, dir))
		weights := filepath.Join(dir, "model.safetensors")
		for _, damage := range []func() error{
			func() error { return os.Remove(filepath.Join(dir, "config.json")) },
			func() error { return os.Truncate(weights, 100) },
			func() error { return os.RemoveAll(filepath.Join(dir, "tokenizer")) },
			func() error {
				data, err := os.ReadFile(weights)
				if err != nil {
					return err
				}
				data[len(data)/2] ^= 1
				return os.WriteFile(weights, data, 0o600)
			},
		} {
			require.NoError(t, damage())
			require.NoError(t, s.Registry.Download(t.Context(), v, dir))
			requireTree(t, files(), dir)
			requireAlone(t, dir)
		}
	},
	"stored files altered": func(t *testing.T, s suite) {
		if s.Alter == nil {
			t.Skip("this fixture cannot alter stored files")
		}
		for what, to := range map[string]func(old []byte) []byte{
			"one bit": func(old []byte) []byte { old[len(old)/2] ^= 1; return old },
			"shorter": func(old []byte) []byte { return old[:len(old)-1] },
			"longer":  func(old []byte) []byte { return append(old, 0) },
			"empty":   func([]byte) []byte { return []byte{} },
			"missing": func([]byte) []byte { return nil },
		} {
			t.Run(what, func(t *testing.T) {
				v := s.register(t, s.name("handbook-"+what), 1)[0]
				s.Alter(t, v, "model.safetensors", to)
				dir := filepath.Join(t.TempDir(), "cache")
				err := s.Registry.Download(t.Context(), v, dir)
				requireError(t, err, registry.ErrCorrupt, "model.safetensors")
				assert.Equal(t, "model.safetensors", corruptPath(t, err))
				assert.NoDirExists(t, dir, "nothing half-written under the name")
			})
		}
		t.Run("empty file missing", func(t *testing.T) {
			v := s.register(t, s.name("handbook-none"), 1)[0]
			s.Alter(t, v, "tokenizer/empty.txt", func([]byte) []byte { return nil })
			err := s.Registry.Download(t.Context(), v, filepath.Join(t.TempDir(), "cache"))
			assert.Equal(t, "tokenizer/empty.txt", corruptPath(t, err))
		})
	},
	"concurrent": func(t *testing.T, s suite) {
		v := s.register(t, s.name("handbook"), 1)[0]
		other := s.Another(t)
		dir := filepath.Join(t.TempDir(), "cache")
		var wg sync.WaitGroup
		for i := range 8 {
			reg := []registry.Registry{s.Registry, other}[i%2]
			wg.Go(func() {
				if assert.NoError(t, reg.Download(t.Context(), v, dir)) {
					requireTree(t, files(), dir)
				}
			})
		}
		wg.Wait()
		requireAlone(t, dir)
	},
	"cancelled and resumed": func(t *testing.T, s suite) {
		run := s.start(t)
		big := fstest.MapFS{"a": {Data: bytes.Repeat([]byte("a"), 1<<20)}, "b": {Data: bytes.Repeat([]byte("b"), 1<<20)}}
		require.NoError(t, run.LogArtifacts(t.Context(), "", big))
		v, err := s.Registry.Resolve(t.Context(), registry.URI{RunID: run.ID()})
		require.NoError(t, err)
		dir := filepath.Join(t.TempDir(), "cache")
		for checks := range 40 { // the context ends at another place each time
			ctx := &countdown{Context: t.Context(), left: checks, done: make(chan struct{})}
			err := s.Registry.Download(ctx, v, dir)
			if err == nil {
				break
			}
			require.ErrorIs(t, err, context.Canceled)
			require.NoDirExists(t, dir)
		}
		require.NoError(t, s.Registry.Download(t.Context(), v, dir))
		requireTree(t, big, dir)
		requireAlone(t, dir)
	},
}
