package mlflow

import (
	"log/slog"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/mlflowtest"
	"github.com/docent-ml/docent/internal/testlog"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/registrytest"
)

// newClient makes a client that ends with the test, which checks that nothing is left unsent.
func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
	require.NoError(t, err)
	c.s.farewell = c.s.o.Timeout
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// hasten shortens the pauses of a client, not its patience: a slow machine is no fault.
func hasten(c *Client) *Client {
	c.s.pause, c.s.longestPause, c.s.gather = time.Millisecond, 5*time.Millisecond, time.Millisecond
	return c
}

// impatient makes a client that gives up soon.
func impatient(c *Client) *Client {
	c.s.o.Patience = 50 * time.Millisecond
	return hasten(c)
}

// fake starts a server of its own for a test, and checks at its end that it never had to guess.
func fake(t *testing.T) (*mlflowtest.Fake, string) {
	t.Helper()
	s := mlflowtest.NewFake()
	listener := httptest.NewServer(s)
	t.Cleanup(func() {
		listener.Close()
		assert.Empty(t, s.Faults(), "MLflow would have stored something else")
	})
	return s, listener.URL
}

// capture collects what a client says.
func capture() (*slog.Logger, *testlog.Buffer) {
	b := &testlog.Buffer{}
	return b.Logger(), b
}

func TestRegistry(t *testing.T) {
	registrytest.Run(t, func(t *testing.T) registrytest.Fixture {
		s, url := fake(t)
		c := hasten(newClient(t, Options{URL: url, BufferDir: t.TempDir()}))
		return registrytest.Fixture{
			Registry: c,
			Another:  func(t *testing.T) registry.Registry { return hasten(newClient(t, Options{URL: url + "/"})) },
			Alter: func(t *testing.T, v registry.Version, name string, to func([]byte) []byte) {
				w, err := c.s.version(t.Context(), v.Name, v.Number)
				require.NoError(t, err)
				s.Locked(func() {
					key := path.Join(strings.TrimPrefix(w.Source, "mlflow-artifacts:/"), name)
					old, ok := s.Files()[key]
					require.True(t, ok, key)
					if data := to(slices.Clone(old)); data != nil {
						s.Files()[key] = data
					} else {
						delete(s.Files(), key)
					}
				})
			},
			SetStatus: func(_ *testing.T, v registry.Version, status registry.Readiness, message string) {
				s.SetStatus(v.Name, v.Number, map[registry.Readiness]string{registry.Ready: "READY", registry.Pending: "PENDING_REGISTRATION",
					registry.FailedRegistration: "FAILED_REGISTRATION"}[status], message)
			},
		}
	})
}
