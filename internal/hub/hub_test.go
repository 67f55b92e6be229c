package hub

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSnapshot(t *testing.T) {
	s := newStub(t)
	c, waits := s.client(t, Options{})
	dir, err := c.Snapshot(t.Context(), testRepo, "", nil)
	require.NoError(t, err)
	assert.Empty(t, *waits)

	repo := filepath.Join(c.cacheDir, "models--acme--tiny-lm")
	assert.Equal(t, filepath.Join(repo, "snapshots", testCommit), dir)
	assertFiles(t, dir, s.lmFiles())
	ref, err := os.ReadFile(filepath.Join(repo, "refs", "main"))
	require.NoError(t, err)
	assert.Equal(t, testCommit, string(ref))

	weights := sha256sum(s.files["model.safetensors"])
	target, err := os.Readlink(filepath.Join(dir, "model.safetensors"))
	require.NoError(t, err)
	assert.Equal(t, filepath.Join("..", "..", "blobs", weights), target)
	assert.FileExists(t, filepath.Join(repo, "blobs", gitSum(s.files["config.json"])))
	assert.FileExists(t, filepath.Join(c.cacheDir, ".locks", "models--acme--tiny-lm", weights+".lock"))
	assert.Zero(t, s.count(".bin")+s.count("onnx")+s.count("README"))

	// All is cached: the branch is looked up, nothing else.
	s.forget()
	again, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	assert.Equal(t, dir, again)
	assert.Equal(t, 1, s.count(""))

	// Another name of the same commit.
	s.forget()
	for _, revision := range []string{"v1.0", "refs/pr/1", testCommit} {
		again, err = c.Snapshot(t.Context(), testRepo, revision, nil)
		require.NoError(t, err)
		assert.Equal(t, dir, again)
	}
	assert.Equal(t, 3, s.count(""))
	assert.FileExists(t, filepath.Join(repo, "refs", "refs", "pr", "1"))
}

// A new commit shares the blobs that did not change.
func TestSnapshotNewCommit(t *testing.T) {
	s := newStub(t)
	c, _ := s.client(t, Options{})
	old, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	before := s.lmFiles()

	commit := strings.Repeat("f", 40)
	s.revisions["main"] = commit
	s.files["config.json"] = []byte(`{"model_type":"llama","tie_word_embeddings":true}`)
	s.forget()
	dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	assert.Equal(t, commit, filepath.Base(dir))
	assertFiles(t, dir, s.lmFiles())
	assertFiles(t, old, before)
	assert.Zero(t, s.count("storage"), "the weights did not change")

	ref, err := os.ReadFile(c.cacheOf(testRepo).path("refs/main"))
	require.NoError(t, err)
	assert.Equal(t, commit, string(ref))
}

// A mirror that ignores ?blobs=true: size and hash come from the headers.
func TestSnapshotPlainMirror(t *testing.T) {
	s := newStub(t)
	s.noBlobs = true
	c, _ := s.client(t, Options{})
	dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	assertFiles(t, dir, s.lmFiles())
}

func TestSnapshotSelection(t *testing.T) {
	s := newStub(t)
	c, _ := s.client(t, Options{})
	dir, err := c.Snapshot(t.Context(), testRepo, "main", func(name string) bool { return name == "onnx/model.onnx" })
	require.NoError(t, err)
	assertFiles(t, dir, map[string][]byte{"onnx/model.onnx": []byte("onnx")})
	target, err := os.Readlink(filepath.Join(dir, "onnx", "model.onnx"))
	require.NoError(t, err)
	assert.Equal(t, filepath.Join("..", "..", "..", "blobs", sha256sum([]byte("onnx"))), target)

	// The cached part is no answer for who wants the model.
	offline, _ := s.client(t, Options{CacheDir: c.cacheDir, Offline: true})
	_, err = offline.Snapshot(t.Context(), testRepo, "main", nil)
	require.ErrorIs(t, err, ErrNotCached)

	_, err = c.Snapshot(t.Context(), testRepo, "main", func(string) bool { return false })
	require.ErrorIs(t, err, ErrNotFound)
	assert.ErrorContains(t, err, "none of its 6 files was selected")
}

// Each repository that is no safetensors model gets its own advice.
func TestSnapshotNoModel(t *testing.T) {
	for hint, files := range map[string][]string{
		"holds pickled .bin weights":            {"config.json", "pytorch_model.bin"},
		"holds GGUF files":                      {"README.md", "tiny.Q8_0.gguf"},
		"holds an adapter":                      {"adapter_config.json", "adapter_model.safetensors"},
		"choose a repository that has":          {"config.json", "flax_model.msgpack"},
		"no *.safetensors among its 2 files":    {"config.json", "consolidated.safetensors"},
		"no config.json among its 2 files":      {"model.safetensors", "README.md"},
		"no config.json among its 0 files; cho": {},
	} {
		s := newStub(t)
		s.files = map[string][]byte{}
		for _, name := range files {
			s.files[name] = []byte("x")
		}
		c, _ := s.client(t, Options{})
		_, err := c.Snapshot(t.Context(), testRepo, "main", nil)
		require.ErrorIs(t, err, ErrNotFound, hint)
		assert.ErrorContains(t, err, hint)
		assertSafe(t, err)
	}
}

