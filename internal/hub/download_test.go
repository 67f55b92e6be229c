package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// cut sends the first n bytes of what was promised and breaks the connection.
func cut(w http.ResponseWriter, data []byte, n int) {
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data[:n])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func TestResumeInOneCall(t *testing.T) {
	s := newStub(t)
	weights := s.files["model.safetensors"]
	s.onStorage = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") == "" {
			cut(w, weights, 100_000)
		}
		return false
	}
	var most, least int64 = 0, 1 << 62
	c, waits := s.client(t, Options{Progress: func(file string, done, total int64) {
		if file == "model.safetensors" {
			most, least = max(most, done), min(least, done)
		}
	}})
	dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	assertFiles(t, dir, s.lmFiles())
	assert.Equal(t, 1, s.count("GET storage", "bytes="), "the rest was fetched by one range")
	assert.Zero(t, s.count("bytes=0-"))
	assert.Len(t, *waits, 1)
	assert.Equal(t, int64(len(weights)), most)
	assert.Zero(t, least)
}

// Progress resets the count of failures: a line that breaks all the time still gets there.
func TestResumeManyTimes(t *testing.T) {
	s := newStub(t)
	weights := s.files["model.safetensors"]
	s.onStorage = func(w http.ResponseWriter, r *http.Request) bool {
		from := 0
		if rng := r.Header.Get("Range"); rng != "" {
			_, _ = fmt.Sscanf(rng, "bytes=%d-", &from)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(weights)-1, len(weights)))
		}
		rest := weights[from:]
		w.Header().Set("Content-Length", strconv.Itoa(len(rest)))
		if from > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = w.Write(rest[:min(len(rest), 20_000)])
		if len(rest) > 20_000 {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		return true
	}
	c, waits := s.client(t, Options{})
	dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	assertFiles(t, dir, s.lmFiles())
	assert.Greater(t, len(*waits), 2*attempts)
}

// A run that gave up leaves no snapshot, and the next run, another client, goes on with its bytes.
func TestResumeNextRun(t *testing.T) {
	s := newStub(t)
	weights := s.files["model.safetensors"]
	first := true
	s.onStorage = func(w http.ResponseWriter, r *http.Request) bool {
		if first {
			first = false
			cut(w, weights, 100_000)
		}
		refuse(w, http.StatusServiceUnavailable, "", "down")
		return true
	}
	c, _ := s.client(t, Options{})
	_, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.ErrorIs(t, err, ErrUnavailable)
	assert.Equal(t, "model.safetensors", assertSafe(t, err).File)
	assert.NoDirExists(t, c.cacheOf(testRepo).path("snapshots"))
	assert.NoDirExists(t, c.cacheOf(testRepo).path("refs"))
	info, err := os.Stat(c.cacheOf(testRepo).path("blobs/" + sha256sum(weights) + ".incomplete"))
	require.NoError(t, err)
	require.Positive(t, info.Size())

	s.onStorage = nil
	s.forget()
	var least int64 = 1 << 62
	c, _ = s.client(t, Options{CacheDir: c.cacheDir, Progress: func(file string, done, total int64) { least = min(least, done) }})
	dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	assertFiles(t, dir, s.lmFiles())
	assert.Equal(t, 1, s.count("GET storage", fmt.Sprintf("bytes=%d-", info.Size())))
	assert.Equal(t, 1, s.count("GET"+" storage"))
	assert.NoFileExists(t, c.cacheOf(testRepo).path("blobs/"+sha256sum(weights)+".incomplete"))
}

