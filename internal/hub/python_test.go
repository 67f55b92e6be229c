package hub

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/filelock"
)

// python runs a script with the interpreter in DOCENT_PYTHON, which must have huggingface_hub.
func python(t *testing.T, env []string, script string) string {
	t.Helper()
	interpreter := os.Getenv("DOCENT_PYTHON")
	if interpreter == "" {
		t.Skip("DOCENT_PYTHON names no Python with huggingface_hub: the shared cache is not checked against the original")
	}
	cmd := exec.CommandContext(t.Context(), interpreter, "-c", script)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HF_HUB_DISABLE_TELEMETRY=1"}, env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return strings.TrimSpace(string(out))
}

// serveTree adds the listing that Python asks for.
func (s *stub) serveTree(w http.ResponseWriter, r *http.Request) bool {
	if !strings.Contains(r.URL.Path, "/tree/") {
		return false
	}
	var tree []map[string]any
	for name, data := range s.files {
		entry := map[string]any{"type": "file", "path": name, "size": len(data), "oid": gitSum(data)}
		if s.lfs[name] {
			entry["lfs"] = map[string]any{"oid": sha256sum(data), "size": len(data), "pointerSize": 134}
		}
		tree = append(tree, entry)
	}
	_ = json.NewEncoder(w).Encode(tree)
	return true
}

// Python finds what Go downloaded, and reports a sound cache.
func TestPythonReadsOurCache(t *testing.T) {
	s := newStub(t)
	c, _ := s.client(t, Options{})
	dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	_, err = c.Snapshot(t.Context(), testRepo, "refs/pr/1", nil)
	require.NoError(t, err)
	s.forget()
	out := python(t, []string{"HOME=" + t.TempDir(), "HF_HUB_CACHE=" + c.cacheDir, "HF_ENDPOINT=" + s.hub.URL}, `
from huggingface_hub import snapshot_download, try_to_load_from_cache, scan_cache_dir, hf_hub_download
repo = "`+testRepo+`"
print(snapshot_download(repo, local_files_only=True))
print(snapshot_download(repo, revision="refs/pr/1", local_files_only=True))
print(snapshot_download(repo, revision="`+testCommit+`", local_files_only=True))
print(try_to_load_from_cache(repo, "model.safetensors"))
print(try_to_load_from_cache(repo, "pytorch_model.bin"))
print(hf_hub_download(repo, "model.safetensors"))  # online: it must see that nothing is to be fetched
info = scan_cache_dir()
r, = info.repos
print(r.repo_id, r.nb_files, sorted(r.refs), len(info.warnings))
`)
	weights := filepath.Join(dir, "model.safetensors")
	assert.Equal(t, []string{dir, dir, dir, weights, "None", weights, testRepo + " 3 ['main', 'refs/pr/1'] 0"}, strings.Split(out, "\n"))
	assert.Zero(t, s.count("GET storage"))
}

// What Python downloaded is complete for us, offline and without a request for a file when online.
func TestWeReadPythonsCache(t *testing.T) {
	s := newStub(t)
	s.onHub = s.serveTree
	cacheDir := t.TempDir()
	env := []string{"HOME=" + t.TempDir(), "HF_HUB_CACHE=" + cacheDir, "HF_ENDPOINT=" + s.hub.URL}
	want := python(t, env, `
from huggingface_hub import snapshot_download
print(snapshot_download("`+testRepo+`", ignore_patterns=["*.bin"]))
`)
	offline, _ := s.client(t, Options{CacheDir: cacheDir, Offline: true})
	for _, revision := range []string{"main", testCommit} {
		dir, err := offline.Snapshot(t.Context(), testRepo, revision, nil)
		require.NoError(t, err)
		assert.Equal(t, want, dir)
	}
	s.forget()
	c, _ := s.client(t, Options{CacheDir: cacheDir})
	dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	assert.Equal(t, want, dir)
	assert.Equal(t, 1, s.count(""))

	// The file that Python left out is added to the same snapshot, and Python sees it.
	dir, err = c.Snapshot(t.Context(), testRepo, "main", func(name string) bool { return name == "pytorch_model.bin" })
	require.NoError(t, err)
	assert.Equal(t, want, dir)
	assert.Equal(t, want, python(t, env, `
from huggingface_hub import snapshot_download
print(snapshot_download("`+testRepo+`", local_files_only=True))
`))
}

// Python and Go wait for each other's locks.
func TestPythonLocks(t *testing.T) {
	s := newStub(t)
	c, _ := s.client(t, Options{})
	name := filepath.Join(c.cacheOf(testRepo).locks, sha256sum(s.files["model.safetensors"])+".lock")
	unlock, err := c.lock(t.Context(), name)
	require.NoError(t, err)
	const tryIt = `
import time
from huggingface_hub.utils import WeakFileLock
import filelock
try:
    with WeakFileLock(LOCK, timeout=0.2):
        print("taken", flush=True)
        open(LOCK + ".taken", "w").close()
        time.sleep(HOLD)
except filelock.Timeout:
    print("held")
`
	script := func(hold string) string {
		return strings.NewReplacer("LOCK", `"`+name+`"`, "HOLD", hold).Replace(tryIt)
	}
	assert.Equal(t, "held", python(t, nil, script("0")))
	unlock()
	assert.Equal(t, "taken", python(t, nil, script("0")))

	require.NoError(t, os.Remove(name+".taken"))
	done := make(chan struct{})
	go func() { defer close(done); python(t, nil, script("0.7")) }()
	require.Eventually(t, func() bool { _, err := os.Stat(name + ".taken"); return err == nil }, 30*time.Second, 5*time.Millisecond)
	held, err := filelock.Try(name)
	require.NoError(t, err)
	assert.Nil(t, held)
	unlock, err = c.lock(t.Context(), name)
	require.NoError(t, err)
	unlock()
	<-done
}