func TestProgress(t *testing.T) {
	s := newStub(t)
	last := map[string]int64{}
	var inside sync.Mutex
	c, _ := s.client(t, Options{Progress: func(file string, done, total int64) {
		if !inside.TryLock() {
			t.Error("calls overlap")
			return
		}
		defer inside.Unlock()
		assert.GreaterOrEqual(t, done, last[file])
		assert.Equal(t, int64(len(s.files[file])), total)
		last[file] = done
		time.Sleep(time.Millisecond)
	}})
	_, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	require.Len(t, last, 3)
	for file, done := range last {
		assert.Equal(t, int64(len(s.files[file])), done, file)
	}
}

// Many clients, one cache: every blob is fetched once, and all get the whole snapshot.
func TestConcurrentClients(t *testing.T) {
	s := newStub(t)
	cacheDir := t.TempDir()
	var wg sync.WaitGroup
	for range 6 {
		c, _ := s.client(t, Options{CacheDir: cacheDir})
		wg.Go(func() {
			dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
			if assert.NoError(t, err) {
				assertFiles(t, dir, s.lmFiles())
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 1, s.count("GET storage"))
}

func TestNames(t *testing.T) {
	for _, repo := range []string{"gpt2", "acme/tiny-lm", "Qwen/Qwen2.5-0.5B-Instruct", "_a/b_", "0/1"} {
		assert.NoError(t, ValidateRepo(repo), repo)
	}
	for _, repo := range []string{"", "/", "a/", "/a", "a/b/c", "../a", "a/..", "a/.b", "a/b.", "a/-b", "a--b/c", "a/b--c", "a/b.git", "a b/c", "a\\b", "a/b\n", "é/b", "C:/x", strings.Repeat("a", 97)} {
		assert.ErrorIs(t, ValidateRepo(repo), ErrName, repo)
	}
	for _, rev := range []string{"main", "v1.0", "refs/pr/1", "feature/x_y-z", testCommit, "a@b"} {
		assert.NoError(t, ValidateRevision(rev), rev)
	}
	for _, rev := range []string{"", ".", "..", "a/../b", "/a", "a/", "a//b", "-x", "a b", "a\x00", "a\\b", "a:b", "a~1", "a^", "a?", "a*", "[a", "a..b", "@{0}", "@", ".hidden", "a/.b", "x.lock", "x.", strings.Repeat("a", 201)} {
		assert.ErrorIs(t, ValidateRevision(rev), ErrName, rev)
	}
	s := newStub(t)
	c, _ := s.client(t, Options{})
	_, err := c.Snapshot(t.Context(), "../x", "a..b", nil)
	require.ErrorIs(t, err, ErrName)
	assert.Zero(t, s.count(""))
}

func TestOptions(t *testing.T) {
	_, err := New(Options{Endpoint: "ftp://x", Token: "hf_one two"})
	require.Error(t, err)
	assert.ErrorContains(t, err, "CacheDir is empty")
	assert.ErrorContains(t, err, "Endpoint")
	assert.ErrorContains(t, err, "Token")
	assert.NotContains(t, err.Error(), "hf_one")

	_, err = New(Options{CacheDir: "x", Endpoint: "https://user:geheim@hub"})
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "geheim")

	c, err := New(Options{CacheDir: "x"})
	require.NoError(t, err)
	assert.Equal(t, DefaultEndpoint, c.endpoint.String())
	assert.True(t, filepath.IsAbs(c.cacheDir))
}

// An endpoint may live below a path and be given with a trailing slash.
func TestEndpointWithPath(t *testing.T) {
	s := newStub(t)
	proxy := httptest.NewServer(http.StripPrefix("/api/hf/remote", http.HandlerFunc(s.serveHub)))
	defer proxy.Close()
	delete(s.files, "tokenizer.json") // its redirect is host-relative and would leave the path
	c, err := New(Options{Endpoint: proxy.URL + "/api/hf/remote/", CacheDir: t.TempDir()})
	require.NoError(t, err)
	dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	assertFiles(t, dir, s.lmFiles())
}

func TestCausalLM(t *testing.T) {
	for _, name := range []string{"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
		"additional_chat_templates/tool_use.jinja", "model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json", "merges.txt"} {
		assert.True(t, CausalLM(name), name)
	}
	for _, name := range []string{"pytorch_model.bin", "model.onnx", "onnx/config.json", "original/consolidated.safetensors", "consolidated.safetensors",
		"model.fp16.safetensors", "tiny.gguf", "README.md", "model.safetensors.exe", "../config.json", "additional_chat_templates/../x.jinja.py", ""} {
		assert.False(t, CausalLM(name), name)
	}
}

func ExampleClient_Snapshot() {
	s := &stub{
		files:     map[string][]byte{"config.json": []byte("{}"), "model.safetensors": []byte("…"), "pytorch_model.bin": []byte("…")},
		revisions: map[string]string{"main": testCommit},
	}
	server := httptest.NewServer(http.HandlerFunc(s.serveHub))
	defer server.Close()
	cacheDir, _ := os.MkdirTemp("", "hub")
	defer os.RemoveAll(cacheDir)

	c, err := New(Options{Endpoint: server.URL, CacheDir: cacheDir})
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := c.Snapshot(context.Background(), "acme/tiny-lm", "main", nil)
	entries, _ := os.ReadDir(dir)
	fmt.Println(entries[0].Name(), entries[1].Name(), len(entries), err)
	// Output: config.json model.safetensors 2 <nil>
}