func TestPartialFiles(t *testing.T) {
	s := newStub(t)
	weights := s.files["model.safetensors"]
	for name, tc := range map[string]struct {
		partial   []byte
		onStorage func(w http.ResponseWriter, r *http.Request) bool
		gets      int
	}{
		"good":         {partial: weights[:1000], gets: 1},
		"whole":        {partial: weights, gets: 0},
		"too long":     {partial: append([]byte("x"), weights...), gets: 1},
		"damaged":      {partial: []byte("something else"), gets: 2},
		"whole, wrong": {partial: make([]byte, len(weights)), gets: 1},
		"server ignores ranges": {partial: weights[:1000], gets: 1, onStorage: func(w http.ResponseWriter, r *http.Request) bool {
			_, _ = w.Write(weights)
			return true
		}},
		"416": {partial: weights[:1000], gets: 2, onStorage: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") != "" {
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return true
			}
			return false
		}},
		"another range": {partial: weights[:1000], gets: 2, onStorage: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") != "" {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 500-%d/%d", len(weights)-1, len(weights)))
				w.WriteHeader(http.StatusPartialContent)
				_, _ = w.Write(weights[500:])
				return true
			}
			return false
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s.forget()
			s.onStorage = tc.onStorage
			c, _ := s.client(t, Options{})
			blobs := c.cacheOf(testRepo).path("blobs")
			require.NoError(t, os.MkdirAll(blobs, 0o777))
			require.NoError(t, os.WriteFile(filepath.Join(blobs, sha256sum(weights)+".incomplete"), tc.partial, 0o666))
			dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
			require.NoError(t, err)
			assertFiles(t, dir, s.lmFiles())
			assert.Equal(t, tc.gets, s.count("GET storage"))
		})
	}
}

// A blob or pointer of the wrong size is what a full disk or a crash of another program leaves.
func TestDamagedCacheIsRepaired(t *testing.T) {
	s := newStub(t)
	c, _ := s.client(t, Options{})
	dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(filepath.Join(dir, "model.safetensors"), 10))
	require.NoError(t, os.Remove(c.cacheOf(testRepo).path("blobs/"+gitSum(s.files["config.json"]))))
	require.NoError(t, os.Remove(filepath.Join(dir, "tokenizer.json")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte("not a link"), 0o666))
	dir, err = c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	assertFiles(t, dir, s.lmFiles())
}

func TestWrongContent(t *testing.T) {
	s := newStub(t)
	weights := s.files["model.safetensors"]
	bad := append([]byte{'W'}, weights[1:]...)
	for name, tc := range map[string]struct {
		bodies [][]byte // of the GETs of the weights, in order, the last repeated
		hint   string   // "" = it works in the end
	}{
		"once":     {bodies: [][]byte{bad, weights}},
		"always":   {bodies: [][]byte{bad}, hint: "the hash is"},
		"too long": {bodies: [][]byte{append(weights[:len(weights):len(weights)], 'x')}, hint: "more than the 320000 bytes"},
		"short":    {bodies: [][]byte{weights[:500], weights[500:]}, hint: "ended after 500 of 320000"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32 // the client may ask again before the handler that answered it has returned
			s.onStorage = func(w http.ResponseWriter, r *http.Request) bool {
				_, _ = w.Write(tc.bodies[min(int(asked.Add(1)), len(tc.bodies))-1])
				return true
			}
			if name == "short" {
				s.onStorage = func(w http.ResponseWriter, r *http.Request) bool {
					_, _ = w.Write(weights[:500])
					return true
				}
			}
			c, _ := s.client(t, Options{})
			dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
			if tc.hint == "" {
				require.NoError(t, err)
				assertFiles(t, dir, s.lmFiles())
				return
			}
			assert.Equal(t, "model.safetensors", assertSafe(t, err).File)
			assert.ErrorContains(t, err, tc.hint)
			assert.NoDirExists(t, c.cacheOf(testRepo).path("snapshots"))
			assert.NoFileExists(t, c.cacheOf(testRepo).path("blobs/"+sha256sum(weights)))
			assert.Equal(t, name != "short", errors.Is(err, ErrBadAnswer))
			assert.Equal(t, name == "short", errors.Is(err, ErrUnavailable))
		})
	}

	// Files that git itself keeps are checked against their git hash.
	s.onStorage = nil
	s.onHub = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/config.json") {
			_, _ = w.Write([]byte(`{"model_type":"LLAMA"}`))
			return true
		}
		return false
	}
	c, _ := s.client(t, Options{})
	_, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.ErrorIs(t, err, ErrBadAnswer)
	assert.Equal(t, "config.json", assertSafe(t, err).File)
}

