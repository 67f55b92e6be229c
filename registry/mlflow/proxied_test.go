//go:build unix

package mlflow

import (
	"io"
	"log"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/mlflowtest"
)

// TestServerBehindProxies: a real server behind proxies that spoil answers, and behind one that speaks TLS.
func TestServerBehindProxies(t *testing.T) {
	s := mlflowtest.StartServer(t)
	target, err := url.Parse(s.URL)
	require.NoError(t, err)
	server := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorLog: log.New(io.Discard, "", 0), // of clients that go, which is what these tests do
	}
	for what := range spoils {
		t.Run(what, func(t *testing.T) { requireHarmless(t, server, what) })
	}
	t.Run("TLS", func(t *testing.T) { requireTLS(t, server) })
}
