package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/impl"
)

func TestOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	_, err := Open(dir, Options{MustExist: true})
	require.ErrorIs(t, err, registry.ErrNotFound)
	require.NoDirExists(t, dir)
	openStore(t, dir, Options{})
	openStore(t, dir, Options{MustExist: true})

	empty := t.TempDir()
	_, err = Open(empty, Options{MustExist: true})
	require.ErrorIs(t, err, registry.ErrNotFound)
	require.NoError(t, os.WriteFile(filepath.Join(empty, ".DS_Store"), nil, 0o600))
	openStore(t, empty, Options{})

	foreign := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "thesis.tex"), nil, 0o600))
	_, err = Open(foreign, Options{})
	require.ErrorIs(t, err, registry.ErrInvalid)
	require.ErrorContains(t, err, "thesis.tex")
	require.ErrorContains(t, err, "choose an empty directory")

	_, err = Open(filepath.Join(foreign, "thesis.tex"), Options{})
	require.Error(t, err)

	require.NoError(t, os.WriteFile(filepath.Join(dir, formatFile), []byte(`{"about":"","format":2}`), 0o600))
	_, err = Open(dir, Options{})
	require.ErrorIs(t, err, registry.ErrInvalid)
	require.ErrorContains(t, err, "format 2")
	require.NoError(t, os.WriteFile(filepath.Join(dir, formatFile), []byte(`{"about":"","for`), 0o600))
	_, err = Open(dir, Options{})
	require.ErrorIs(t, err, registry.ErrCorrupt)
	require.ErrorContains(t, err, formatFile)
}

func TestClose(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	require.NoError(t, err)
	run, err := s.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err = s.Get(t.Context(), "handbook", 1)
	require.ErrorIs(t, err, fs.ErrClosed)
	_, err = s.StartRun(t.Context(), "e", "", nil)
	require.ErrorIs(t, err, fs.ErrClosed)
	require.ErrorIs(t, run.LogMetrics(t.Context(), 1, map[string]float64{"a": 1}), fs.ErrClosed)
}

// TestReadable pins the files that a person reads, with a clock of the test's.
func TestReadable(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 1, 31, 12, 0, 0, 123_456_789, time.FixedZone("", 3600))
	s := openStore(t, dir, Options{Now: func() time.Time { now = now.Add(time.Minute); return now }})
	ctx := t.Context()
	run, err := s.StartRun(ctx, "course-guides", "rank 16", map[string]string{"user": "ada"})
	require.NoError(t, err)
	require.NoError(t, run.LogParams(ctx, map[string]string{"rank": "16"}))
	require.NoError(t, run.LogInput(ctx, registry.Input{Name: "train.jsonl", Digest: "ab"}))
	require.NoError(t, run.LogMetrics(ctx, 1, map[string]float64{"loss": 2.5}))
	require.NoError(t, run.LogArtifacts(ctx, "model", fstest.MapFS{"config.json": {Data: []byte("{}")}}))
	v, err := s.Register(ctx, "handbook", registry.Source{RunID: run.ID(), Path: "model"}, nil)
	require.NoError(t, err)
	_, err = s.Promote(ctx, "handbook", v.Number, registry.PromoteOptions{By: "ada", Why: "the first"})
	require.NoError(t, err)
	require.NoError(t, s.SetAlias(ctx, "handbook", "champion", 1))
	require.NoError(t, run.End(ctx, registry.Finished))

	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return strings.ReplaceAll(string(data), run.ID(), "RUN")
	}
	assert.Regexp(t, `^20260131-110100-123-[0-9a-f]{8}$`, run.ID())
	assert.Equal(t, `{
  "id": "RUN",
  "experiment": "course-guides",
  "name": "rank 16",
  "status": "FINISHED",
  "started": "2026-01-31T11:01:00.123Z",
  "ended": "2026-01-31T11:06:00.123Z",
  "params": {
    "rank": "16"
  },
  "tags": {
    "user": "ada"
  },
  "inputs": [
    {
      "name": "train.jsonl",
      "digest": "ab"
    }
  ],
  "metrics": {
    "loss": {
      "value": 2.5,
      "step": 1,
      "time": "2026-01-31T11:02:00.123Z"
    }
  }
}
`, read("runs/course-guides/"+run.ID()+"/run.json"))
	assert.Equal(t, `{"step":1,"time":"2026-01-31T11:02:00.123Z","metrics":{"loss":2.5}}
`, read("runs/course-guides/"+run.ID()+"/metrics.jsonl"))
	assert.Equal(t, `{
  "name": "handbook",
  "created": "2026-01-31T11:03:00.123Z",
  "aliases": {
    "champion": 1
  },
  "promoted": {
    "Production": 1
  },
  "versions": [
    {
      "number": 1,
      "run": "RUN",
      "path": "model",
      "stage": "Production",
      "status": "READY",
      "created": "2026-01-31T11:04:00.123Z"
    }
  ],
  "history": [
    {
      "stage": "Production",
      "version": 1,
      "at": "2026-01-31T11:05:00.123Z",
      "by": "ada",
      "why": "the first"
    }
  ]
}
`, read("models/handbook/model.json"))
	assert.Equal(t, `{
  "files": [
    {
      "path": "model/config.json",
      "size": 2,
      "sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    }
  ]
}
`, read("models/handbook/1/manifest.json"))
	assert.Equal(t, "{}", read("runs/course-guides/"+run.ID()+"/artifacts/model/config.json"))
	requireConsistent(t, dir)
}