func TestCancel(t *testing.T) {
	s := newStub(t)
	weights := s.files["model.safetensors"]
	ctx, cancel := context.WithCancel(t.Context())
	s.onStorage = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Length", strconv.Itoa(len(weights)))
		_, _ = w.Write(weights[:100_000])
		_ = http.NewResponseController(w).Flush()
		cancel()
		<-r.Context().Done() // the client hung up
		return true
	}
	c, _ := s.client(t, Options{})
	start := time.Now()
	_, err := c.Snapshot(ctx, testRepo, "main", nil)
	require.ErrorIs(t, err, context.Canceled)
	assertSafe(t, err)
	assert.Less(t, time.Since(start), 5*time.Second)
	assert.NoDirExists(t, c.cacheOf(testRepo).path("snapshots"))

	_, err = c.Snapshot(ctx, testRepo, "main", nil)
	require.ErrorIs(t, err, context.Canceled)
}

// A server that accepts and then says nothing, before or amid the body, is given up and asked again.
func TestSilentServer(t *testing.T) {
	s := newStub(t)
	weights := s.files["model.safetensors"]
	var asked atomic.Int32
	s.onStorage = func(w http.ResponseWriter, r *http.Request) bool {
		switch asked.Add(1) {
		case 1:
			<-r.Context().Done()
			return true
		case 2:
			w.Header().Set("Content-Length", strconv.Itoa(len(weights)))
			_, _ = w.Write(weights[:1000])
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return true
		}
		return false
	}
	c, waits := s.client(t, Options{})
	c.stall = 200 * time.Millisecond
	dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	assertFiles(t, dir, s.lmFiles())
	assert.Len(t, *waits, 2)
	assert.Equal(t, 1, s.count("GET storage", "bytes=1000-"))

	asked.Store(0)
	s.onStorage = func(w http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }
	c, _ = s.client(t, Options{})
	c.stall = 20 * time.Millisecond
	_, err = c.Snapshot(t.Context(), testRepo, "main", nil)
	require.ErrorIs(t, err, ErrUnavailable)
	assert.ErrorContains(t, err, "fell silent for 20ms")
	assertSafe(t, err)
}

// fullDisk takes so many bytes and no more.
type fullDisk struct {
	partFile
	room int
}

func (f *fullDisk) Write(p []byte) (int, error) {
	if len(p) <= f.room {
		f.room -= len(p)
		return f.partFile.Write(p)
	}
	n, _ := f.partFile.Write(p[:f.room])
	f.room = 0
	return n, &os.PathError{Op: "write", Path: "blob", Err: syscall.ENOSPC}
}

func TestDiskFull(t *testing.T) {
	s := newStub(t)
	c, waits := s.client(t, Options{})
	c.openPart = func(root *os.Root, name string) (partFile, error) {
		f, err := openPart(root, name)
		return &fullDisk{f, 50_000}, err
	}
	_, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.ErrorIs(t, err, syscall.ENOSPC)
	assertSafe(t, err)
	assert.ErrorContains(t, err, "free space")
	assert.ErrorContains(t, err, "needs 320000 bytes")
	assert.Empty(t, *waits, "a full disk is no fault of the network")
	assert.NoDirExists(t, c.cacheOf(testRepo).path("snapshots"))

	// With room again, the 50 000 bytes are not fetched twice.
	c.openPart = openPart
	s.forget()
	dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	assertFiles(t, dir, s.lmFiles())
	assert.Equal(t, 1, s.count("GET storage", "bytes=50000-"))
}

func TestUnwritableCache(t *testing.T) {
	s := newStub(t)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	c, _ := s.client(t, Options{CacheDir: filepath.Join(file, "cache")})
	_, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.Error(t, err)
	assertSafe(t, err)
	assert.ErrorContains(t, err, "choose another cache folder")
}
