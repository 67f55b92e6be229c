package ci_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
)

// TestPythonClient and TestJavaScriptClient hold the example server against the API's contract with the clients that
// people use.
func TestPythonClient(t *testing.T) {
	interpreter := python(t)
	t.Log(output(t, nil, interpreter, filepath.Join("internal", "ci", "openai_client.py"), startServer(t), "tiny"))
}

func TestJavaScriptClient(t *testing.T) {
	if os.Getenv("DOCENT_NODE") == "" {
		t.Skip("DOCENT_NODE names no package.json beside OpenAI's JavaScript client; make test-full fetches it where there is Node.js")
	}
	t.Log(output(t, nil, "node", filepath.Join("internal", "ci", "openai_client.mjs"), startServer(t), "tiny"))
}

// The frameworks that people use chat, stream, call, answer in a form and embed: with a model whose answers are known, and with
// a small one.
func TestJavaScriptClients(t *testing.T) {
	if os.Getenv("DOCENT_NODE") == "" {
		t.Skip("DOCENT_NODE names no package.json beside the JavaScript clients; make test-full fetches them where there is Node.js")
	}
	script := filepath.Join("internal", "ci", "clients.mjs")
	t.Log(output(t, nil, "node", script, startFake(t), "fake"))
	t.Log(output(t, nil, "node", script, startServer(t), "tiny"))
}

func TestPythonClients(t *testing.T) {
	interpreter := os.Getenv("DOCENT_PYTHON_CLIENTS")
	if interpreter == "" {
		t.Skip("DOCENT_PYTHON_CLIENTS names no interpreter with the packages of clients.txt; make test-full installs them")
	}
	t.Log(output(t, nil, interpreter, filepath.Join("internal", "ci", "clients.py"), startFake(t), "fake", startServer(t), "tiny"))
}

func TestGoClients(t *testing.T) {
	program := os.Getenv("DOCENT_GO_CLIENTS")
	if program == "" {
		t.Skip("DOCENT_GO_CLIENTS is not the program of internal/ci/goclients; make test-full compiles it")
	}
	t.Log(output(t, nil, program, startFake(t), "fake", startServer(t), "tiny"))
}

var serverURL = regexp.MustCompile(`https?://[^\s"]+`)

// startServer runs examples/server with a tiny model of random weights, named tiny, and returns the base URL that
// clients want. It is stopped with the test, as an init system would do it.
func startServer(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "server")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	output(t, nil, "go", "build", "-o", program, "./examples/server")

	cmd := exec.Command(program, "-listen", "127.0.0.1:0", "-backend", "go", "-model", tinyModel(t), "-model-name", "tiny")
	cmd.Dir = t.TempDir()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(stderr.String())
		}
		if cmd.Process.Signal(os.Interrupt) != nil {
			_ = cmd.Process.Kill()
		}
		killed := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer killed.Stop()
		if err := cmd.Wait(); err != nil && runtime.GOOS != "windows" {
			t.Errorf("the server did not stop gracefully: %v\n%s", err, stderr.String())
		}
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if url := serverURL.FindString(lines.Text()); url != "" {
			go func() { // it must not block on a full pipe
				for lines.Scan() {
				}
			}()
			return strings.TrimSuffix(strings.TrimSuffix(url, "/"), "/v1") + "/v1"
		}
	}
	require.FailNow(t, "the server printed no URL", stderr.String())
	return ""
}

// tinyModel is the tiny llama with a tokenizer, and with room for a conversation.
func tinyModel(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	for _, tiny := range golden.Tiny(t) {
		if filepath.Base(tiny) == "llama" {
			require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(tiny, "model"))))
		}
	}
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "tokenizer"))))
	config := golden.JSON[map[string]any](t, dir, "config.json")
	config["max_position_embeddings"] = 1024 // room for the description of a function
	data, err := json.Marshal(config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), data, 0o644))
	return dir
}
