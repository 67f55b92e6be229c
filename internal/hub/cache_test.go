package hub

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOffline(t *testing.T) {
	s := newStub(t)
	c, _ := s.client(t, Options{})
	want, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	_, err = c.Snapshot(t.Context(), testRepo, "refs/pr/1", nil)
	require.NoError(t, err)
	s.forget()

	offline, _ := s.client(t, Options{CacheDir: c.cacheDir, Offline: true})
	for _, revision := range []string{"", "main", "refs/pr/1", testCommit} {
		dir, err := offline.Snapshot(t.Context(), testRepo, revision, nil)
		require.NoError(t, err, revision)
		assert.Equal(t, want, dir)
	}
	_, err = offline.Snapshot(t.Context(), testRepo, "v1.0", nil)
	require.ErrorIs(t, err, ErrNotCached)
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, "use a cached revision: main, refs/pr/1")
	assertSafe(t, err)
	_, err = offline.Snapshot(t.Context(), testRepo, strings.Repeat("b", 40), nil)
	require.ErrorIs(t, err, ErrNotCached)
	_, err = offline.Snapshot(t.Context(), "acme/other", "main", nil)
	require.ErrorIs(t, err, ErrNotCached)
	assert.ErrorContains(t, err, "run once with network access")
	assert.Zero(t, s.count(""), "offline makes no request")
}

// pythonCache lays files out as huggingface_hub does, with an optional listing of the whole commit.
func pythonCache(t *testing.T, files map[string]string, tree []string) (cacheDir string) {
	cacheDir = t.TempDir()
	repo := filepath.Join(cacheDir, "models--acme--tiny-lm")
	write := func(name, text string) {
		name = filepath.Join(repo, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o777))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o666))
	}
	write("refs/main", testCommit)
	for name, text := range files {
		write("blobs/"+gitSum([]byte(text)), text)
		pointer := filepath.Join(repo, "snapshots", testCommit, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(pointer), 0o777))
		require.NoError(t, os.Symlink("../../blobs/"+gitSum([]byte(text)), pointer))
	}
	if tree != nil {
		entries := map[string]any{}
		for _, name := range tree {
			entries[name] = map[string]any{"size": 1, "blob_id": "x"}
		}
		data, err := json.Marshal(map[string]any{"format_version": 1, "files": entries})
		require.NoError(t, err)
		write("trees/"+testCommit+".json", string(data))
	}
	return cacheDir
}

// What Python downloaded is found, and what it downloaded in part is not taken for whole.
func TestOfflinePythonCache(t *testing.T) {
	whole := map[string]string{"config.json": "{}", "model.safetensors": "w"}
	sharded := map[string]string{
		"config.json":                      "{}",
		"model.safetensors.index.json":     `{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}`,
		"model-00001-of-00002.safetensors": "w",
	}
	for name, tc := range map[string]struct {
		files map[string]string
		tree  []string
		fault string
	}{
		"whole":                   {files: whole},
		"whole with listing":      {files: whole, tree: []string{"config.json", "model.safetensors", "pytorch_model.bin"}},
		"listing with more files": {files: whole, tree: []string{"config.json", "model.safetensors", "tokenizer.json"}, fault: "lacks tokenizer.json"},
		"configuration only":      {files: map[string]string{"config.json": "{}"}, fault: "no *.safetensors"},
		"a shard is missing":      {files: sharded, fault: "lacks model-00002-of-00002.safetensors"},
		"index is no JSON":        {files: map[string]string{"config.json": "{}", "model.safetensors.index.json": "{", "model.safetensors": ""}, fault: "index.json"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := New(Options{CacheDir: pythonCache(t, tc.files, tc.tree), Offline: true})
			require.NoError(t, err)
			dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
			if tc.fault == "" {
				require.NoError(t, err)
				assert.Equal(t, c.cacheOf(testRepo).snapshot(testCommit), dir)
				return
			}
			require.ErrorIs(t, err, ErrNotCached)
			assert.ErrorContains(t, err, tc.fault)
		})
	}

	// A pointer to nothing, and a ref that names no commit.
	cacheDir := pythonCache(t, whole, nil)
	c, err := New(Options{CacheDir: cacheDir, Offline: true})
	require.NoError(t, err)
	require.NoError(t, os.Remove(c.cacheOf(testRepo).path("blobs/"+gitSum([]byte("w")))))
	_, err = c.Snapshot(t.Context(), testRepo, "main", nil)
	require.ErrorIs(t, err, ErrNotCached)
	require.NoError(t, os.WriteFile(c.cacheOf(testRepo).path("refs/main"), []byte("../../../etc"), 0o666))
	_, err = c.Snapshot(t.Context(), testRepo, "main", nil)
	require.ErrorIs(t, err, ErrNotCached)
}

