//go:build unix

package mlflow

import (
	"net/http"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/mlflowtest"
	"github.com/docent-ml/docent/registry"
)

// TestServerWithoutProxy: a real server that does not serve artifacts keeps runs and metrics all the same.
func TestServerWithoutProxy(t *testing.T) {
	s := mlflowtest.StartServer(t, "--no-serve-artifacts", "--default-artifact-root", filepath.Join(t.TempDir(), "artifacts"))
	c := newClient(t, Options{URL: s.URL})
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	require.NoError(t, run.LogMetrics(t.Context(), 1, map[string]float64{"loss": 1}))
	err = run.LogArtifacts(t.Context(), "model", fstest.MapFS{"f": {}})
	require.ErrorIs(t, err, registry.ErrUnavailable)
	assert.ErrorContains(t, err, "--serve-artifacts")
	assert.ErrorContains(t, err, "a folder of its own")
	_, err = run.LogModel(t.Context(), "model", fstest.MapFS{"f": {}})
	require.ErrorIs(t, err, registry.ErrUnavailable)
	require.NoError(t, run.End(t.Context(), registry.Finished))

	// A run of a time when the server did: that it does not is for good, and told at once.
	before, began := c.s.tree("mlflow-artifacts:/1/run/artifacts"), time.Now()
	_, listErr := before.list(t.Context(), "")
	for _, err := range []error{listErr, before.put(t.Context(), "f", 0, nil)} {
		require.ErrorIs(t, err, registry.ErrUnavailable)
		assert.ErrorContains(t, err, "start the server with --serve-artifacts")
	}
	assert.Less(t, time.Since(began), c.s.o.Patience/2)

	testTheirs(t, s) // who shares the folder with the server has written there
}

// TestServerHostCheck: a name that the real server does not accept as its own is told with the flag that it needs.
func TestServerHostCheck(t *testing.T) {
	s := mlflowtest.StartServer(t, "--allowed-hosts", "mlflow.example:*")
	c := newClient(t, Options{URL: s.URL})
	err := c.Ping(t.Context())
	require.ErrorIs(t, err, registry.ErrDenied)
	assert.ErrorContains(t, err, "start it with --allowed-hosts")

	named := newClient(t, Options{URL: s.URL, HTTP: &http.Client{Transport: hostTransport("mlflow.example:5000")}})
	require.NoError(t, named.Ping(t.Context()))
}

type hostTransport string

func (h hostTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = string(h)
	return http.DefaultTransport.RoundTrip(r)
}

// TestServerWorkspaces: what is in one workspace of a real server is not in another, artifacts included.
func TestServerWorkspaces(t *testing.T) {
	s := mlflowtest.StartServer(t, "--enable-workspaces")
	admin := newClient(t, Options{URL: s.URL})
	for _, name := range []string{"library", "museum"} {
		body := map[string]string{"name": name}
		require.NoError(t, admin.s.call(t.Context(), request{method: http.MethodPost, path: "/api/3.0/mlflow/workspaces", body: body}, nil))
	}
	library := newClient(t, Options{URL: s.URL, Workspace: "library"})
	v := publish(t, library, "guide", fstest.MapFS{"weights": {Data: []byte("w")}})
	require.NoError(t, library.Download(t.Context(), v, filepath.Join(t.TempDir(), "out")))
	_, err := newClient(t, Options{URL: s.URL, Workspace: "museum"}).Resolve(t.Context(), registry.URI{Name: "guide"})
	require.ErrorIs(t, err, registry.ErrNotFound)
	requireWorkspaces(t, s.URL)
}

// TestServerAuth: a real server that asks who somebody is, and lets everybody read and the owner write.
func TestServerAuth(t *testing.T) {
	t.Setenv("MLFLOW_AUTH_CONFIG_PATH", write(t, "[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///auth.db\n"+
		"admin_username = admin\nadmin_password = password-of-admin\n"))
	t.Setenv("MLFLOW_FLASK_SERVER_SECRET_KEY", "for cookies")
	s := mlflowtest.StartServer(t, "--app-name", "basic-auth")
	for what, o := range map[string]Options{"nobody": {}, "a wrong password": {Username: "admin", Password: "wrong"}, "a token": {Token: "x"}} {
		o.URL = s.URL
		err := newClient(t, o).Ping(t.Context())
		require.ErrorIs(t, err, registry.ErrDenied, what)
		assert.ErrorContains(t, err, "MLFLOW_TRACKING_USERNAME", what)
	}
	admin := newClient(t, Options{URL: s.URL, Username: "admin", Password: "password-of-admin"})
	require.NoError(t, admin.s.post(t.Context(), "users/create", map[string]string{"username": "ada", "password": "password-of-ada"}, nil))
	v := publish(t, admin, "guide", fstest.MapFS{"weights": {Data: []byte("w")}})

	ada := newClient(t, Options{URL: s.URL, Username: "ada", Password: "password-of-ada"})
	found, err := ada.Resolve(t.Context(), registry.URI{Name: "guide", Stage: registry.Production})
	require.NoError(t, err)
	require.NoError(t, ada.Download(t.Context(), found, filepath.Join(t.TempDir(), "out")))
	_, err = ada.StartRun(t.Context(), "experiment of guide", "", nil)
	require.ErrorIs(t, err, registry.ErrDenied)
	_, err = ada.Promote(t.Context(), "guide", v.Number, registry.PromoteOptions{Stage: registry.Archived})
	require.ErrorIs(t, err, registry.ErrDenied)
	assert.ErrorContains(t, err, "ask for permission")
	publish(t, ada, "notes", fstest.MapFS{"weights": {Data: []byte("w")}})
}