// TestClockPutBack: times do not run backwards, within a run and from one to the next.
func TestClockPutBack(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	s := openStore(t, t.TempDir(), Options{Now: func() time.Time { now = now.Add(-time.Hour); return now }})
	ctx := t.Context()
	var ids []string
	var created []time.Time
	for range 3 {
		run, err := s.StartRun(ctx, "e", "", nil)
		require.NoError(t, err)
		for _, v := range []float64{1, 2} {
			require.NoError(t, run.LogMetrics(ctx, 1, map[string]float64{"a": v}))
		}
		src, err := run.LogModel(ctx, "m", fstest.MapFS{"w": {Data: []byte(run.ID())}})
		require.NoError(t, err)
		v, err := s.Register(ctx, "g", src, nil)
		require.NoError(t, err)
		_, err = s.Promote(ctx, "g", v.Number, registry.PromoteOptions{})
		require.NoError(t, err)
		require.NoError(t, run.End(ctx, registry.Finished))
		info, err := s.GetRun(ctx, run.ID())
		require.NoError(t, err)
		assert.False(t, info.Ended.Before(info.Started))
		var points []float64
		for m, err := range s.MetricHistory(ctx, run.ID(), "a") {
			require.NoError(t, err)
			assert.False(t, m.Time.Before(info.Started) || m.Time.After(info.Ended))
			points = append(points, m.Value)
		}
		assert.Equal(t, []float64{1, 2}, points)
		ids, created = append([]string{run.ID()}, ids...), append(created, v.Created)
	}
	assert.True(t, slices.IsSortedFunc(created, time.Time.Compare), "%v", created)
	var listed []string
	for info, err := range s.ListRuns(ctx, "e") {
		require.NoError(t, err)
		listed = append(listed, info.ID)
	}
	assert.Equal(t, ids, listed, "newest first")
	at := time.Time{}
	for p, err := range s.History(ctx, "g") {
		require.NoError(t, err)
		assert.False(t, !at.IsZero() && p.At.After(at))
		at = p.At
	}
}

// TestUnmounted: a disk that has gone is no registry without models.
func TestUnmounted(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	_, err := s.Resolve(t.Context(), registry.URI{Name: "guide"})
	require.ErrorIs(t, err, registry.ErrNotFound)
	require.NoError(t, os.Remove(filepath.Join(dir, formatFile)))
	_, err = s.Resolve(t.Context(), registry.URI{Name: "guide"})
	require.ErrorIs(t, err, registry.ErrUnavailable)
}

