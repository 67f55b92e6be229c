package mlflow

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/mlflowtest"
	"github.com/docent-ml/docent/registry"
)

// away makes a server seem to be down.
func away(s *mlflowtest.Fake) *atomic.Bool {
	var down atomic.Bool
	s.Intercept = func(http.ResponseWriter, *http.Request) bool {
		if down.Load() {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	return &down
}

func kept(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+journalSuffix))
	require.NoError(t, err)
	return names
}

// TestTrainingGoesOn: the server is away for a while, and the metrics arrive with the times of their steps.
func TestTrainingGoesOn(t *testing.T) {
	for what, dir := range map[string]string{"on disk": t.TempDir(), "in memory": ""} {
		t.Run(what, func(t *testing.T) {
			s, url := fake(t)
			down := away(s)
			log, said := capture()
			began, minutes := time.UnixMilli(1_700_000_000_000).UTC(), atomic.Int64{}
			clock := func() time.Time { return began.Add(time.Duration(minutes.Load()) * time.Minute) }
			c := hasten(newClient(t, Options{URL: url, BufferDir: dir, Logger: log, Now: clock}))
			run, err := c.StartRun(t.Context(), "e", "", nil)
			require.NoError(t, err)
			down.Store(true)
			waited := time.Now()
			for step := range int64(300) {
				minutes.Store(step)
				require.NoError(t, run.LogMetrics(t.Context(), step, map[string]float64{"loss": float64(step), "lr": 1}))
			}
			assert.Less(t, time.Since(waited), c.s.o.Patience/2, "training does not wait")
			require.Eventually(t, func() bool { return strings.Contains(said.String(), "metrics wait") }, time.Minute, time.Millisecond)
			time.Sleep(20 * time.Millisecond)
			down.Store(false)
			require.Eventually(t, func() bool { return strings.Contains(said.String(), "takes metrics again") }, time.Minute, time.Millisecond)
			require.NoError(t, run.End(t.Context(), registry.Finished))
			for step := range int64(300) {
				require.Equal(t, 1, s.Points(run.ID(), "loss", step), "step %d", step)
			}
			for p, err := range c.MetricHistory(t.Context(), run.ID(), "loss") {
				require.NoError(t, err)
				require.Equal(t, began.Add(time.Duration(p.Step)*time.Minute), p.Time, "when it was logged, not when it was sent")
			}
			assert.Equal(t, 1, strings.Count(said.String(), "level=WARN"), "an outage is told once")
			if dir != "" {
				assert.Empty(t, kept(t, dir))
			}
		})
	}
}

// TestEndWithoutServer: the run ends while the server is away. That is told, and the next run tells the server.
func TestEndWithoutServer(t *testing.T) {
	s, url := fake(t)
	down := away(s)
	dir := t.TempDir()
	first, err := New(Options{URL: url, BufferDir: dir})
	require.NoError(t, err)
	run, err := impatient(first).StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	down.Store(true)
	require.NoError(t, run.LogMetrics(t.Context(), 1, map[string]float64{"a": 1, "b": 2}))
	err = run.End(t.Context(), registry.Failed)
	require.ErrorIs(t, err, registry.ErrUnavailable)
	assert.ErrorContains(t, err, "2 metrics, waits in this file")
	assert.ErrorContains(t, err, "by the next run")
	err = first.Close()
	require.Error(t, err)
	assert.ErrorContains(t, err, dir)
	require.Len(t, kept(t, dir), 1)

	// A client of another server leaves the file alone.
	_, elsewhere := fake(t)
	other, err := hasten(newClient(t, Options{URL: elsewhere, BufferDir: dir})).StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	require.NoError(t, other.End(t.Context(), registry.Finished))
	require.Len(t, kept(t, dir), 1)

	down.Store(false)
	log, said := capture()
	second := hasten(newClient(t, Options{URL: url, BufferDir: dir, Logger: log}))
	next, err := second.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	assert.Contains(t, said.String(), "metrics=2")
	assert.Empty(t, kept(t, dir))
	info, err := second.GetRun(t.Context(), run.ID())
	require.NoError(t, err)
	assert.Equal(t, registry.Failed, info.Status)
	assert.Len(t, info.Metrics, 2)
	require.NoError(t, next.End(t.Context(), registry.Finished))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, "no locks either")
}

