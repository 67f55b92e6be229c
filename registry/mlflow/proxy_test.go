package mlflow

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
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

// spoils are what proxies do to an answer.
var spoils = map[string]func(w http.ResponseWriter){
	"429": func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "0")
		http.Error(w, "slow down", http.StatusTooManyRequests)
	},
	"500": func(w http.ResponseWriter) {
		http.Error(w, `{"error_code":"INTERNAL_ERROR","message":"database is locked"}`, 500)
	},
	"502": func(w http.ResponseWriter) { http.Error(w, "<html>Bad Gateway</html>", http.StatusBadGateway) },
	"HTML": func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>please log in</html>")
	},
	"half a body": func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"run": {"info`)
		panic(http.ErrAbortHandler)
	},
	"half a body that looks whole": func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"run": {"info`) },
	"504": func(w http.ResponseWriter) {
		http.Error(w, "upstream request timeout", http.StatusGatewayTimeout)
	},
	"nothing":       func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	"an empty body": func(http.ResponseWriter) {},
	"hanging":       func(http.ResponseWriter) { time.Sleep(hangs) },
}

const hangs = 600 * time.Millisecond

// spoiler is a proxy that spoils every second answer to each call, after the server behind it has done what was asked.
type spoiler struct {
	server http.Handler
	spoil  func(w http.ResponseWriter)
	refuse bool // instead of asking the server

	mu sync.Mutex
	n  map[string]int
}

func (p *spoiler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Method + r.URL.Path + r.URL.Query().Get("path")
	p.mu.Lock()
	p.n[key]++
	good := p.n[key]%2 == 0
	p.mu.Unlock()
	if good || r.URL.Path == "/version" {
		p.server.ServeHTTP(w, r)
		return
	}
	if !p.refuse {
		p.server.ServeHTTP(httptest.NewRecorder(), r)
	}
	p.spoil(w)
}

// requireHarmless does what a trainer does through a spoiler. All of it succeeds, and nothing is made twice.
func requireHarmless(t *testing.T, server http.Handler, what string) {
	direct, proxy := httptest.NewServer(server), httptest.NewServer(&spoiler{server: server, spoil: spoils[what], refuse: what == "429", n: map[string]int{}})
	t.Cleanup(direct.Close)
	t.Cleanup(proxy.Close)
	c := hasten(newClient(t, Options{URL: proxy.URL, BufferDir: t.TempDir()}))
	c.s.reached.Store(true) // it did not begin with a spoiled answer
	if what == "hanging" {
		c.s.o.Timeout = hangs / 2
	}
	name := strings.ReplaceAll(what, " ", "-")
	v := publish(t, c, name, fstest.MapFS{"config.json": {Data: []byte("{}")}, "weights": {Data: []byte(strings.Repeat("w", 300_000))}})
	found, err := c.Resolve(t.Context(), registry.URI{Name: name, Stage: registry.Production})
	require.NoError(t, err)
	assert.Equal(t, v.Number, found.Number)
	require.NoError(t, c.Download(t.Context(), found, filepath.Join(t.TempDir(), "out")))

	look := newClient(t, Options{URL: direct.URL})
	id, err := look.s.experiment(t.Context(), "experiment of "+name)
	require.NoError(t, err)
	runs, _, err := look.s.searchRuns(t.Context(), id, "", 10, "")
	require.NoError(t, err)
	run, err := look.s.run(t.Context(), v.RunID)
	require.NoError(t, err)
	assert.Equal(t, []int{1, 1, 1, 1}, []int{len(run.Data.Params), len(run.Data.Metrics), len(run.Inputs.Datasets), len(run.Outputs.Models)})
	var logged struct {
		Models []wireLoggedModel `json:"models"`
	}
	require.NoError(t, look.s.post(t.Context(), "logged-models/search", map[string][]string{"experiment_ids": {id}}, &logged))
	versions, _, err := look.s.searchVersions(t.Context(), "name="+quoted(name), "")
	require.NoError(t, err)
	assert.Equal(t, []int{1, 1, 1}, []int{len(runs), len(logged.Models), len(versions)}, "runs, logged models, versions")
}

