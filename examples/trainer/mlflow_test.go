package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

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
	again.Store(true)
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), args(docs, base, data, "-max-steps", "3", "-registry", server.URL, "-resume"), environ, &out), out.String())
	assert.Contains(t, out.String(), "version 1 is in Production")
	requirePublished(t, server.URL, 3)
	assert.Empty(t, fake.Faults())
	runs, logged, versions := fake.Counts()
	assert.Equal(t, []int{1, 1, 1}, []int{runs, logged, versions})
}