func TestNamesThatOtherSystemsCannotHold(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	_, err := s.StartRun(t.Context(), "Guides", "", nil)
	require.NoError(t, err)
	_, err = s.StartRun(t.Context(), "guides", "", nil)
	require.ErrorIs(t, err, registry.ErrExists)
	require.ErrorContains(t, err, `"Guides"`)
	for _, name := range []string{"con", "NUL", "aux.v1", "Com1", "lpt9"} {
		_, err = s.StartRun(t.Context(), name, "", nil)
		require.ErrorIs(t, err, registry.ErrInvalid, name)
	}
	for _, name := range []string{"console", "com", "com10", "nul-1"} {
		_, err = s.StartRun(t.Context(), name, "", nil)
		require.NoError(t, err, name)
	}
}

func TestTornMetricLine(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	run, err := s.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	require.NoError(t, run.LogMetrics(t.Context(), 1, map[string]float64{"loss": 1}))
	name := filepath.Join(dir, "runs", "e", run.ID(), metricsFile)
	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	for _, torn := range []string{`{"step":2,"ti`, `{"step":2,"time":"2026-01-31T11:02:00Z","metrics":{"loss":7}}`, strings.Repeat("x", 10_000), "\x00\x00\x00"} {
		require.NoError(t, os.WriteFile(name, append(whole[:len(whole):len(whole)], torn...), 0o600))
		info, err := s.GetRun(t.Context(), run.ID())
		require.NoError(t, err)
		assert.EqualValues(t, 1, info.Metrics["loss"].Step, "never acknowledged, so not there")
	}
	require.NoError(t, run.LogMetrics(t.Context(), 3, map[string]float64{"loss": 3}))
	var steps []int64
	for p, err := range s.MetricHistory(t.Context(), run.ID(), "loss") {
		require.NoError(t, err)
		steps = append(steps, p.Step)
	}
	assert.Equal(t, []int64{1, 3}, steps)
}