func TestSpoiledAnswers(t *testing.T) {
	for what := range spoils {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := mlflowtest.NewFake()
			requireHarmless(t, s, what)
			assert.Empty(t, s.Faults())
		})
	}
}

// A proxy that cuts every transfer after a while: downloads go on from there.
func TestDownloadsGoOn(t *testing.T) {
	s, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	data := strings.Repeat("0123456789abcdef", 40_000)
	v := publish(t, c, "guide", fstest.MapFS{"weights": {Data: []byte(data)}})
	var ranges atomic.Int32
	s.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/weights") {
			return false
		}
		from := 0
		if text := r.Header.Get("Range"); text != "" {
			_, err := fmt.Sscanf(text, "bytes=%d-", &from)
			assert.NoError(t, err)
			ranges.Add(1)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)-from))
		if from > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		rest := data[from:]
		_, _ = io.WriteString(w, rest[:min(len(rest), 100_000)])
		if len(rest) > 100_000 {
			panic(http.ErrAbortHandler)
		}
		return true
	}
	dir := filepath.Join(t.TempDir(), "out")
	require.NoError(t, c.Download(t.Context(), v, dir))
	assert.EqualValues(t, 6, ranges.Load())

	// One that never gets further is given up, and says where.
	impatient(c)
	s.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/weights") {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			_, _ = io.WriteString(w, data[:50_000])
			panic(http.ErrAbortHandler)
		}
		return false
	}
	err := c.Download(t.Context(), v, filepath.Join(t.TempDir(), "other"))
	require.ErrorIs(t, err, registry.ErrUnavailable)
	assert.ErrorContains(t, err, "breaks off after")
}

// A server that ignores ranges, and a proxy that serves a page instead of the file.
func TestDownloadsFromOddServers(t *testing.T) {
	s, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	data := strings.Repeat("0123456789abcdef", 40_000)
	v := publish(t, c, "guide", fstest.MapFS{"weights": {Data: []byte(data)}})
	var n atomic.Int32
	s.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/weights") {
			return false
		}
		switch n.Add(1) {
		case 1: // a page, with a success
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>maintenance</html>")
		case 2:
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			_, _ = io.WriteString(w, data[:200_000])
			panic(http.ErrAbortHandler)
		default: // from the beginning, whatever was asked for
			_, _ = io.WriteString(w, data)
		}
		return true
	}
	require.NoError(t, c.Download(t.Context(), v, filepath.Join(t.TempDir(), "out")))
	assert.EqualValues(t, 3, n.Load())
}

func TestRetryAfterIsObeyed(t *testing.T) {
	s, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	var calls atomic.Int32
	s.Intercept = func(w http.ResponseWriter, _ *http.Request) bool {
		if calls.Add(1) > 1 {
			return false
		}
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}
	began := time.Now()
	require.NoError(t, c.Ping(t.Context()))
	assert.GreaterOrEqual(t, time.Since(began), time.Second)

	// One that asks for more than the caller's patience is told at once, and a wait ends with its context.
	s.Intercept = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	began = time.Now()
	require.ErrorIs(t, c.Ping(t.Context()), registry.ErrUnavailable)
	c.s.o.Patience = 2 * time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.Ping(ctx), context.DeadlineExceeded)
	assert.Less(t, time.Since(began), time.Minute)
}

