package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/examples/internal/programtest"
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/openai"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/local"
	"github.com/docent-ml/docent/serve"
)

// publish puts a model into the registry as a new version in Production.
func publish(t *testing.T, root, name, model string) registry.Version {
	t.Helper()
	store, err := local.Open(root, local.Options{})
	require.NoError(t, err)
	defer store.Close()
	return register(t, store, name, model)
}

// start runs the program until the test ends or stop is called, which checks that it ends well.
func start(t *testing.T, args ...string) (url string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, append([]string{"-profile", "none", "-backend", "go", "-listen", "127.0.0.1:0", "-log-level", "warn"}, args...), nil, out)
		out.CloseWithError(io.EOF)
		ended <- err
	}()
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		cancel()
		require.NoError(t, <-ended)
	}
	stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "ready: ")
	require.True(t, ok, line)
	return url, stop
}

// hello is a request for at most so many tokens, always the same ones.
func hello(model string, tokens int) openai.ChatCompletionRequest {
	return openai.ChatCompletionRequest{
		Model: model, Messages: []openai.Message{{Role: "user", Content: "hello"}},
		MaxCompletionTokens: &tokens, Sampling: openai.Sampling{Temperature: new(float64)},
	}
}

// post sends a request and returns the body of the answer. An error names the HTTP status.
func post(ctx context.Context, url, key string, r openai.ChatCompletionRequest) (io.ReadCloser, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		return nil, errors.Join(fmt.Errorf("%s: %s", response.Status, text), err)
	}
	return response.Body, nil
}

func ask(ctx context.Context, url, key, model string) (*openai.ChatCompletionResponse, error) {
	body, err := post(ctx, url, key, hello(model, 8))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var answer openai.ChatCompletionResponse
	return &answer, json.NewDecoder(body).Decode(&answer)
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(data)
}

func TestServesTheRegistryAndFollowsPromotions(t *testing.T) {
	root, cache := filepath.Join(t.TempDir(), "registry"), filepath.Join(t.TempDir(), "cache")
	versions := program.CachedVersions(cache, config.Registry{Dir: root})
	one := publish(t, root, "guide", testmodel.Write(t, 1))
	other := testmodel.Write(t, 3)
	url, stop := start(t, "-registry", "file:"+root, "-cache", cache, "-name", "guide", "-models-ttl", "50ms",
		"-model", "models:/guide/Production", "-model", other, "-model-name", "other", "-prefix", "/ai")
	require.True(t, strings.HasSuffix(url, "/ai/v1"), url)

	status, body := get(t, url+"/models")
	require.Equal(t, http.StatusOK, status)
	var list struct{ Data []struct{ ID string } }
	require.NoError(t, json.Unmarshal([]byte(body), &list))
	require.Len(t, list.Data, 2)

	first, err := ask(t.Context(), url, "none", "guide")
	require.NoError(t, err)
	otherAnswer, err := ask(t.Context(), url, "none", "other")
	require.NoError(t, err)
	assert.NotEqual(t, first.SystemFingerprint, otherAnswer.SystemFingerprint)
	_, err = ask(t.Context(), url, "none", "nobody")
	assert.ErrorContains(t, err, "404")

	status, body = get(t, strings.TrimSuffix(url, "/ai/v1")+"/")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, url, "the program's own page tells how to call it")
	status, _ = get(t, strings.TrimSuffix(url, "/v1")+"/health")
	assert.Equal(t, http.StatusOK, status)

	v := publish(t, root, "guide", testmodel.Write(t, 2))
	require.Equal(t, 2, v.Number)
	require.Eventually(t, func() bool {
		again, err := ask(t.Context(), url, "none", "guide")
		return err == nil && again.SystemFingerprint != first.SystemFingerprint
	}, time.Minute, 20*time.Millisecond, "the new version is served without a restart")
	assert.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(versions, program.CachedVersion(one)))
		return os.IsNotExist(err)
	}, time.Minute, 20*time.Millisecond, "the files of the old one are gone")
	assert.FileExists(t, filepath.Join(versions, program.CachedVersion(v), "config.json"))

	store, err := local.Open(root, local.Options{})
	require.NoError(t, err)
	told, err := store.Get(t.Context(), "guide", 1)
	require.NoError(t, err)
	assert.Equal(t, first.SystemFingerprint, told.Tags[program.FingerprintTag], "an answer leads to its version")
	require.NoError(t, store.Close())

	stop()
	_, err = http.Get(url + "/models")
	assert.Error(t, err, "nobody listens any more")
}

