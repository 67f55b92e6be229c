package mlflow

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/mlflowtest"
	"github.com/docent-ml/docent/registry"
)

func TestDownloadsResume(t *testing.T) {
	s := mlflowtest.NewFake()
	requireResumes(t, s)
	assert.Empty(t, s.Faults())
}

// requireResumes breaks a download off twice, the second time for good. What has arrived is not sent again, neither to the
// same call nor to the one of a next process.
func requireResumes(t *testing.T, server http.Handler) {
	const size = 8 << 20
	cut := &cutter{server: server}
	listener := httptest.NewServer(cut)
	t.Cleanup(listener.Close)
	c := hasten(newClient(t, Options{URL: listener.URL}))
	v := publish(t, c, "resumed", fstest.MapFS{"big": {Data: []byte(strings.Repeat("0123456789abcdef", size/16))}})
	cut.from = nil // the promotion has read the file
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir := filepath.Join(t.TempDir(), "out")
	cut.after = []func(){func() {}, func() {
		assert.Eventually(t, func() bool { return partSize(dir) > size/2 }, time.Minute, time.Millisecond)
		cancel()
	}}
	require.ErrorIs(t, c.Download(ctx, v, dir), context.Canceled)
	require.NoDirExists(t, dir)
	require.NoError(t, hasten(newClient(t, Options{URL: listener.URL})).Download(t.Context(), v, dir))
	require.Len(t, cut.from, 3, "requests for the file: %v", cut.from)
	assert.Zero(t, cut.from[0])
	assert.Positive(t, cut.from[1])
	assert.Greater(t, cut.from[2], cut.from[1])
}

// partSize is the size of the one file that is being downloaded to a folder.
func partSize(dir string) int64 {
	parts, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".out.partial", "parts", "*"))
	if len(parts) != 1 {
		return 0
	}
	info, err := os.Stat(parts[0])
	if err != nil {
		return 0
	}
	return info.Size()
}

// cutter is a proxy that cuts answers to requests for a file "big" in half, each time after which it does something.
type cutter struct {
	server http.Handler
	after  []func()

	mu   sync.Mutex
	from []int64 // offsets that were asked for
}

func (c *cutter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/big") {
		c.server.ServeHTTP(w, r)
		return
	}
	from, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-"), 10, 64)
	c.mu.Lock()
	c.from = append(c.from, from)
	n := len(c.from)
	c.mu.Unlock()
	if n > len(c.after) {
		c.server.ServeHTTP(w, r)
		return
	}
	half := &halfWriter{ResponseWriter: w}
	c.server.ServeHTTP(half, r)
	c.after[n-1]()
	panic(http.ErrAbortHandler)
}

// halfWriter sends the first half of a body.
type halfWriter struct {
	http.ResponseWriter
	length, sent int
}

func (h *halfWriter) WriteHeader(status int) {
	h.length, _ = strconv.Atoi(h.Header().Get("Content-Length"))
	h.ResponseWriter.WriteHeader(status)
}

func (h *halfWriter) Write(p []byte) (int, error) {
	if h.sent < h.length/2 {
		n, err := h.ResponseWriter.Write(p)
		h.sent += n
		return n, errors.Join(err, http.NewResponseController(h.ResponseWriter).Flush())
	}
	return len(p), nil
}

// TestSeveralAtATime: no transfer ends before as many run as are allowed.
func TestSeveralAtATime(t *testing.T) {
	s, url := fake(t)
	c := hasten(newClient(t, Options{URL: url, Transfers: 3}))
	var mu sync.Mutex
	var running, most int
	together := make(chan struct{})
	s.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/part-") {
			return false
		}
		mu.Lock()
		running++
		most = max(most, running)
		if running == 3 {
			close(together)
		}
		all := together
		mu.Unlock()
		select {
		case <-all:
		case <-time.After(time.Minute):
			t.Error("others do not come")
		}
		time.Sleep(time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		if running--; running == 0 {
			together = make(chan struct{})
		}
		return false
	}
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	require.NoError(t, run.LogArtifacts(t.Context(), "", fstest.MapFS{"part-1": {Data: []byte("1")}, "part-2": {Data: []byte("2")}, "part-3": {Data: []byte("3")}}))
	v, err := c.Resolve(t.Context(), registry.URI{RunID: run.ID()})
	require.NoError(t, err)
	require.NoError(t, c.Download(t.Context(), v, filepath.Join(t.TempDir(), "out")))
	require.NoError(t, run.End(t.Context(), registry.Finished))
	assert.Equal(t, 3, most)
}

