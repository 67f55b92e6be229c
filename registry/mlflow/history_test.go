package mlflow

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
)

// TestMovedElsewhere: somebody moves the alias in MLflow's UI. The history sees it, the next promotion keeps it, and
// rollback goes by it.
func TestMovedElsewhere(t *testing.T) {
	_, url := fake(t)
	requireMovesSeen(t, url)
}

func requireMovesSeen(t *testing.T, url string) {
	c := hasten(newClient(t, Options{URL: url}))
	for _, text := range []string{"1", "2", "3", "4"} {
		publish(t, c, "moved", fstest.MapFS{"f": {Data: []byte(text)}})
	}
	require.NoError(t, c.s.SetAlias(t.Context(), "moved", "production", 2))
	entries := func() (versions []int, whys []string) {
		next := time.Now().Add(time.Minute)
		for p, err := range c.History(t.Context(), "moved") {
			require.NoError(t, err)
			require.Equal(t, registry.Production, p.Stage)
			require.False(t, p.At.IsZero() || p.At.After(next), "times do not run backwards")
			next = p.At
			versions, whys = append(versions, p.Version), append(whys, p.Why)
		}
		return versions, whys
	}
	versions, whys := entries()
	assert.Equal(t, []int{2, 4, 3, 2, 1}, versions)
	assert.Equal(t, registry.Elsewhere, whys[0])
	another := newClient(t, Options{URL: url, Now: func() time.Time { return time.Now().Add(-time.Hour) }}) // its clock is late
	for p, err := range another.History(t.Context(), "moved") {
		require.NoError(t, err)
		assert.Equal(t, 2, p.Version, "seen by two, kept once")
		break
	}
	require.NoError(t, another.s.SetAlias(t.Context(), "moved", "production", 1))
	versions, _ = entries()
	assert.Equal(t, []int{1, 2, 4, 3, 2, 1}, versions, "what was seen is kept when it moves on")
	_, err := another.Promote(t.Context(), "moved", 3, registry.PromoteOptions{By: "ada"})
	require.NoError(t, err)
	versions, whys = entries()
	assert.Equal(t, []int{3, 1, 2, 4, 3, 2, 1}, versions)
	assert.Equal(t, []string{"", registry.Elsewhere, registry.Elsewhere}, whys[:3])

	m, err := c.s.model(t.Context(), "moved")
	require.NoError(t, err)
	kept := 0
	for _, tag := range m.Tags { // what MLflow's UI shows
		if strings.HasPrefix(tag.Key, "docent.promotion.00000") {
			kept++
		}
	}
	assert.Equal(t, 7, kept)
	to, _, err := registry.Rollback(t.Context(), c, "moved", registry.PromoteOptions{})
	require.NoError(t, err)
	assert.Equal(t, 1, to)
	require.NoError(t, c.s.removeVersion(t.Context(), "moved", 1)) // as MLflow's pages let one, while it serves
	versions, _ = entries()
	assert.Zero(t, versions[0], "nobody serves")
}

// TestDamagedHistory names the tag.
func TestDamagedHistory(t *testing.T) {
	_, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	publish(t, c, "guide", fstest.MapFS{"f": {Data: []byte("1")}})
	body := map[string]string{"name": "guide", "key": "docent.promotion.x", "value": "{}"}
	require.NoError(t, c.s.post(t.Context(), "registered-models/set-tag", body, nil))
	_, _, err := registry.Rollback(t.Context(), c, "guide", registry.PromoteOptions{})
	require.ErrorIs(t, err, registry.ErrCorrupt)
	assert.ErrorContains(t, err, "docent.promotion.x")
}

// TestPointsOnce: the answer is lost, and the server keeps runs in files, where what is sent again is stored again.
func TestPointsOnce(t *testing.T) {
	s, url := fake(t)
	s.FileStore = true
	lost := 0
	s.After = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "log-batch") && lost < 3 {
			lost++
			panic(http.ErrAbortHandler)
		}
		return false
	}
	c := hasten(newClient(t, Options{URL: url, BufferDir: t.TempDir()}))
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	for step := range int64(5) {
		require.NoError(t, run.LogMetrics(t.Context(), step, map[string]float64{"loss": 1 / float64(step), "a b@": -1}))
	}
	require.NoError(t, run.End(t.Context(), registry.Finished))
	assert.Positive(t, lost)
	for step := range int64(5) {
		assert.Equal(t, 1, s.Points(run.ID(), "loss", step), "step %d", step)
		assert.Equal(t, 1, s.Points(run.ID(), "a b_", step), "step %d", step)
	}
}

// TestClockPutBack: times do not run backwards, within a run and from one to the next.
func TestClockPutBack(t *testing.T) {
	_, url := fake(t)
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	var ids []string
	for range 3 {
		c := hasten(newClient(t, Options{URL: url, Now: func() time.Time { return now }}))
		run, err := c.StartRun(t.Context(), "e", "", nil)
		require.NoError(t, err)
		for _, v := range []float64{1, 2} {
			require.NoError(t, run.LogMetrics(t.Context(), 1, map[string]float64{"a": v}))
			now = now.Add(-time.Hour)
		}
		require.NoError(t, run.End(t.Context(), registry.Finished))
		info, err := c.GetRun(t.Context(), run.ID())
		require.NoError(t, err)
		assert.False(t, info.Ended.Before(info.Started))
		assert.Equal(t, 2.0, info.Metrics["a"].Value, "the last one")
		ids = append([]string{run.ID()}, ids...)
	}
	var listed []string
	for info, err := range hasten(newClient(t, Options{URL: url})).ListRuns(t.Context(), "e") {
		require.NoError(t, err)
		listed = append(listed, info.ID)
	}
	assert.Equal(t, ids, listed, "newest first")
}

// TestPointsOnceAreReadOnce: a server that keeps runs in files has a point twice if a client sent it twice.
func TestPointsOnceAreReadOnce(t *testing.T) {
	s, url := fake(t)
	s.FileStore = true
	c := newClient(t, Options{URL: url})
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	body := `{"run_id": "` + run.ID() + `", "metrics": [{"key": "loss", "value": 0.5, "timestamp": 1000, "step": 3}]}`
	for range 2 {
		resp, err := http.Post(url+"/api/2.0/mlflow/runs/log-batch", "application/json", strings.NewReader(body)) //nolint:noctx // a test's own server
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
	n := 0
	for p, err := range c.MetricHistory(t.Context(), run.ID(), "loss") {
		require.NoError(t, err)
		assert.InDelta(t, 0.5, p.Value, 0)
		n++
	}
	assert.Equal(t, 1, n)
}

// TestAnswerOfAnotherShape: the run is made, and what the client is told is none of MLflow's. It is found, not made twice.
func TestAnswerOfAnotherShape(t *testing.T) {
	s, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	spoilt := false
	s.After = func(w http.ResponseWriter, r *http.Request) bool {
		if spoilt || !strings.HasSuffix(r.URL.Path, "runs/create") {
			return false
		}
		spoilt = true
		_, _ = io.WriteString(w, `{"run": "see other"}`)
		return true
	}
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	require.True(t, spoilt)
	var ids []string
	for r, err := range c.ListRuns(t.Context(), "e") {
		require.NoError(t, err)
		ids = append(ids, r.ID)
	}
	assert.Equal(t, []string{run.ID()}, ids)
}