// With the Hub out of reach or access denied, a complete cached snapshot serves; without one the cause is told.
func TestFallBackToCache(t *testing.T) {
	for status, falls := range map[int]bool{401: true, 403: true, 429: true, 503: true, 404: false} {
		s := newStub(t)
		c, waits := s.client(t, Options{})
		want, err := c.Snapshot(t.Context(), testRepo, "main", nil)
		require.NoError(t, err)
		s.onHub = func(w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(status); return true }
		s.forget()
		dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
		assert.Equal(t, 1, s.count(""), "no waiting for a Hub that is not needed")
		assert.Empty(t, *waits)
		if falls {
			require.NoError(t, err, status)
			assert.Equal(t, want, dir)
		} else {
			require.ErrorIs(t, err, ErrNotFound)
		}
	}
	s := newStub(t)
	c, waits := s.client(t, Options{})
	s.hub.Close()
	_, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.ErrorIs(t, err, ErrUnavailable)
	assert.ErrorContains(t, err, "check the network and proxy")
	assert.Len(t, *waits, attempts-1)
	assertSafe(t, err)
}

// Everything is there but nothing may be written.
func TestReadOnlyCache(t *testing.T) {
	s := newStub(t)
	c, _ := s.client(t, Options{})
	want, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	// A file in the way of refs/v1.0 stands for a read-only disk, which root would not notice.
	require.NoError(t, os.RemoveAll(c.cacheOf(testRepo).path("refs")))
	require.NoError(t, os.WriteFile(c.cacheOf(testRepo).path("refs"), nil, 0o666))
	dir, err := c.Snapshot(t.Context(), testRepo, "v1.0", nil)
	require.NoError(t, err)
	assert.Equal(t, want, dir)
}

func TestWithoutSymlinks(t *testing.T) {
	denied := func(*os.Root, string, string) error { return fs.ErrPermission }
	for _, hardlinks := range []bool{true, false} {
		s := newStub(t)
		c, _ := s.client(t, Options{})
		c.symlink = denied
		if !hardlinks {
			c.hardlink = denied
		}
		dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
		require.NoError(t, err)
		assertFiles(t, dir, s.lmFiles())
		pointer, err := os.Lstat(filepath.Join(dir, "config.json"))
		require.NoError(t, err)
		assert.True(t, pointer.Mode().IsRegular())
		blob, err := os.Stat(c.cacheOf(testRepo).path("blobs/" + gitSum(s.files["config.json"])))
		require.NoError(t, err)
		assert.Equal(t, hardlinks, os.SameFile(pointer, blob))
		s.forget()
		_, err = c.Snapshot(t.Context(), testRepo, "main", nil)
		require.NoError(t, err)
		assert.Equal(t, 1, s.count(""))
	}
}

// Names in a listing are a stranger's: none may lead out of the cache folder.
func TestMaliciousNames(t *testing.T) {
	all := func(string) bool { return true }
	for _, name := range []string{"../evil", "../../../../evil", "/etc/evil", "a/../../evil", "", ".", "..", "a//b", "a/", "./a", "a\\..\\evil", `C:\evil`, "C:evil", "a\x00b", "a\nb"} {
		s := newStub(t)
		s.files = map[string][]byte{name: []byte("evil")}
		c, _ := s.client(t, Options{CacheDir: filepath.Join(t.TempDir(), "cache")})
		_, err := c.Snapshot(t.Context(), testRepo, "main", all)
		require.ErrorIs(t, err, ErrBadAnswer, "%q", name)
		assertSafe(t, err)
		assert.Zero(t, s.count("HEAD"), "%q", name)
		entries, err := filepath.Glob(filepath.Join(filepath.Dir(c.cacheDir), "*"))
		require.NoError(t, err)
		assert.Empty(t, entries, "%q", name)
	}
}

// A listing that lies once is not believed about the rest.
func TestMaliciousNameBesideGoodOnes(t *testing.T) {
	s := newStub(t)
	s.files["../config.json"] = []byte("evil")
	c, _ := s.client(t, Options{})
	_, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.ErrorIs(t, err, ErrBadAnswer)
	assert.ErrorContains(t, err, "do not trust")
}