// What cannot succeed later is sent once.
func TestPermanentFailuresAreNotRepeated(t *testing.T) {
	s, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	require.NoError(t, c.Ping(t.Context()))
	for what, answer := range map[string]func(w http.ResponseWriter){
		"400": func(w http.ResponseWriter) {
			http.Error(w, `{"error_code":"INVALID_PARAMETER_VALUE","message":"no"}`, 400)
		},
		"401": func(w http.ResponseWriter) { http.Error(w, "who?", 401) },
		"FEATURE_DISABLED": func(w http.ResponseWriter) {
			http.Error(w, `{"error_code":"FEATURE_DISABLED","message":"workspaces"}`, 500)
		},
		"NOT_IMPLEMENTED": func(w http.ResponseWriter) { http.Error(w, `{"error_code":"NOT_IMPLEMENTED","message":"no"}`, 501) },
		"redirect":        func(w http.ResponseWriter) { w.Header().Set("Location", "https://elsewhere/"); w.WriteHeader(301) },
		"serving off":     func(w http.ResponseWriter) { http.Error(w, `{"detail":"running with --no-serve-artifacts"}`, 503) },
	} {
		var calls atomic.Int32
		s.Intercept = func(w http.ResponseWriter, _ *http.Request) bool { calls.Add(1); answer(w); return true }
		err := c.Ping(t.Context())
		require.Error(t, err, what)
		assert.EqualValues(t, 1, calls.Load(), what)
		var typed *registry.Error
		require.ErrorAs(t, err, &typed)
	}
}

// TestRefusedByTheDatabase: MLflow looks and then writes, so of two clients with the same row one is refused. It is sent
// again, and told when it is refused each time.
func TestRefusedByTheDatabase(t *testing.T) {
	s, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	require.NoError(t, run.LogArtifacts(t.Context(), "model", fstest.MapFS{"f": {Data: []byte("x")}}))
	var mu sync.Mutex
	refused, times := map[string]int{}, 2
	s.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if r.Method != http.MethodPost || refused[r.URL.Path] == times {
			return false
		}
		refused[r.URL.Path]++
		http.Error(w, `{"error_code":"BAD_REQUEST","message":"(sqlite3.IntegrityError) UNIQUE constraint failed: params.key"}`, 400)
		return true
	}
	require.NoError(t, run.LogParams(t.Context(), map[string]string{"rank": "8"}))
	require.NoError(t, run.LogInput(t.Context(), registry.Input{Name: "rows"}))
	require.NoError(t, run.LogMetrics(t.Context(), 1, map[string]float64{"loss": 1}))
	_, err = c.Register(t.Context(), "guide", registry.Source{RunID: run.ID(), Path: "model"}, nil)
	require.NoError(t, err)
	require.NoError(t, c.SetAlias(t.Context(), "guide", "best", 1))
	require.NoError(t, run.End(t.Context(), registry.Finished))
	assert.Len(t, refused, 6, "calls that were refused: %v", refused)
	_, _, versions := s.Counts()
	assert.Equal(t, 1, versions)

	mu.Lock()
	clear(refused)
	times = 1000
	mu.Unlock()
	err = c.SetAlias(t.Context(), "guide", "best", 1)
	require.ErrorIs(t, err, registry.ErrInvalid)
	assert.ErrorContains(t, err, "UNIQUE constraint failed")
	assert.ErrorContains(t, err, "look at the server's log")
	assert.Equal(t, map[string]int{"/api/2.0/mlflow/registered-models/alias": databaseAttempts}, refused)
}

// TestLateCommit: the answer gets lost, the search does not find the version yet, and both are made in the end.
func TestLateCommit(t *testing.T) {
	s, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	require.NoError(t, run.LogArtifacts(t.Context(), "model", fstest.MapFS{"f": {Data: []byte("x")}}))
	var spoiled, hidden atomic.Bool
	s.After = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/model-versions/create") && !spoiled.Swap(true) {
			panic(http.ErrAbortHandler)
		}
		if strings.HasSuffix(r.URL.Path, "/model-versions/search") && !hidden.Swap(true) {
			_, _ = io.WriteString(w, "{}")
			return true
		}
		return false
	}
	v, err := c.Register(t.Context(), "guide", registry.Source{RunID: run.ID(), Path: "model"}, nil)
	require.NoError(t, err)
	assert.Equal(t, 1, v.Number)
	_, _, versions := s.Counts()
	assert.Equal(t, 1, versions, "the second one is removed")
	require.NoError(t, run.End(t.Context(), registry.Finished))
}
