//go:build unix

package mlflow

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/mlflowtest"
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/registry"
)

// python runs a script of internal/ci.
func python(t *testing.T, script string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), mlflowtest.Python(t), append([]string{filepath.Join("..", "..", "internal", "ci", script)}, args...)...)
	cmd.Env = append(os.Environ(), "HF_HUB_OFFLINE=1", "MLFLOW_DISABLE_TELEMETRY=true")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	require.NoError(t, err, "%s%s", out, &said)
	return out
}

// requireOpens has MLflow's own client open a version, whose files are those of a folder. That of an adapter is followed by
// its base model's.
func requireOpens(t *testing.T, url string, v registry.Version, folder string, base ...string) {
	t.Helper()
	t.Logf("%s", python(t, "mlflow_check.py", append([]string{url, v.Name, strconv.Itoa(v.Number), folder}, base...)...))
}

// testPython opens what this package registers with MLflow's own client. A copy of a version is one of its own.
func testPython(t *testing.T, s *mlflowtest.Server) {
	c := newClient(t, Options{URL: s.URL})
	adapter := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(adapter, "adapter_config.json"), []byte(`{"peft_type": "LORA"}`), 0o600))
	model := testmodel.Write(t, 1)
	v := publish(t, c, "guide", os.DirFS(model))
	requireOpens(t, s.URL, v, model)
	copied := filepath.Join(t.TempDir(), "model")
	require.NoError(t, c.Download(t.Context(), v, copied))
	require.NoError(t, c.s.call(t.Context(), request{method: http.MethodDelete, path: apiPath + "logged-models/" + v.ModelID}, nil))
	requireOpens(t, s.URL, publish(t, c, "copied", os.DirFS(copied)), copied)
	requireOpens(t, s.URL, publish(t, c, "v1.2 größe", os.DirFS(adapter)), adapter)
	tiny := filepath.Join("..", "..", "internal", "golden", "testdata", "tiny", "llama")
	adapter = filepath.Join(tiny, "adapter_final")
	requireOpens(t, s.URL, publish(t, c, "adapter", os.DirFS(adapter)), adapter, filepath.Join(tiny, "model"))
}

// testOlderServer: MLflow 2 knows no logged models. Versions are made of a run's artifacts there, and open all the same.
func testOlderServer(t *testing.T, s *mlflowtest.Server) {
	server := proxyOf(t, s)
	older := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/logged-models") {
			http.Error(w, "<!doctype html>", http.StatusNotFound)
			return
		}
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(older.Close)
	c := newClient(t, Options{URL: older.URL})
	model := testmodel.Write(t, 1)
	v := publish(t, c, "older", os.DirFS(model))
	assert.Empty(t, v.ModelID)
	requireOpens(t, s.URL, v, model)
}

// testTheirs: what was published in Python is found here under the same names, with the same files.
func testTheirs(t *testing.T, s *mlflowtest.Server) {
	c := newClient(t, Options{URL: s.URL})
	n := 0
	for line := range bytes.Lines(python(t, "mlflow_theirs.py", s.URL)) {
		if line[0] != '[' { // of MLflow's own
			continue
		}
		var uri string
		want := map[string]string{}
		require.NoError(t, json.Unmarshal(line, &[]any{&uri, &want}))
		u, err := registry.ParseURI(uri)
		require.NoError(t, err)
		v, err := c.Resolve(t.Context(), u)
		require.NoError(t, err, uri)
		dir := filepath.Join(t.TempDir(), "out")
		require.NoError(t, c.Download(t.Context(), v, dir), uri)
		got := map[string]string{}
		require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(name)
			rel, _ := filepath.Rel(dir, name)
			got[filepath.ToSlash(rel)] = fmt.Sprintf("%x", sha256.Sum256(data))
			return err
		}))
		assert.Equal(t, want, got, uri)
		n++
	}
	assert.Equal(t, 23, n, "URIs")
}