func TestDamagedFiles(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	ctx := t.Context()
	var runs []registry.Run
	for _, name := range []string{"alpha", "beta"} {
		run, err := s.StartRun(ctx, "e", "", nil)
		require.NoError(t, err)
		require.NoError(t, run.LogMetrics(ctx, 1, map[string]float64{"loss": 1}))
		require.NoError(t, run.LogArtifacts(ctx, "m", model(1)))
		_, err = s.Register(ctx, name, registry.Source{RunID: run.ID(), Path: "m"}, nil)
		require.NoError(t, err)
		runs = append(runs, run)
		time.Sleep(2 * time.Millisecond)
	}
	alpha := filepath.Join(dir, "models", "alpha", "model.json")
	good, err := os.ReadFile(alpha)
	require.NoError(t, err)
	for what, bad := range map[string]string{
		"cut":             string(good[:len(good)/2]),
		"empty":           "",
		"unknown field":   strings.Replace(string(good), `"name"`, `"color": "red", "name"`, 1),
		"other name":      strings.Replace(string(good), `"alpha"`, `"gamma"`, 1),
		"stage":           strings.Replace(string(good), `"None"`, `"prod"`, 1),
		"stage's case":    strings.Replace(string(good), `"None"`, `"none"`, 1),
		"status":          strings.Replace(string(good), `"READY"`, `"DONE"`, 1),
		"number":          strings.Replace(string(good), `"number": 1`, `"number": 2`, 1),
		"path that leads": strings.Replace(string(good), `"path": "m"`, `"path": "../../../etc"`, 1),
		"run that leads":  strings.Replace(string(good), `"run": "`, `"run": "../`, 1),
		"alias of none":   strings.Replace(string(good), `"versions"`, `"aliases": {"a": 2}, "versions"`, 1),
		"bad alias":       strings.Replace(string(good), `"versions"`, `"aliases": {"latest": 1}, "versions"`, 1),
		"promoted":        strings.Replace(string(good), `"versions"`, `"promoted": {"Production": 1}, "versions"`, 1),
	} {
		require.NotEqual(t, string(good), bad, what)
		require.NoError(t, os.WriteFile(alpha, []byte(bad), 0o600))
		_, err := s.Get(ctx, "alpha", 1)
		require.ErrorIs(t, err, registry.ErrCorrupt, what)
		require.ErrorContains(t, err, "models/alpha/model.json")
		_, err = s.Register(ctx, "alpha", registry.Source{RunID: runs[0].ID(), Path: "m"}, nil)
		require.ErrorIs(t, err, registry.ErrCorrupt, what)
		left, err := os.ReadFile(alpha)
		require.NoError(t, err)
		require.Equal(t, bad, string(left), "what cannot be read is not overwritten")
		var listed []string
		faults := 0
		for m, err := range s.ListModels(ctx) {
			if err != nil {
				require.ErrorIs(t, err, registry.ErrCorrupt)
				faults++
				continue
			}
			listed = append(listed, m.Name)
		}
		assert.Equal(t, []string{"beta"}, listed, "one damaged model does not hide the others")
		assert.Equal(t, 1, faults)
	}
	require.NoError(t, os.WriteFile(alpha, good, 0o600))

	runDir := filepath.Join(dir, "runs", "e", runs[0].ID())
	runJSON := filepath.Join(runDir, "run.json")
	good, err = os.ReadFile(runJSON)
	require.NoError(t, err)
	for what, bad := range map[string]string{
		"cut":              string(good[:len(good)/2]),
		"id":               strings.Replace(string(good), runs[0].ID(), "other", 1),
		"experiment":       strings.Replace(string(good), `"experiment": "e"`, `"experiment": "f"`, 1),
		"status":           strings.Replace(string(good), "RUNNING", "running", 1),
		"ended without it": strings.Replace(string(good), "RUNNING", "FINISHED", 1),
	} {
		require.NoError(t, os.WriteFile(runJSON, []byte(bad), 0o600))
		_, err := s.GetRun(ctx, runs[0].ID())
		require.ErrorIs(t, err, registry.ErrCorrupt, what)
		require.ErrorContains(t, err, "run.json")
		require.ErrorIs(t, runs[0].SetTags(ctx, map[string]string{"a": "b"}), registry.ErrCorrupt, what)
	}
	require.NoError(t, os.WriteFile(runJSON, good, 0o600))

	metrics, err := os.ReadFile(filepath.Join(runDir, metricsFile))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(runDir, metricsFile), append(metrics, "{\"step\": \"x\"}\n"...), 0o600))
	_, err = s.GetRun(ctx, runs[0].ID())
	require.ErrorIs(t, err, registry.ErrCorrupt)
	require.ErrorContains(t, err, metricsFile+": line 2")
	require.ErrorIs(t, runs[0].End(ctx, registry.Finished), registry.ErrCorrupt)
	ok := 0
	for _, err := range s.ListRuns(ctx, "e") {
		if err == nil {
			ok++
		}
	}
	assert.Equal(t, 1, ok, "one damaged run does not hide the others")

	// Artifacts that were damaged are not registered again, and a version whose run is gone says so.
	require.NoError(t, os.WriteFile(filepath.Join(runDir, "artifacts", "m", "config.json"), []byte("2"), 0o600))
	_, err = s.Register(ctx, "alpha", registry.Source{RunID: runs[0].ID(), Path: "m"}, nil)
	require.ErrorIs(t, err, registry.ErrCorrupt)
	require.ErrorContains(t, err, "config.json")
	require.NoError(t, runs[0].LogArtifacts(ctx, "m", model(1)), "logging them again heals")
	_, err = s.Register(ctx, "alpha", registry.Source{RunID: runs[0].ID(), Path: "m"}, nil)
	require.NoError(t, err)
	v, err := s.Get(ctx, "alpha", 1)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(runDir))
	err = s.Download(ctx, v, filepath.Join(t.TempDir(), "out"))
	require.ErrorIs(t, err, registry.ErrCorrupt)
	require.ErrorContains(t, err, "gone")
}