// A pointer that is right is not touched: somebody may be reading through it.
func TestPointTwice(t *testing.T) {
	s := newStub(t)
	c, _ := s.client(t, Options{})
	dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	before, err := os.Lstat(filepath.Join(dir, "config.json"))
	require.NoError(t, err)
	root, err := c.cacheOf(testRepo).open()
	require.NoError(t, err)
	defer root.Close()
	require.NoError(t, c.point(root, testCommit, "config.json", gitSum(s.files["config.json"])))
	after, err := os.Lstat(filepath.Join(dir, "config.json"))
	require.NoError(t, err)
	assert.Equal(t, before.ModTime(), after.ModTime())
}

// A link that somebody put in the cache does not redirect our writes.
func TestPlantedSymlinks(t *testing.T) {
	s := newStub(t)
	for _, plant := range []string{"snapshots", "snapshots/" + testCommit, "refs", "blobs/" + gitSum(s.files["config.json"]) + ".incomplete"} {
		outside := t.TempDir()
		c, _ := s.client(t, Options{})
		link := c.cacheOf(testRepo).path(plant)
		require.NoError(t, os.MkdirAll(filepath.Dir(link), 0o777))
		target := outside
		if strings.HasPrefix(plant, "blobs") {
			target = filepath.Join(outside, "file")
		}
		require.NoError(t, os.Symlink(target, link))
		_, err := c.Snapshot(t.Context(), testRepo, "main", nil)
		require.Error(t, err, plant)
		assertSafe(t, err)
		entries, err := os.ReadDir(outside)
		require.NoError(t, err)
		assert.Empty(t, entries, plant)
		require.NoError(t, os.Remove(link))
	}
}

func TestHugeListing(t *testing.T) {
	s := newStub(t)
	for i := range 100_000 {
		s.files[fmt.Sprintf("data/part-%06d.parquet", i)] = nil
	}
	c, _ := s.client(t, Options{})
	dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	assertFiles(t, dir, s.lmFiles())

	_, err = parseListing(strings.NewReader(`{"sha":"`+testCommit+`","siblings":[`+strings.Repeat(`{"rfilename":"a"},`, 1000)+`]}`), 1000)
	require.ErrorIs(t, err, ErrBadAnswer)
	assert.ErrorContains(t, err, "exceeds 1000 bytes")
}

func FuzzParseListing(f *testing.F) {
	good, _ := json.Marshal(newStubListing())
	for _, seed := range []string{string(good), `{}`, `{"sha":null,"siblings":null}`, `{"sha":"` + testCommit + `","siblings":[{"rfilename":"../x","size":-1,"lfs":{}}]}`, `{"sha":"` + testCommit + `","siblings":[{"rfilename":"a","size":1e30}]}`, `[`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseListing(strings.NewReader(string(data)), 1<<20)
		if err != nil {
			return
		}
		require.Regexp(t, commitHash, l.commit)
		files, err := selection{use: func(string) bool { return true }}.of(l.files)
		if err != nil {
			return
		}
		root := t.TempDir()
		for _, file := range files {
			full := filepath.Join(root, filepath.FromSlash(file.name))
			require.True(t, strings.HasPrefix(full, root+string(filepath.Separator)), file.name)
			require.GreaterOrEqual(t, file.size, int64(-1))
			require.True(t, file.sha256 == "" || file.gitSHA1 == "")
		}
	})
}

func newStubListing() map[string]any {
	s := &stub{files: map[string][]byte{"config.json": []byte("{}"), "model.safetensors": []byte("w")}, lfs: map[string]bool{"model.safetensors": true}}
	return s.listing(testCommit)
}

func FuzzNames(f *testing.F) {
	for _, seed := range []string{"acme/tiny", "../x", "refs/pr/1", "a@b", "C:x", "a\\b", "NUL", "x.lock"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := &Client{cacheDir: "/cache"}
		if ValidateRepo(s) == nil {
			require.Equal(t, filepath.Clean("/cache"), filepath.Dir(c.cacheOf(s).dir), s)
		}
		if ValidateRevision(s) == nil {
			require.True(t, strings.HasPrefix(c.cacheOf("a/b").path("refs/"+s), c.cacheOf("a/b").path("refs")+string(filepath.Separator)), s)
		}
	})
}
