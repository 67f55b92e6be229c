package hub

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	testRepo   = "acme/tiny-lm"
	testToken  = "hf_SecretSecretSecret"
	testCommit = "0123456789abcdef0123456789abcdef01234567"
)

// stub is a Hub with one repository and, on a second server, its storage host.
type stub struct {
	hub, storage *httptest.Server
	files        map[string][]byte
	lfs          map[string]bool // kept on the storage host
	revisions    map[string]string
	noBlobs      bool // a mirror that ignores ?blobs=true

	// Faults: they handle a request and report true, or leave it to the stub.
	onHub, onStorage func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	requests []string // "GET hub /path [Range]"
	leaked   bool     // the storage host saw the token
}

func newStub(t *testing.T) *stub {
	s := &stub{
		files: map[string][]byte{
			"config.json":       []byte(`{"model_type":"llama"}`),
			"tokenizer.json":    []byte(`{"version":"1.0"}`),
			"model.safetensors": bytes.Repeat([]byte("weights!"), 40_000),
			"pytorch_model.bin": []byte("pickle"),
			"onnx/model.onnx":   []byte("onnx"),
			"README.md":         []byte("# tiny"),
		},
		lfs:       map[string]bool{"model.safetensors": true, "pytorch_model.bin": true, "onnx/model.onnx": true},
		revisions: map[string]string{"main": testCommit, "v1.0": testCommit, "refs/pr/1": testCommit, testCommit: testCommit},
	}
	s.hub = httptest.NewServer(http.HandlerFunc(s.serveHub))
	s.storage = httptest.NewServer(http.HandlerFunc(s.serveStorage))
	t.Cleanup(func() {
		s.hub.Close()
		s.storage.Close()
		assert.False(t, s.leaked, "the token reached the storage host")
	})
	return s
}

func (s *stub) record(server string, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, strings.TrimSpace(r.Method+" "+server+" "+r.URL.Path+" "+r.Header.Get("Range")))
}

// count tells how many requests contained all parts, and forgets nothing.
func (s *stub) count(parts ...string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
next:
	for _, r := range s.requests {
		for _, p := range parts {
			if !strings.Contains(r, p) {
				continue next
			}
		}
		n++
	}
	return n
}

func (s *stub) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

func (s *stub) serveHub(w http.ResponseWriter, r *http.Request) {
	s.record("hub", r)
	if s.onHub != nil && s.onHub(w, r) {
		return
	}
	if rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/api/models/"+testRepo+"/revision/"); ok {
		revision := strings.ReplaceAll(rest, "%2F", "/")
		commit, ok := s.revisions[revision]
		if !ok {
			refuse(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id: "+revision)
			return
		}
		_ = json.NewEncoder(w).Encode(s.listing(commit))
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/"+testRepo+"/resolve/")
	if !ok {
		refuse(w, http.StatusNotFound, "RepoNotFound", "Repository not found")
		return
	}
	commit, name, _ := strings.Cut(rest, "/")
	if full, ok := s.revisions[commit]; ok {
		commit = full
	}
	data, ok := s.files[name]
	w.Header().Set("X-Repo-Commit", commit)
	switch {
	case !ok:
		refuse(w, http.StatusNotFound, "EntryNotFound", "Entry not found")
	case s.lfs[name]:
		w.Header().Set("X-Linked-Etag", `"`+sha256sum(data)+`"`)
		w.Header().Set("X-Linked-Size", strconv.Itoa(len(data)))
		w.Header().Set("Location", s.storage.URL+"/bucket/"+name+"?X-Amz-Signature=SignedSignedSigned")
		w.WriteHeader(http.StatusFound)
	case name == "tokenizer.json" && !r.URL.Query().Has("moved"):
		// As the Hub does for small files: a relative redirect that needs the token again.
		w.Header().Set("Location", "/"+testRepo+"/resolve/"+commit+"/"+name+"?moved=1")
		w.WriteHeader(http.StatusTemporaryRedirect)
	default:
		w.Header().Set("ETag", `"`+gitSum(data)+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}
}

func (s *stub) serveStorage(w http.ResponseWriter, r *http.Request) {
	s.record("storage", r)
	if r.Header.Get("Authorization") != "" || strings.Contains(fmt.Sprint(r.Header), testToken) {
		s.mu.Lock()
		s.leaked = true
		s.mu.Unlock()
	}
	if s.onStorage != nil && s.onStorage(w, r) {
		return
	}
	w.Header().Set("ETag", `"multipart-7"`) // storage hosts have etags of their own
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.files[strings.TrimPrefix(r.URL.Path, "/bucket/")]))
}