func TestRunningAnswersAreFinishedOnStop(t *testing.T) {
	url, stop := start(t, "-model", testmodel.Write(t, 1), "-model-name", "tiny")
	request := hello("tiny", 300)
	request.Stream, request.IgnoreEOS = true, true
	body, err := post(t.Context(), url, "none", request)
	require.NoError(t, err)
	defer body.Close()
	begun, finish := false, ""
	for chunk, err := range openai.ReadStream[openai.ChatCompletionChunk](body) {
		require.NoError(t, err)
		if !begun {
			begun = true
			go stop()
		}
		for _, choice := range chunk.Choices {
			if choice.FinishReason != nil {
				finish += *choice.FinishReason
			}
		}
	}
	assert.Equal(t, "length", finish)
}

func TestKeysAreAskedFor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.txt")
	require.NoError(t, os.WriteFile(file, []byte("# mine\nwebsite: sk-secret\n"), 0o600))
	url, _ := start(t, "-model", testmodel.Write(t, 1), "-model-name", "tiny", "-api-key-file", file)
	_, err := ask(t.Context(), url, "wrong", "tiny")
	assert.ErrorContains(t, err, "401")
	_, err = ask(t.Context(), url, "sk-secret", "tiny")
	assert.NoError(t, err)
	_, page := get(t, strings.TrimSuffix(url, "/v1")+"/")
	assert.Contains(t, page, "Authorization: Bearer")
	assert.NotContains(t, page, "sk-secret")

	asked := func(key string) bool { _, err := ask(t.Context(), url, key, "tiny"); return err == nil }
	require.NoError(t, os.WriteFile(file, []byte("\n"), 0o600)) // as an editor may leave it for a moment
	time.Sleep(1500 * time.Millisecond)
	assert.True(t, asked("sk-secret"))
	assert.False(t, asked("sk-new"))
	require.NoError(t, os.WriteFile(file, []byte("website: sk-new\n"), 0o600))
	require.Eventually(t, func() bool { return asked("sk-new") }, time.Minute, 50*time.Millisecond, "the file is read again")
	assert.False(t, asked("sk-secret"))
}

// A page elsewhere whose name resolves to this machine is not answered, unless keys protect the server.
func TestHostsOfAServerOnLoopback(t *testing.T) {
	status := func(url, path, host string) int {
		r, err := http.NewRequest("GET", strings.TrimSuffix(url, "/v1")+path, nil)
		require.NoError(t, err)
		r.Host = host
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		res.Body.Close()
		return res.StatusCode
	}
	model := testmodel.Write(t, 1)
	open, _ := start(t, "-model", model, "-hosts", "docs.example.org, b.example.org")
	for _, path := range []string{"/", "/v1/models", "/health"} {
		assert.Equal(t, 403, status(open, path, "evil.example:8080"), path)
		for _, host := range []string{"localhost:1", "127.0.0.1:1", "b.example.org"} {
			assert.Equal(t, 200, status(open, path, host), path)
		}
	}
	file := filepath.Join(t.TempDir(), "keys.txt")
	require.NoError(t, os.WriteFile(file, []byte("sk-secret\n"), 0o600))
	keyed, _ := start(t, "-model", model, "-api-key-file", file)
	assert.Equal(t, 401, status(keyed, "/v1/models", "evil.example"))
	alone, _ := start(t, "-model", model)
	assert.Equal(t, 403, status(alone, "/v1/models", "evil.example"))

	assert.Empty(t, hosts(config.Server{Listen: ":8080"}, false))
	assert.Empty(t, hosts(config.Server{Listen: "127.0.0.1:8080"}, true))
	assert.Equal(t, []string{"localhost"}, hosts(config.Server{Listen: "[::1]:8080"}, false))
}

