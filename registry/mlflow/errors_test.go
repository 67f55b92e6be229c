package mlflow

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/mlflowtest"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/impl"
)

func TestOptions(t *testing.T) {
	for what, o := range map[string]Options{
		"http://localhost:5000":       {},
		"write http://":               {URL: "http://a b"},
		"such as http://":             {URL: "file:///models"},
		"MLflow server":               {URL: "localhost:5000"},
		"user or password":            {URL: "http://ada:canary@localhost"},
		"query":                       {URL: "http://localhost?x=1"},
		"give both or neither":        {URL: "http://localhost", Username: "ada"},
		"without a check":             {URL: "http://localhost", InsecureTLS: true, ServerCert: "x"},
		"set up TLS in it":            {URL: "http://localhost", HTTP: http.DefaultClient, InsecureTLS: true},
		"would cut transfers":         {URL: "http://localhost", HTTP: &http.Client{Timeout: 1}},
		"Patience":                    {URL: "http://localhost", Patience: -1},
		"Transfers":                   {URL: "http://localhost", Transfers: -1},
		"Token: holds a line break":   {URL: "http://localhost", Token: "canary\n"},
		"no such file":                {URL: "http://localhost", ServerCert: filepath.Join(t.TempDir(), "none.pem")},
		"no certificate in it":        {URL: "http://localhost", ServerCert: write(t, "x")},
		"a certificate and its key":   {URL: "http://localhost", ClientCert: write(t, "x")},
		"Workspace: holds a line bre": {URL: "http://localhost", Workspace: "a\r\nX-Other: b"},
	} {
		_, err := New(o)
		require.Error(t, err, what)
		assert.ErrorContains(t, err, what)
		assert.NotContains(t, err.Error(), "canary")
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// TestWrongServers: every way of not reaching MLflow is told, with what to do, and at once.
func TestWrongServers(t *testing.T) {
	answering := func(f http.HandlerFunc) string {
		s := httptest.NewServer(f)
		t.Cleanup(s.Close)
		return s.URL
	}
	hosts := mlflowtest.NewFake()
	hosts.Host = "mlflow:5000"
	auth := mlflowtest.NewFake()
	auth.Username, auth.Password = "ada", "secret"
	secure := httptest.NewTLSServer(mlflowtest.NewFake())
	t.Cleanup(secure.Close)
	secure.Config.ErrorLog = nil
	for what, test := range map[string]struct {
		url     string
		kind    error
		mention string
	}{
		"nobody listens":    {"http://127.0.0.1:1", registry.ErrUnavailable, "start the MLflow server"},
		"no such host":      {"http://no-such-host.invalid:5000", registry.ErrUnavailable, "correct the host's name"},
		"host check":        {answering(hosts.ServeHTTP), registry.ErrDenied, "--allowed-hosts"},
		"no credentials":    {answering(auth.ServeHTTP), registry.ErrDenied, "MLFLOW_TRACKING_USERNAME"},
		"forbidden":         {answering(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "Permission denied", 403) }), registry.ErrDenied, "ask for permission"},
		"another site":      {answering(func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) }), registry.ErrUnavailable, "check that the URL"},
		"a page":            {answering(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }), registry.ErrUnavailable, "an HTML page"},
		"another API":       {answering(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`["x"]`)) }), registry.ErrUnavailable, "instead of MLflow's"},
		"moved":             {answering(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "https://new/", 301) }), registry.ErrUnavailable, "https://new/"},
		"TLS where there's": {strings.Replace(answering(auth.ServeHTTP), "http:", "https:", 1), registry.ErrUnavailable, "http://"},
		"unknown authority": {secure.URL, registry.ErrUnavailable, "MLFLOW_TRACKING_SERVER_CERT_PATH"},
	} {
		t.Run(what, func(t *testing.T) {
			c := newClient(t, Options{URL: test.url})
			began := time.Now()
			err := c.Ping(t.Context())
			require.ErrorIs(t, err, test.kind)
			assert.ErrorContains(t, err, test.mention)
			assert.Less(t, time.Since(began), c.s.o.Patience/2, "it is not waited for")
			_, err = c.StartRun(t.Context(), "e", "", nil)
			require.ErrorIs(t, err, test.kind)
		})
	}
	require.NoError(t, newClient(t, Options{URL: answering(auth.ServeHTTP), Username: "ada", Password: "secret", Token: "unused"}).Ping(t.Context()))
}