// TestSizesAreCompared: what the server lost is noticed before anybody can register it, and again by whoever registers.
func TestSizesAreCompared(t *testing.T) {
	for what, lose := range map[string]func(s *mlflowtest.Fake, name string){
		"the server has 2 bytes of 7":       func(s *mlflowtest.Fake, name string) { s.Files()[name] = s.Files()[name][:2] },
		"the server does not have the file": func(s *mlflowtest.Fake, name string) { delete(s.Files(), name) },
	} {
		t.Run(what, func(t *testing.T) {
			s, url := fake(t)
			c := hasten(newClient(t, Options{URL: url}))
			run, err := c.StartRun(t.Context(), "e", "", nil)
			require.NoError(t, err)
			model := fstest.MapFS{"weights": {Data: []byte("weights")}, "config.json": {Data: []byte("{}")}}
			whole, err := run.LogModel(t.Context(), "model", model)
			require.NoError(t, err)
			loseWeights := func() {
				s.Locked(func() {
					for name := range s.Files() {
						if strings.HasSuffix(name, "/weights") {
							lose(s, name)
						}
					}
				})
			}
			s.After = func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/weights") {
					loseWeights()
				}
				return false
			}
			_, err = run.LogModel(t.Context(), "model", model)
			require.ErrorIs(t, err, registry.ErrCorrupt)
			assert.ErrorContains(t, err, what)
			assert.ElementsMatch(t, []string{modelReady, modelFailed}, s.Loggeds())
			err = run.LogArtifacts(t.Context(), "files", model)
			require.ErrorIs(t, err, registry.ErrCorrupt)
			assert.ErrorContains(t, err, "weights: ")
			_, err = c.Resolve(t.Context(), registry.URI{RunID: run.ID(), Path: "files"})
			require.ErrorIs(t, err, registry.ErrNotFound)

			_, err = c.Register(t.Context(), "guide", whole, nil)
			require.ErrorIs(t, err, registry.ErrCorrupt)
			assert.ErrorContains(t, err, what)
			_, _, versions := s.Counts()
			assert.Zero(t, versions)
			require.NoError(t, run.End(t.Context(), registry.Failed))
		})
	}
}

// TestServersFullDisk answers as MLflow 3.17 on a full disk: without a reason for a file, with one for a row. It is waited
// for, and then told.
func TestServersFullDisk(t *testing.T) {
	s, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	var room atomic.Int32 // after so many requests
	s.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet || room.Add(-1) < 0 {
			return false
		}
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte("Internal Server Error"))
			return true
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT INTO runs"}`))
		return true
	}
	room.Store(3)
	require.NoError(t, run.LogArtifacts(t.Context(), "", fstest.MapFS{"f": {Data: []byte("f")}}), "somebody has made room")
	room.Store(3)
	require.NoError(t, run.SetTags(t.Context(), map[string]string{"a": "b"}))

	impatient(c)
	room.Store(1 << 30)
	err = run.LogArtifacts(t.Context(), "", fstest.MapFS{"g": {Data: []byte("g")}})
	require.ErrorIs(t, err, registry.ErrUnavailable)
	assert.ErrorContains(t, err, "whether its disk is full")
	err = run.SetTags(t.Context(), map[string]string{"a": "c"})
	require.ErrorIs(t, err, registry.ErrUnavailable)
	assert.ErrorContains(t, err, "make room on the MLflow server's disk")
	room.Store(0)
	require.NoError(t, run.End(t.Context(), registry.Failed))
}