func TestReadKeys(t *testing.T) {
	all := serve.RateLimits{Requests: 7, Tokens: 9}
	for content, want := range map[string]any{
		"a: x\n\n# c\ny\n":                apiKeys{map[string]string{"a": "x", "line 4": "y"}, map[string]serve.RateLimits{"a": all, "line 4": all}},
		"a: x rpm=5\nb: y  tpm=0 rpm=0\n": apiKeys{map[string]string{"a": "x", "b": "y"}, map[string]serve.RateLimits{"a": {Requests: 5, Tokens: 9}, "b": {}}},
		"a: x rpm=-1\n":                   ":1: behind a key",
		"a: x rps=1\n":                    ":1: behind a key",
		"":                                "has none",
		"# only\n":                        "has none",
		"a: x\na: y\n":                    "twice",
		": x\n":                           ":1: a line is",
		"a:\n":                            ":1: a line is",
		"two words\n":                     ":1: behind a key, which has no spaces",
	} {
		file := filepath.Join(t.TempDir(), "keys.txt")
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		keys, err := readKeys(file, all)
		if reason, bad := want.(string); bad {
			assert.ErrorContains(t, err, reason, "%q", content)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, want, keys)
	}
}

func TestEarlyClearStops(t *testing.T) {
	model, root := testmodel.Write(t, 1), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "registry.json"), []byte(`{"about":"","format":9}`), 0o644))
	broken := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(broken, "config.json"), []byte(`{"model_type": "mystery"}`), 0o644))
	url, _ := start(t, "-model", model, "-model-name", "tiny")
	taken := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/v1")
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"not a registry":     {[]string{"-registry", "file:" + root}, []string{"format 9"}},
		"no certificate":     {[]string{"-registry", "https://127.0.0.1:1"}, []string{"none.pem"}},
		"not a model URI":    {[]string{"-registry", "file:" + root, "-model", "models:/guide/prod"}, []string{"-model models:/guide/prod"}},
		"no such folder":     {[]string{"-model", "./gone"}, []string{"gone"}},
		"unknown family":     {[]string{"-model", broken, "-model-name", "x"}, []string{"mystery"}},
		"no key file":        {[]string{"-model", model, "-api-key-file", filepath.Join(broken, "keys")}, []string{"API keys"}},
		"address is taken":   {[]string{"-model", model, "-listen", taken}, []string{"listen on " + taken, "-listen"}},
		"no such plugin":     {[]string{"-model", model, "-backend", "xla:/no/plugin.so"}, []string{"/no/plugin.so"}},
		"wrong flag by name": {[]string{"-modle", model}, []string{"modle", "model"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			environ := []string{"MLFLOW_TRACKING_SERVER_CERT_PATH=none.pem"}
			args := append([]string{"-profile", "none", "-backend", "go", "-listen", "127.0.0.1:0", "-log-level", "error"}, test.args...)
			err := run(ctx, args, environ, io.Discard)
			require.Error(t, err)
			require.NoError(t, ctx.Err(), "it must not begin to serve")
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

func TestHelpAndExplain(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), []string{"-h"}, nil, &out))
	assert.Contains(t, out.String(), "Listening")
	out.Reset()
	require.NoError(t, run(t.Context(), []string{"-explain", "-model", "./x"}, nil, &out))
	assert.Contains(t, out.String(), "models")
}

// TestMisspeltVariableIsWarnedOf: in the log, where a start goes on to the next fault, and in the explanation.
func TestMisspeltVariableIsWarnedOf(t *testing.T) {
	environ := []string{"MODEL_SORUCE=s3cret"}
	const warning = "environment variable MODEL_SORUCE is not known: did you mean MODEL_SOURCE?"
	var out strings.Builder
	require.NoError(t, run(t.Context(), []string{"-profile", "none", "-explain", "-model", "./x"}, environ, &out))
	assert.Contains(t, out.String(), "note: "+warning)

	logged := programtest.Stderr(t, func() {
		err := run(t.Context(), []string{"-profile", "none", "-api-key-file", "./gone", "-model", "./x"}, environ, io.Discard)
		require.ErrorContains(t, err, "API keys")
	})
	assert.Contains(t, logged, `level=WARN msg="`+warning+`"`)
	assert.NotContains(t, out.String()+logged, "s3cret")
}

func TestReachable(t *testing.T) {
	for address, want := range map[string]string{"[::]:80": "127.0.0.1:80", "0.0.0.0:80": "127.0.0.1:80", "192.0.2.1:80": "192.0.2.1:80", "[::1]:80": "[::1]:80"} {
		assert.Equal(t, want, reachable(address), fmt.Sprint(address))
	}
}
