package main

import (
	"bytes"
	"context"
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
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/mlflow"
)

// requirePublished checks what a whole run leaves on an MLflow server.
func requirePublished(t *testing.T, url string, steps int) registry.Version {
	t.Helper()
	reg, err := mlflow.New(mlflow.Options{URL: url})
	require.NoError(t, err)
	defer func() { require.NoError(t, reg.Close()) }()
	v, err := reg.Resolve(t.Context(), registry.URI{Name: "tides", Stage: registry.Production})
	require.NoError(t, err)
	assert.Equal(t, registry.Production, v.Stage)
	assert.NotEmpty(t, v.ModelID)
	info, err := reg.GetRun(t.Context(), v.RunID)
	require.NoError(t, err)
	assert.Equal(t, registry.Finished, info.Status)
	assert.Equal(t, "4", info.Params["rank"])
	assert.Len(t, info.Inputs, 2)
	n := 0
	for _, err := range reg.MetricHistory(t.Context(), v.RunID, "loss") {
		require.NoError(t, err)
		n++
	}
	assert.Equal(t, steps, n)
	runs := 0
	for _, err := range reg.ListRuns(t.Context(), "docent") {
		require.NoError(t, err)
		runs++
	}
	assert.Equal(t, 1, runs)
	versions := 0
	for _, err := range reg.List(t.Context(), "tides") {
		require.NoError(t, err)
		versions++
	}
	assert.Equal(t, 1, versions)
	dir := filepath.Join(t.TempDir(), "model")
	require.NoError(t, reg.Download(t.Context(), v, dir))
	assert.FileExists(t, filepath.Join(dir, "MLmodel"))
	list, err := reg.Files(t.Context(), registry.Version{RunID: v.RunID})
	require.NoError(t, err)
	var names []string
	for _, f := range list {
		names = append(names, f.Path)
	}
	assert.Contains(t, strings.Join(names, " "), "adapter/adapter_model.safetensors")
	assert.Contains(t, strings.Join(names, " "), "report.html")
	return v
}

// onlyRun is the one run of an experiment.
func onlyRun(t *testing.T, url, experiment string) registry.RunInfo {
	t.Helper()
	reg, err := mlflow.New(mlflow.Options{URL: url})
	require.NoError(t, err)
	defer func() { require.NoError(t, reg.Close()) }()
	runs, err := collect(reg.ListRuns(t.Context(), experiment))
	require.NoError(t, err)
	require.Len(t, runs, 1)
	return runs[0]
}

func TestKilledTrainerOnMLflow(t *testing.T) {
	fake := mlflowtest.NewFake()
	server := httptest.NewServer(fake)
	defer server.Close()
	requireGoesOn(t, server.URL)
	assert.Empty(t, fake.Faults())
}

// requireGoesOn kills a trainer with SIGKILL behind a checkpoint and has another go on. What MLflow has at the end is what
// it has of a run that nobody stopped: each step once, though some were done twice.
func requireGoesOn(t *testing.T, url string) {
	data := t.TempDir()
	given := args(library(t, false), testmodel.Write(t, 1), data, "-registry", url, "-experiment", "killed", "-name", "killed", "-epochs", "8", "-save-every", "3",
		"-eval-every", "2", "-chunk-size", "60", "-chunk-overlap", "10", "-eval-fraction", "0.3", "-batch", "1")
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childArgs+"="+strings.Join(given, "\n"))
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool {
		points, err := readAll[point](filepath.Join(data, historyFile))
		return err == nil && len(points) > 0 && points[len(points)-1].Step >= 5
	}, 5*time.Minute, time.Millisecond)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	require.Equal(t, registry.Running, onlyRun(t, url, "killed").Status, "nobody has ended it")

	var out bytes.Buffer
	require.NoError(t, run(t.Context(), append(given, "-resume"), environ, &out), out.String())
	assert.Contains(t, out.String(), "going on after step")
	info := onlyRun(t, url, "killed")
	assert.Equal(t, registry.Finished, info.Status)
	want := losses(t, data)
	reg, err := mlflow.New(mlflow.Options{URL: url})
	require.NoError(t, err)
	defer func() { require.NoError(t, reg.Close()) }()
	points, err := collect(reg.MetricHistory(t.Context(), info.ID, "loss"))
	require.NoError(t, err)
	require.Len(t, points, len(want))
	for i, p := range points {
		assert.EqualValues(t, i+1, p.Step)
		assert.Equal(t, want[i+1], p.Value)
	}
	points, err = collect(reg.MetricHistory(t.Context(), info.ID, "eval_loss"))
	require.NoError(t, err)
	for i := range points[1:] {
		assert.Less(t, points[i].Step, points[i+1].Step)
	}
	versions, err := collect(reg.List(t.Context(), "killed"))
	require.NoError(t, err)
	require.Len(t, versions, 1)
	assert.Equal(t, registry.Production, versions[0].Stage)
}

// TestFailedTrainerOnMLflow: a run that cannot go on has failed.
func TestFailedTrainerOnMLflow(t *testing.T) {
	fake := mlflowtest.NewFake()
	server := httptest.NewServer(fake)
	defer server.Close()
	fake.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "registered-models/create") {
			http.Error(w, "Permission denied", http.StatusForbidden)
			return true
		}
		return false
	}
	err := run(t.Context(), args(library(t, true), testmodel.Write(t, 1), t.TempDir(), "-max-steps", "1", "-registry", server.URL), environ, &bytes.Buffer{})
	require.ErrorIs(t, err, registry.ErrDenied)
	assert.ErrorContains(t, err, "ask for permission")
	assert.Equal(t, registry.Failed, onlyRun(t, server.URL, "docent").Status)
}

// TestTrainerOnMLflow: the run is stopped between register and promote, and goes on without making anything twice.
func TestTrainerOnMLflow(t *testing.T) {
	fake := mlflowtest.NewFake()
	server := httptest.NewServer(fake)
	defer server.Close()
	docs, base, data := library(t, true), testmodel.Write(t, 1), filepath.Join(t.TempDir(), "data")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var again atomic.Bool
	fake.After = func(_ http.ResponseWriter, r *http.Request) bool {
		if !again.Load() && strings.HasSuffix(r.URL.Path, "model-versions/create") {
			cancel()
		}
		return false
	}
	err := run(ctx, args(docs, base, data, "-max-steps", "3", "-registry", server.URL), environ, &bytes.Buffer{})
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "-resume")
	assert.Equal(t, registry.Killed, onlyRun(t, server.URL, "docent").Status)
	again.Store(true)
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), args(docs, base, data, "-max-steps", "3", "-registry", server.URL, "-resume"), environ, &out), out.String())
	assert.Contains(t, out.String(), "version 1 is in Production")
	requirePublished(t, server.URL, 3)
	assert.Empty(t, fake.Faults())
	runs, logged, versions := fake.Counts()
	assert.Equal(t, []int{1, 1, 1}, []int{runs, logged, versions})
}