func (s *stub) listing(commit string) map[string]any {
	siblings := []map[string]any{}
	for name, data := range s.files {
		entry := map[string]any{"rfilename": name}
		if !s.noBlobs {
			entry["size"], entry["blobId"] = len(data), gitSum(data)
			if s.lfs[name] {
				entry["lfs"] = map[string]any{"sha256": sha256sum(data), "size": len(data), "pointerSize": 134}
			}
		}
		siblings = append(siblings, entry)
	}
	return map[string]any{"id": testRepo, "sha": commit, "gated": false, "siblings": siblings}
}

// refuse answers as the Hub does.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Error-Code", code)
	w.Header().Set("X-Error-Message", message)
	w.WriteHeader(status)
}

// client talks to the stub; its waits take no time but are counted.
func (s *stub) client(t *testing.T, o Options) (*Client, *[]time.Duration) {
	o.Endpoint = s.hub.URL
	if o.CacheDir == "" {
		o.CacheDir = t.TempDir()
	}
	if o.Token == "" {
		o.Token = testToken
	}
	logs := &safeBuffer{}
	o.Logger = slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c, err := New(o)
	require.NoError(t, err)
	waits := &[]time.Duration{}
	var mu sync.Mutex
	c.sleep = func(ctx context.Context, d time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		*waits = append(*waits, d)
		return ctx.Err()
	}
	t.Cleanup(func() {
		assert.NotContains(t, logs.String(), testToken)
		assert.NotContains(t, logs.String(), "SignedSigned")
		assertTidy(t, c.cacheDir)
	})
	return c, waits
}

// assertTidy: no temporary file is left, and every pointer leads to a blob.
func assertTidy(t *testing.T, cacheDir string) {
	_ = filepath.WalkDir(cacheDir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // the folder need not be there
		}
		assert.NotEqual(t, ".tmp", filepath.Ext(name), name)
		if d.Type()&fs.ModeSymlink != 0 {
			target, _ := os.Readlink(name)
			assert.False(t, filepath.IsAbs(target), "%s -> %s", name, target)
			_, err := os.Stat(name)
			assert.NoError(t, err)
		}
		return nil
	})
}

func assertFiles(t *testing.T, dir string, want map[string][]byte) {
	t.Helper()
	got := map[string][]byte{}
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		got[filepath.ToSlash(rel)], err = os.ReadFile(name)
		return err
	}))
	require.Len(t, got, len(want))
	for name := range want {
		require.True(t, bytes.Equal(want[name], got[name]), name)
	}
}

// lmFiles are those that CausalLM takes.
func (s *stub) lmFiles() map[string][]byte {
	files := map[string][]byte{}
	for name, data := range s.files {
		if CausalLM(name) {
			files[name] = data
		}
	}
	return files
}

// assertSafe checks what every error owes: type, place, and silence about secrets.
func assertSafe(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	assert.NotEmpty(t, e.Op)
	assert.Equal(t, testRepo, e.Repo)
	assert.NotContains(t, err.Error(), testToken)
	assert.NotContains(t, err.Error(), "SignedSigned")
	assert.NotContains(t, err.Error(), "\n")
	assert.NotContains(t, fmt.Sprintf("%+v", err), testToken)
	return e
}

func sha256sum(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

func gitSum(data []byte) string {
	return fmt.Sprintf("%x", sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(data)), data...)))
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