// TestRefusedMetrics: what the server will never take is told, and keeps no run open.
func TestRefusedMetrics(t *testing.T) {
	s, url := fake(t)
	s.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "log-batch") {
			return false
		}
		http.Error(w, `{"error_code":"INVALID_PARAMETER_VALUE","message":"not this one"}`, http.StatusBadRequest)
		return true
	}
	c, err := New(Options{URL: url, BufferDir: t.TempDir()})
	require.NoError(t, err)
	run, err := hasten(c).StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	require.NoError(t, run.LogMetrics(t.Context(), 1, map[string]float64{"a": 1, "b": 2}))
	for range 2 {
		err = run.End(t.Context(), registry.Failed)
		require.ErrorIs(t, err, registry.ErrInvalid)
		assert.ErrorContains(t, err, "2 metrics, waits in this file")
		assert.ErrorContains(t, err, "not this one")
	}
	info, err := c.GetRun(t.Context(), run.ID())
	require.NoError(t, err)
	assert.Equal(t, registry.Failed, info.Status)
	require.Error(t, c.Close())
}

// TestCancelledStart: no run is left running that nobody holds.
func TestCancelledStart(t *testing.T) {
	s, url := fake(t)
	down := away(s)
	dir := t.TempDir()
	first, err := New(Options{URL: url, BufferDir: dir})
	require.NoError(t, err)
	run, err := impatient(first).StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	down.Store(true)
	require.NoError(t, run.LogMetrics(t.Context(), 1, map[string]float64{"a": 1}))
	require.Error(t, first.Close())
	down.Store(false)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.Locked(func() {
		s.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "log-batch") {
				cancel()
				panic(http.ErrAbortHandler)
			}
			return false
		}
	})
	_, err = hasten(newClient(t, Options{URL: url, BufferDir: dir})).StartRun(ctx, "e", "", nil)
	require.ErrorIs(t, err, context.Canceled)
	runs, _, _ := s.Counts()
	assert.Equal(t, 1, runs)
}

func TestMemoryIsLostAndSaysSo(t *testing.T) {
	s, url := fake(t)
	down := away(s)
	c, err := New(Options{URL: url})
	require.NoError(t, err)
	run, err := hasten(c).StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	down.Store(true)
	require.NoError(t, run.LogMetrics(t.Context(), 1, map[string]float64{"a": 1}))
	assert.ErrorContains(t, c.Close(), "1 metrics are not sent, and will be lost")
}

const (
	childServer = "MLFLOW_TEST_CHILD_SERVER"
	childDir    = "MLFLOW_TEST_CHILD_DIR"
	childSteps  = 400
)

