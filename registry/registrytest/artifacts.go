package registrytest

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
)

// artifactsOf lists what a run holds, by path.
func (s suite) artifactsOf(t *testing.T, run registry.Run) map[string]registry.File {
	t.Helper()
	v, err := s.Registry.Resolve(t.Context(), registry.URI{RunID: run.ID()})
	if errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	require.NoError(t, err)
	list, err := s.Registry.Files(t.Context(), v)
	require.NoError(t, err)
	byPath := make(map[string]registry.File)
	for _, f := range list {
		byPath[f.Path] = f
	}
	return byPath
}

// failingFS breaks in the middle of a file, by an error or by a call.
type failingFS struct {
	fstest.MapFS
	name string
	fail func() error
}

func (f failingFS) Open(name string) (fs.File, error) {
	file, err := f.MapFS.Open(name)
	if err == nil && name == f.name {
		return &failingFile{File: file, fail: f.fail}, nil
	}
	return file, err
}

type failingFile struct {
	fs.File
	fail func() error
	read bool
}

func (f *failingFile) Read(p []byte) (int, error) {
	if f.read {
		if err := f.fail(); err != nil {
			return 0, err
		}
	}
	f.read = true
	return f.File.Read(p[:min(len(p), 10)])
}

var artifactTests = map[string]func(t *testing.T, s suite){
	"log": func(t *testing.T, s suite) {
		run := s.start(t)
		require.NoError(t, run.LogArtifacts(t.Context(), "model", files()))
		require.NoError(t, run.LogArtifacts(t.Context(), "", fstest.MapFS{"report.html": {Data: []byte("<p>")}}))
		require.NoError(t, run.LogArtifacts(t.Context(), "deep/er", fstest.MapFS{"x": {Data: []byte("y")}}))
		got := s.artifactsOf(t, run)
		assert.Len(t, got, len(files())+2)
		assert.EqualValues(t, 3, got["report.html"].Size)
		assert.Contains(t, got, "deep/er/x")
		// SHA-256 of the empty file is known by heart.
		assert.Equal(t, registry.File{Path: "model/tokenizer/empty.txt", Size: 0,
			SHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}, got["model/tokenizer/empty.txt"])
	},
	"written once": func(t *testing.T, s suite) {
		run := s.start(t)
		require.NoError(t, run.LogArtifacts(t.Context(), "model", files()))
		before := s.artifactsOf(t, run)
		require.NoError(t, run.LogArtifacts(t.Context(), "model", files()), "the same bytes again")
		err := run.LogArtifacts(t.Context(), "model", fstest.MapFS{"config.json": {Data: []byte("{}")}, "a-new-one": {}})
		requireError(t, err, registry.ErrExists, "model/config.json")
		assert.Equal(t, before, s.artifactsOf(t, run), "a refused call stores nothing")
	},
	"files and directories": func(t *testing.T, s suite) {
		run := s.start(t)
		require.NoError(t, run.LogArtifacts(t.Context(), "", fstest.MapFS{"a/b": {Data: []byte("1")}}))
		requireError(t, run.LogArtifacts(t.Context(), "", fstest.MapFS{"a": {Data: []byte("2")}}), registry.ErrInvalid)
		requireError(t, run.LogArtifacts(t.Context(), "a/b", fstest.MapFS{"c": {Data: []byte("3")}}), registry.ErrInvalid)
		requireError(t, run.LogArtifacts(t.Context(), "", fstest.MapFS{"A/B": {Data: []byte("4")}}), registry.ErrInvalid, "a/b")
		assert.Len(t, s.artifactsOf(t, run), 1)
	},
	"bad paths": func(t *testing.T, s suite) {
		run := s.start(t)
		for _, prefix := range []string{"..", "../x", "/abs", "a//b", "a/", "a/../b", ".", `a\b`, "c:", "a\x00", "\xff", "what?", "a#b", "a%2fb", "dot.", "space ",
			strings.Repeat("n", 256)} {
			err := run.LogArtifacts(t.Context(), prefix, fstest.MapFS{"f": {Data: []byte("x")}})
			requireError(t, err, registry.ErrInvalid)
		}
		for _, name := range []string{`a\b`, "a:b", "new\nline", "a#b", "a%2Fb", "100%", "%", "tail ", "\u202egnp.exe"} {
			requireError(t, run.LogArtifacts(t.Context(), "", fstest.MapFS{name: {Data: []byte("x")}, "good": {}}), registry.ErrInvalid)
		}
		assert.Empty(t, s.artifactsOf(t, run))
	},
	"links": func(t *testing.T, s suite) {
		dir, elsewhere := t.TempDir(), t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(elsewhere, "blob"), []byte("weights"), 0o600))
		if err := os.Symlink(filepath.Join(elsewhere, "blob"), filepath.Join(dir, "model.safetensors")); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
		run := s.start(t)
		require.NoError(t, run.LogArtifacts(t.Context(), "model", os.DirFS(dir)), "model caches are full of links to blobs")
		assert.EqualValues(t, 7, s.artifactsOf(t, run)["model/model.safetensors"].Size)
		require.NoError(t, os.Symlink(elsewhere, filepath.Join(dir, "more")))
		requireError(t, run.LogArtifacts(t.Context(), "again", os.DirFS(dir)), registry.ErrInvalid, "more")
	},
	"no directory": func(t *testing.T, s suite) {
		run := s.start(t)
		err := run.LogArtifacts(t.Context(), "model", os.DirFS(filepath.Join(t.TempDir(), "missing")))
		requireError(t, err, fs.ErrNotExist)
		require.NoError(t, run.LogArtifacts(t.Context(), "model", os.DirFS(t.TempDir())), "an empty one has nothing to store")
		assert.Empty(t, s.artifactsOf(t, run))
	},
	"all or none": func(t *testing.T, s suite) {
		run := s.start(t)
		broken := errors.New("disk on fire")
		err := run.LogArtifacts(t.Context(), "model", failingFS{files(), "model.safetensors", func() error { return broken }})
		requireError(t, err, broken, "model.safetensors")
		assert.Empty(t, s.artifactsOf(t, run))
		require.NoError(t, run.LogArtifacts(t.Context(), "model", files()), "and again once it works")
		assert.Len(t, s.artifactsOf(t, run), len(files()))
	},
	"concurrent": func(t *testing.T, s suite) {
		run := s.start(t)
		other, err := s.Another(t).ResumeRun(t.Context(), run.ID())
		require.NoError(t, err)
		var wg sync.WaitGroup
		for i := range 6 {
			handle := []registry.Run{run, other}[i%2]
			wg.Go(func() {
				assert.NoError(t, handle.LogArtifacts(t.Context(), "part"+string(rune('0'+i)), files()))
				assert.NoError(t, handle.LogArtifacts(t.Context(), "shared", files()))
			})
		}
		wg.Wait()
		assert.Len(t, s.artifactsOf(t, run), 7*len(files()))
	},
	"large": func(t *testing.T, s suite) {
		run := s.start(t)
		data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MB
		require.NoError(t, run.LogArtifacts(t.Context(), "", fstest.MapFS{"big": {Data: data}}))
		v, err := s.Registry.Resolve(t.Context(), registry.URI{RunID: run.ID()})
		require.NoError(t, err)
		dir := filepath.Join(t.TempDir(), "out")
		require.NoError(t, s.Registry.Download(t.Context(), v, dir))
		got, err := os.ReadFile(filepath.Join(dir, "big"))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(data, got))
	},
}
