package main

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/mlflowtest"
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/local"
	"github.com/docent-ml/docent/registry/mlflow"
)

// register publishes a model on any registry.
func register(t *testing.T, reg registry.Registry, name, model string) registry.Version {
	t.Helper()
	run, err := reg.StartRun(t.Context(), "test", "", nil)
	require.NoError(t, err)
	source, err := run.LogModel(t.Context(), "model", os.DirFS(model))
	require.NoError(t, err)
	v, err := reg.Register(t.Context(), name, source, nil)
	require.NoError(t, err)
	_, err = reg.Promote(t.Context(), name, v.Number, registry.PromoteOptions{})
	require.NoError(t, err)
	require.NoError(t, run.End(t.Context(), registry.Finished))
	return v
}

func TestFollowsTheRegistry(t *testing.T) {
	t.Run("folder", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "registry")
		store, err := local.Open(dir, local.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		requireFollows(t, store, "file:"+dir)
	})
	t.Run("MLflow", func(t *testing.T) {
		server := httptest.NewServer(mlflowtest.NewFake())
		t.Cleanup(server.Close)
		requireFollows(t, mlflowAt(t, server.URL), server.URL)
	})
}

func mlflowAt(t *testing.T, url string) registry.Registry {
	t.Helper()
	client, err := mlflow.New(mlflow.Options{URL: url})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

// requireFollows promotes while requests run: none is lost, a version that does not load changes nothing but what
// /health says, and promoting back or on makes it good again.
func requireFollows(t *testing.T, reg registry.Registry, where string) {
	register(t, reg, "guide", testmodel.Write(t, 1))
	url, _ := start(t, "-registry", where, "-cache", filepath.Join(t.TempDir(), "cache"), "-name", "guide", "-models-ttl", "50ms", "-log-level", "error")
	health := func() (status string, codes []string) {
		_, body := get(t, strings.TrimSuffix(url, "/v1")+"/health")
		var report struct {
			Status       string
			Degradations []struct{ Code, Message string }
		}
		require.NoError(t, json.Unmarshal([]byte(body), &report))
		for _, d := range report.Degradations {
			codes = append(codes, d.Code+": "+d.Message)
		}
		return report.Status, codes
	}
	fingerprint := func() string {
		answer, err := ask(t.Context(), url, "none", "guide")
		require.NoError(t, err)
		return answer.SystemFingerprint
	}
	first := fingerprint()

	stop := make(chan struct{})
	var asking sync.WaitGroup
	end := sync.OnceFunc(func() {
		close(stop)
		asking.Wait()
	})
	defer end()
	for range 2 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, err := ask(t.Context(), url, "none", "guide")
				assert.NoError(t, err, "no request is lost")
			}
		})
	}
	broken := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(broken, "config.json"), []byte(`{"model_type": "mystery"}`), 0o644))
	register(t, reg, "guide", broken)
	require.Eventually(t, func() bool {
		_, codes := health()
		return strings.Contains(strings.Join(codes, "\n"), "model_update_failed: version 2 of the model guide could not be loaded; version 1 is served")
	}, time.Minute, 20*time.Millisecond)
	status, _ := health()
	assert.Equal(t, "degraded", status)
	assert.Equal(t, first, fingerprint())

	_, err := reg.Promote(t.Context(), "guide", 1, registry.PromoteOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, codes := health()
		return !strings.Contains(strings.Join(codes, "\n"), "model_update_failed")
	}, time.Minute, 20*time.Millisecond, "back to what is served")

	register(t, reg, "guide", testmodel.Write(t, 2))
	require.Eventually(t, func() bool { return fingerprint() != first }, time.Minute, 20*time.Millisecond)
	end()
}