// TestMain makes this program the trainer that the next test kills.
func TestMain(m *testing.M) {
	if url := os.Getenv(childServer); url != "" {
		if err := childMain(url, os.Getenv(childDir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func childMain(url, dir string) error {
	c, err := New(Options{URL: url, BufferDir: dir})
	if err != nil {
		return err
	}
	ctx := context.Background()
	run, err := hasten(c).StartRun(ctx, "crash", "", nil)
	if err != nil {
		return err
	}
	for step := range int64(childSteps) {
		if err := run.LogMetrics(ctx, step, map[string]float64{"loss": float64(step)}); err != nil {
			return err
		}
	}
	fmt.Println(run.ID())
	select {} // until it is killed
}

func TestTrainerKilled(t *testing.T) {
	s := mlflowtest.NewFake()
	requireNothingLost(t, s)
	assert.Empty(t, s.Faults())
}

// requireNothingLost kills a process that trains. What it had logged and not sent, or sent and not noted, is there once
// when its run goes on.
func requireNothingLost(t *testing.T, server http.Handler) {
	dir := t.TempDir()
	var batches atomic.Int32
	var good atomic.Bool
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if good.Load() || !strings.HasSuffix(r.URL.Path, "log-batch") {
			server.ServeHTTP(w, r)
			return
		}
		server.ServeHTTP(httptest.NewRecorder(), r) // the server does it and the trainer never knows
		batches.Add(1)
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(listener.Close)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childServer+"="+listener.URL, childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var id string
	_, err = fmt.Fscanln(out, &id)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return batches.Load() > 0 }, time.Minute, time.Millisecond)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	require.Len(t, kept(t, dir), 1)
	// And a crash in the middle of a line.
	f, err := os.OpenFile(kept(t, dir)[0], os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"time":1,"step":9`)
	require.NoError(t, err)
	require.NoError(t, f.Close())

	good.Store(true)
	c := hasten(newClient(t, Options{URL: listener.URL, BufferDir: dir}))
	info, err := c.GetRun(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, registry.Running, info.Status, "nobody has ended it")
	run, err := c.ResumeRun(t.Context(), id)
	require.NoError(t, err)
	require.NoError(t, run.LogMetrics(t.Context(), childSteps, map[string]float64{"loss": childSteps}))
	require.NoError(t, run.End(t.Context(), registry.Finished))
	next := int64(0)
	for p, err := range c.MetricHistory(t.Context(), id, "loss") {
		require.NoError(t, err)
		require.Equal(t, next, p.Step, "each step once")
		require.EqualValues(t, next, p.Value)
		next++
	}
	assert.EqualValues(t, childSteps+1, next)
	assert.Empty(t, kept(t, dir))
	info, err = c.GetRun(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, registry.Finished, info.Status)
}

// Files that are no journals stop nobody from training, and are kept and told.
func TestDamagedJournals(t *testing.T) {
	_, url := fake(t)
	dir := t.TempDir()
	head := fmt.Sprintf("{\"server\":%q,\"run\":\"r\"}\n", url)
	for name, text := range map[string]string{
		"not-json": "hello\n", "no-run": strings.Replace(head, `"r"`, `"../r"`, 1) + "{}\n", "bad-line": head + "{\"time\":1,\"metrics\":{\"a\":1}}\nxxx\n",
		"unknown-run": head + "{\"time\":1,\"metrics\":{\"a\":1}}\n", "empty": "", "torn-head": head[:10],
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+journalSuffix), []byte(text), 0o600))
	}
	log, said := capture()
	c := hasten(newClient(t, Options{URL: url, BufferDir: dir, Logger: log}))
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	require.NoError(t, run.End(t.Context(), registry.Finished))
	assert.Equal(t, 4, strings.Count(said.String(), "metrics of an earlier run are not sent"))
	assert.Len(t, kept(t, dir), 4, "what never held anything is removed")
}

// Whatever lies in the folder, it is read to its end or refused.
func FuzzJournal(f *testing.F) {
	f.Add([]byte("{\"server\":\"http://x\",\"run\":\"r\"}\n{\"time\":1,\"step\":2,\"metrics\":{\"a\":\"NaN\"}}\n"))
	f.Add([]byte("{\"server\":\"http://x\",\"run\":\"r\"}\n{\"time\":1,\"end\":\"FAILED\"}\n{"))
	f.Add([]byte("\n\n"))
	dir := f.TempDir()
	c, err := New(Options{URL: "http://x"})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		name := filepath.Join(dir, "f"+journalSuffix)
		require.NoError(t, os.WriteFile(name, data, 0o600))
		j := newJournal(c.s, "")
		if err := j.reopen(name); err != nil || j.file == nil {
			return
		}
		defer j.file.Close()
		for len(j.waiting) > 0 {
			before := len(j.waiting)
			entries, _ := j.next()
			require.NotEmpty(t, entries)
			require.NoError(t, j.taken(len(entries)))
			require.Less(t, len(j.waiting), before)
		}
	})
}