// TestMissingWorkspace answers as MLflow 3.17 with workspaces.
func TestMissingWorkspace(t *testing.T) {
	fake := mlflowtest.NewFake()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, status, message := "RESOURCE_DOES_NOT_EXIST", http.StatusNotFound, "Workspace 'nowhere' not found"
		switch r.Header.Get("X-MLFLOW-WORKSPACE") {
		case "", "library":
			if !strings.HasSuffix(r.URL.Path, "experiments/get") {
				fake.ServeHTTP(w, r)
				return
			}
			message = "No Experiment with id=0 exists"
		case "Bad Name":
			code, status, message = "INVALID_PARAMETER_VALUE", http.StatusBadRequest, "Workspace name 'Bad Name' must match the pattern"
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"error_code":%q,"message":%q}`, code, message)
	}))
	t.Cleanup(s.Close)
	requireWorkspaces(t, s.URL)
	assert.Empty(t, fake.Faults())
}

// TestServerBeforeWorkspaces ignores the setting, so nothing may be sent to it.
func TestServerBeforeWorkspaces(t *testing.T) {
	s, url := fake(t)
	s.NoWorkspaces = true
	c := hasten(newClient(t, Options{URL: url, Workspace: "library"}))
	_, start := c.StartRun(t.Context(), "e", "", nil)
	_, resolve := c.Resolve(t.Context(), registry.URI{Name: "guide"})
	for _, err := range []error{c.Ping(t.Context()), start, resolve} {
		require.ErrorIs(t, err, registry.ErrInvalid)
		assert.ErrorContains(t, err, "--enable-workspaces")
		assert.ErrorContains(t, err, "library")
	}
	runs, _, _ := s.Counts()
	assert.Zero(t, runs)
}

// TestProxyGivesUp: the time-out of a proxy is no full disk.
func TestProxyGivesUp(t *testing.T) {
	for _, status := range []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout} {
		s, url := fake(t)
		s.Intercept = func(w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, "<html>timed out</html>", status)
			return true
		}
		err := impatient(newClient(t, Options{URL: url})).Ping(t.Context())
		require.ErrorIs(t, err, registry.ErrUnavailable)
		assert.ErrorContains(t, err, "time-out of the proxy")
		assert.NotContains(t, err.Error(), "disk")
	}
}

// TestCertificatesOfAFolder, as REQUESTS_CA_BUNDLE may name one.
func TestCertificatesOfAFolder(t *testing.T) {
	s := httptest.NewTLSServer(mlflowtest.NewFake())
	t.Cleanup(s.Close)
	dir := t.TempDir()
	_, err := New(Options{URL: s.URL, ServerCert: dir})
	require.ErrorIs(t, err, registry.ErrInvalid)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "README"), []byte("no certificate"), 0o600))
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "5ad8a5d6.0"), text, 0o600))
	require.NoError(t, newClient(t, Options{URL: s.URL, ServerCert: dir}).Ping(t.Context()))
}

// requireWorkspaces reaches a server that has the workspace library, and not the others.
func requireWorkspaces(t *testing.T, url string) {
	require.NoError(t, newClient(t, Options{URL: url, Workspace: "library"}).Ping(t.Context()))
	for name, kind := range map[string]error{"nowhere": registry.ErrNotFound, "Bad Name": registry.ErrInvalid} {
		err := newClient(t, Options{URL: url, Workspace: name}).Ping(t.Context())
		require.ErrorIs(t, err, kind, name)
		assert.ErrorContains(t, err, name)
		assert.ErrorContains(t, err, "MLFLOW_WORKSPACE")
	}
}

func TestTLS(t *testing.T) { requireTLS(t, mlflowtest.NewFake()) }

// requireTLS puts TLS before a server, which then wants to see a certificate too.
func requireTLS(t *testing.T, server http.Handler) {
	s := httptest.NewUnstartedServer(server)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert} // 1.3 refuses certificates late
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	key, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	require.NoError(t, err)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	ca, pair := write(t, string(certificate)), write(t, string(certificate)+string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))

	c := newClient(t, Options{URL: s.URL, ServerCert: ca, ClientCert: pair})
	v := publish(t, c, "sealed", fstest.MapFS{"weights": {Data: []byte("w")}})
	require.NoError(t, c.Download(t.Context(), v, filepath.Join(t.TempDir(), "out")))
	require.NoError(t, newClient(t, Options{URL: s.URL, InsecureTLS: true, ClientCert: pair}).Ping(t.Context()))
	own := s.Client().Transport.(*http.Transport).Clone()
	own.TLSClientConfig.Certificates = s.TLS.Certificates
	require.NoError(t, newClient(t, Options{URL: s.URL, HTTP: &http.Client{Transport: own}}).Ping(t.Context()))

	for mention, o := range map[string]Options{"MLFLOW_TRACKING_SERVER_CERT_PATH": {ClientCert: pair}, "MLFLOW_TRACKING_CLIENT_CERT_PATH": {ServerCert: ca}} {
		o.URL = s.URL
		err := newClient(t, o).Ping(t.Context())
		require.ErrorIs(t, err, registry.ErrUnavailable)
		assert.ErrorContains(t, err, mention)
	}
}

// TestRequestsCarry: credentials, the workspace and the path of the URL go with every request, artifacts included.
func TestRequestsCarry(t *testing.T) {
	s := mlflowtest.NewFake()
	var seen []string
	s.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		seen = append(seen, r.Method+" "+r.URL.Path)
		assert.Equal(t, "Bearer canary", r.Header.Get("Authorization"), r.URL.Path)
		if !strings.HasSuffix(r.URL.Path, "/server-info") {
			assert.Equal(t, "library", r.Header.Get("X-MLFLOW-WORKSPACE"), r.URL.Path)
		}
		assert.Empty(t, r.Header.Get("Origin"))
		return false
	}
	listener := httptest.NewServer(http.StripPrefix("/tools/mlflow", s))
	t.Cleanup(listener.Close)
	c := hasten(newClient(t, Options{URL: listener.URL + "/tools/mlflow/", Token: "canary", Workspace: "library", Transfers: 1}))
	v := publish(t, c, "guide", fstest.MapFS{"weights": {Data: []byte("w")}})
	require.NoError(t, c.Download(t.Context(), v, filepath.Join(t.TempDir(), "out")))
	assert.Contains(t, strings.Join(seen, "\n"), "PUT /api/2.0/mlflow-artifacts/")
	assert.Empty(t, s.Faults())
}

// TestSecretsAreNotTold, whatever a server writes back.
func TestSecretsAreNotTold(t *testing.T) {
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		_ = r.Header.Write(w)
		_, _ = w.Write([]byte("password canary-password token canary-token"))
	}))
	t.Cleanup(echo.Close)
	for _, o := range []Options{{Username: "ada", Password: "canary-password"}, {Token: "canary-token"}} {
		log, said := capture()
		o.URL, o.Logger = echo.URL, log
		c := impatient(newClient(t, o))
		err := c.Ping(t.Context())
		require.ErrorIs(t, err, registry.ErrUnavailable)
		text := err.Error() + said.String()
		assert.Contains(t, text, "[hidden]")
		for _, secret := range []string{o.Password, o.Token, "YWRhOmNhbmFyeS1wYXNzd29yZA"} {
			if secret != "" {
				assert.NotContains(t, text, secret)
			}
		}
	}
}

// TestLongAnswersAreCut: of what a server says an error shows a part.
func TestLongAnswersAreCut(t *testing.T) {
	s, url := fake(t)
	s.Intercept = func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, `{"error_code":"INVALID_PARAMETER_VALUE","message":"`+strings.Repeat("wörter ", 5000)+`"}`, http.StatusBadRequest)
		return true
	}
	err := newClient(t, Options{URL: url}).Ping(t.Context())
	require.ErrorIs(t, err, registry.ErrInvalid)
	assert.ErrorContains(t, err, "wörter")
	assert.Less(t, len(err.Error()), 2*maxMessage)
	assert.True(t, utf8.ValidString(err.Error()))
}

// TestIdleConnections are dropped before the server does, after 5 s: what is sent into its closing is lost.
func TestIdleConnections(t *testing.T) {
	c := newClient(t, Options{URL: "http://localhost"})
	idle := c.s.http.Transport.(*http.Transport).IdleConnTimeout
	assert.Positive(t, idle)
	assert.Less(t, idle, 5*time.Second)
}

func TestDeletedExperiment(t *testing.T) {
	s, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	run, err := c.StartRun(t.Context(), "gone", "", nil)
	require.NoError(t, err)
	require.NoError(t, run.End(t.Context(), registry.Finished))
	s.DeleteExperiment("gone")
	_, err = c.StartRun(t.Context(), "gone", "", nil)
	require.ErrorIs(t, err, registry.ErrInvalid)
	assert.ErrorContains(t, err, "restore it")
}

func TestNoArtifactProxy(t *testing.T) {
	s, url := fake(t)
	s.NoProxy = true
	c := hasten(newClient(t, Options{URL: url}))
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	for _, call := range []func() error{
		func() error { return run.LogArtifacts(t.Context(), "model", fstest.MapFS{"f": {}}) },
		func() error { _, err := run.LogModel(t.Context(), "model", fstest.MapFS{"f": {}}); return err },
	} {
		err := call()
		require.ErrorIs(t, err, registry.ErrUnavailable)
		assert.ErrorContains(t, err, "--serve-artifacts")
	}
	assert.Equal(t, []string{modelFailed}, s.Loggeds())
	// What others have put there can be read through the server.
	id, model := theirRun(t, c), theirModel(t, c)
	s.Locked(func() {
		for _, dir := range []string{"0/" + id + "/artifacts/deep", "0/models/" + model + "/artifacts/data/deep"} {
			s.Files()[dir+"/f"] = []byte("hello")
		}
	})
	for _, u := range []registry.URI{{RunID: id, Path: "deep"}, {ModelID: model}} {
		v, err := c.Resolve(t.Context(), u)
		require.NoError(t, err)
		dir := filepath.Join(t.TempDir(), "out")
		require.NoError(t, c.Download(t.Context(), v, dir))
		got, err := os.ReadFile(filepath.Join(dir, map[bool]string{true: "f", false: "data/deep/f"}[u.RunID != ""]))
		require.NoError(t, err)
		assert.Equal(t, "hello", string(got))
	}
	require.NoError(t, run.End(t.Context(), registry.Finished))

	for uri, mention := range map[string]string{"s3://bucket/1/x": "object store", "file:///srv/1": "--serve-artifacts", "/srv/1": "--serve-artifacts"} {
		err := c.s.tree(uri).proxied()
		require.ErrorIs(t, err, registry.ErrUnavailable)
		assert.ErrorContains(t, err, mention)
	}
}

// TestNoArtifactProxyAnyMore: the run is from a time when the server served artifacts. That is for good and told at once.
func TestNoArtifactProxyAnyMore(t *testing.T) {
	s, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	s.NoProxy = true
	began := time.Now()
	for _, err := range []error{
		run.LogArtifacts(t.Context(), "model", fstest.MapFS{"f": {}}),
		asRun(run).artifacts.put(t.Context(), "f", 0, nil),
	} {
		require.ErrorIs(t, err, registry.ErrUnavailable)
		assert.ErrorContains(t, err, "start the server with --serve-artifacts")
	}
	assert.Less(t, time.Since(began), c.s.o.Patience/2)
	require.NoError(t, run.End(t.Context(), registry.Failed))
}

func TestTreeAddresses(t *testing.T) {
	c := newClient(t, Options{URL: "http://tracking:5000/mlflow"})
	for uri, want := range map[string]string{
		"mlflow-artifacts:/1/a/artifacts":              "http://tracking:5000/mlflow" + proxyPath + "/1/a/artifacts/x%20y/%C3%BC%25",
		"mlflow-artifacts:///1/a":                      "http://tracking:5000/mlflow" + proxyPath + "/1/a/x%20y/%C3%BC%25",
		"mlflow-artifacts://other:8080/1/a":            "http://other:8080" + proxyPath + "/1/a/x%20y/%C3%BC%25",
		"mlflow-artifacts:/workspaces/w/1/a/artifacts": "http://tracking:5000/mlflow" + proxyPath + "/workspaces/w/1/a/artifacts/x%20y/%C3%BC%25",
	} {
		assert.Equal(t, want, c.s.tree(uri).url("x y/ü%"), uri)
	}
}

// Names that a server lists are not believed: they could lead out of the folder that is downloaded to.
func TestListedNamesAreNotBelieved(t *testing.T) {
	s, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	id := theirRun(t, c)
	for _, name := range []string{`..\\..\\evil`, "a/../../evil", "/etc/evil", "x:y"} {
		s.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if dir := r.URL.Query().Get("path"); strings.HasSuffix(dir, "artifacts") {
				_, _ = w.Write([]byte(`{"files":[{"path":"` + name + `","file_size":1}]}`))
				return true
			}
			return false
		}
		_, err := c.Resolve(t.Context(), registry.URI{RunID: id})
		require.ErrorIs(t, err, registry.ErrInvalid, name)
	}
}

// TestFullDisk: metrics that cannot be kept are sent at once, and lost only where the server is away as well, which is told.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full here")
	}
	_, url := fake(t)
	c := hasten(newClient(t, Options{URL: url, BufferDir: t.TempDir()}))
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	j := asRun(run).journal
	require.NoError(t, j.append(entry{Time: 1, Metrics: map[string]number{"a": 1}}))
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	kept := j.file
	j.file = full
	require.NoError(t, run.LogMetrics(t.Context(), 7, map[string]float64{"loss": 1}), "sent at once, since it cannot be kept")
	info, err := c.GetRun(t.Context(), run.ID())
	require.NoError(t, err)
	assert.EqualValues(t, 7, info.Metrics["loss"].Step)
	impatient(c).s.base.Host = "127.0.0.1:1"
	err = run.LogMetrics(t.Context(), 8, map[string]float64{"loss": 1})
	require.ErrorIs(t, err, syscall.ENOSPC)
	assert.ErrorContains(t, err, "make room")
	j.file = kept
	require.NoError(t, full.Close())
	require.NoError(t, j.remove())
}

func asRun(r registry.Run) *run { return r.(impl.Run).Run.(*run) }

func TestAfterClose(t *testing.T) {
	_, url := fake(t)
	c, err := New(Options{URL: url})
	require.NoError(t, err)
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	for _, err := range []error{c.Ping(t.Context()), run.LogMetrics(t.Context(), 1, map[string]float64{"a": 1}), run.End(t.Context(), registry.Finished)} {
		require.ErrorIs(t, err, fs.ErrClosed)
	}
}

// TestNobodyAnswers: a connection that is taken and then silent.
func TestNobodyAnswers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	c := hasten(newClient(t, Options{URL: "http://" + listener.Addr().String(), Timeout: 50 * time.Millisecond}))
	began := time.Now()
	err = c.Ping(t.Context())
	require.ErrorIs(t, err, registry.ErrUnavailable)
	assert.ErrorContains(t, err, "no answer in time")
	assert.Less(t, time.Since(began), c.s.o.Patience/2, "nor is it waited for")
}