func TestStoredLinksLeadNowhere(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "f"), []byte("secret"), 0o600))
	s := openStore(t, dir, Options{})
	run, err := s.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	require.NoError(t, run.LogArtifacts(t.Context(), "m", fstest.MapFS{"f": {Data: []byte("secret")}}))
	v, err := s.Register(t.Context(), "handbook", registry.Source{RunID: run.ID(), Path: "m"}, nil)
	require.NoError(t, err)
	m := filepath.Join(dir, "runs", "e", run.ID(), "artifacts", "m")
	require.NoError(t, os.RemoveAll(m))
	if err := os.Symlink(outside, m); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	require.Error(t, s.Download(t.Context(), v, filepath.Join(t.TempDir(), "out")))
}

func TestOrphansOfACrashAreReplaced(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	run, err := s.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	artifacts := filepath.Join(dir, "runs", "e", run.ID(), "artifacts")
	require.NoError(t, os.MkdirAll(filepath.Join(artifacts, "m", "config.json"), 0o700)) // a directory where a file goes
	require.NoError(t, os.WriteFile(filepath.Join(artifacts, "m", "a"), nil, 0o600))     // and the reverse
	require.NoError(t, os.WriteFile(filepath.Join(artifacts, "stray"), nil, 0o600))
	_, err = s.Resolve(t.Context(), registry.URI{RunID: run.ID()})
	require.ErrorIs(t, err, registry.ErrNotFound, "what no manifest names does not exist")
	require.NoError(t, run.LogArtifacts(t.Context(), "m", model(3)))
	v, err := s.Resolve(t.Context(), registry.URI{RunID: run.ID(), Path: "m"})
	require.NoError(t, err)
	requireModel(t, s, v, 3)
}

func TestSweepSparesTheLiving(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	r, err := s.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	alive, err := r.(impl.Run).Run.(*run).newStage(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "tmp", "dead"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tmp", "dead.lock"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tmp", "only.lock"), nil, 0o600))
	require.NoError(t, r.LogArtifacts(t.Context(), "m", model(1)))
	entries, err := os.ReadDir(filepath.Join(dir, "tmp"))
	require.NoError(t, err)
	require.Len(t, entries, 2, "the living stage and its lock: %v", entries)
	require.NoError(t, alive.remove())
}

func TestWaitsForTheLockAsLongAsTheContext(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	require.NoError(t, s.s.locked(t.Context(), func() error {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errors.New("lunch"))
		defer cancel()
		_, err := s.StartRun(ctx, "e", "", nil)
		require.ErrorContains(t, err, "lunch")
		other := openStore(t, s.s.dir, Options{})
		ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err = other.StartRun(ctx, "e", "", nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = other.Get(t.Context(), "handbook", 1)
		require.ErrorIs(t, err, registry.ErrNotFound, "readers do not wait")
		return nil
	}))
}

// What stands in a stored file's place, a folder or a link, is damage that is told like any other, and never followed.
func TestWhatIsNoFileAnyMore(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	run, err := s.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	source, err := run.LogModel(t.Context(), "model", fstest.MapFS{"f": {Data: []byte("f")}, "g": {Data: []byte("g")}, "h": {Data: []byte("h")}})
	require.NoError(t, err)
	v, err := s.Register(t.Context(), "guide", source, nil)
	require.NoError(t, err)
	stored, err := s.s.findRun(run.ID())
	require.NoError(t, err)
	at := func(name string) string { return filepath.Join(s.s.dir, stored.artifacts("model"), name) }
	require.NoError(t, errors.Join(os.Remove(at("f")), os.Mkdir(at("f"), 0o700)))
	require.NoError(t, errors.Join(os.Remove(at("g")), os.WriteFile(at("elsewhere"), []byte("g"), 0o600)))
	if err := os.Symlink(at("elsewhere"), at("g")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	for what, err := range map[string]error{
		"verify": s.Verify(t.Context(), v), "download": s.Download(t.Context(), v, filepath.Join(t.TempDir(), "x")),
		"promote": func() error { _, err := s.Promote(t.Context(), "guide", 1, registry.PromoteOptions{}); return err }(),
	} {
		require.ErrorIs(t, err, registry.ErrCorrupt, what)
		require.ErrorContains(t, err, "no file any more", what)
	}
	err = s.Verify(t.Context(), v)
	assert.ErrorContains(t, err, "f: damaged")
	assert.ErrorContains(t, err, "g: damaged")
}
