//go:build unix

package mlflow

import (
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/mlflowtest"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/registrytest"
)

// TestServer does everything with one real server, since each takes its time to come up. Those that need flags or are
// killed have their own.
func TestServer(t *testing.T) {
	s := mlflowtest.StartServer(t)
	for what, test := range map[string]func(*testing.T, *mlflowtest.Server){
		"registry": testRegistry, "proxies": testProxies, "refusals": testRefusals, "large artifact": testLargeArtifact,
		"Python": testPython, "an older server": testOlderServer, "published by Python": testTheirs,
		"limits":              func(t *testing.T, s *mlflowtest.Server) { requireLimits(t, s.URL) },
		"keys":                func(t *testing.T, s *mlflowtest.Server) { requireAnyKey(t, s.URL) },
		"moves of others":     func(t *testing.T, s *mlflowtest.Server) { requireMovesSeen(t, s.URL) },
		"copies":              func(t *testing.T, s *mlflowtest.Server) { requireCopies(t, s.URL) },
		"one version":         func(t *testing.T, s *mlflowtest.Server) { requireOneVersion(t, s.URL) },
		"resumed downloads":   func(t *testing.T, s *mlflowtest.Server) { requireResumes(t, proxyOf(t, s)) },
		"a trainer's killing": func(t *testing.T, s *mlflowtest.Server) { requireNothingLost(t, proxyOf(t, s)) },
	} {
		t.Run(what, func(t *testing.T) { test(t, s) })
	}
}

func testRegistry(t *testing.T, s *mlflowtest.Server) {
	registrytest.Run(t, func(t *testing.T) registrytest.Fixture {
		c := newClient(t, Options{URL: s.URL, BufferDir: t.TempDir()})
		return registrytest.Fixture{
			Registry: c,
			Another:  func(t *testing.T) registry.Registry { return newClient(t, Options{URL: s.URL}) },
			Alter: func(t *testing.T, v registry.Version, path string, to func([]byte) []byte) {
				found, err := c.s.run(t.Context(), v.RunID)
				require.NoError(t, err)
				root := strings.TrimPrefix(found.Info.ArtifactURI, "mlflow-artifacts:/")
				name := filepath.Join(s.Artifacts, root, v.Path, path)
				old, err := os.ReadFile(name)
				require.NoError(t, err)
				if data := to(old); data != nil {
					require.NoError(t, os.WriteFile(name, data, 0o600))
				} else {
					require.NoError(t, os.Remove(name))
				}
			},
		}
	})
}

// proxyOf is a handler that has the server answer.
func proxyOf(t *testing.T, s *mlflowtest.Server) http.Handler {
	t.Helper()
	target, err := url.Parse(s.URL)
	require.NoError(t, err)
	return &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorLog: log.New(io.Discard, "", 0), // of clients that go, which is what these tests do
	}
}

// testProxies: behind proxies that spoil answers, and behind one that speaks TLS.
func testProxies(t *testing.T, s *mlflowtest.Server) {
	server := proxyOf(t, s)
	for what := range spoils {
		t.Run(what, func(t *testing.T) { requireHarmless(t, server, what) })
	}
	t.Run("TLS", func(t *testing.T) { requireTLS(t, server) })
}

// testRefusals: what a server without any flags says no to.
func testRefusals(t *testing.T, s *mlflowtest.Server) {
	err := newClient(t, Options{URL: s.URL, Workspace: "library"}).Ping(t.Context())
	require.Error(t, err)
	assert.ErrorContains(t, err, "--enable-workspaces")

	c := newClient(t, Options{URL: s.URL})
	run, err := c.StartRun(t.Context(), "gone", "", nil)
	require.NoError(t, err)
	require.NoError(t, c.s.post(t.Context(), "runs/delete", map[string]string{"run_id": run.ID()}, nil))
	_, err = c.ResumeRun(t.Context(), run.ID())
	require.ErrorIs(t, err, registry.ErrInvalid)
	assert.ErrorContains(t, err, "restore it")
	require.ErrorIs(t, run.LogParams(t.Context(), map[string]string{"rank": "8"}), registry.ErrInvalid)
	id, err := c.s.experiment(t.Context(), "gone")
	require.NoError(t, err)
	// What an object store has, this client cannot write.
	var stored struct {
		ID string `json:"experiment_id"`
	}
	body := map[string]string{"name": "stored", "artifact_location": "s3://bucket/models"}
	require.NoError(t, c.s.post(t.Context(), "experiments/create", body, &stored))
	run, err = c.StartRun(t.Context(), "stored", "", nil)
	require.NoError(t, err)
	_, modelErr := run.LogModel(t.Context(), "model", fstest.MapFS{"f": {}})
	for _, err := range []error{run.LogArtifacts(t.Context(), "model", fstest.MapFS{"f": {}}), modelErr} {
		require.ErrorIs(t, err, registry.ErrUnavailable)
		assert.ErrorContains(t, err, "in an object store, s3://bucket/models/")
		assert.ErrorContains(t, err, "use a new experiment")
	}
	require.NoError(t, run.End(t.Context(), registry.Failed))

	require.NoError(t, c.s.post(t.Context(), "experiments/delete", map[string]string{"experiment_id": id}, nil))
	_, err = c.StartRun(t.Context(), "gone", "", nil)
	require.ErrorIs(t, err, registry.ErrInvalid)
	assert.ErrorContains(t, err, "restore it")
}
