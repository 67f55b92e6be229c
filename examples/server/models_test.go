package main

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/examples/internal/backend"
	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/serve"
)

// TestWarm also loads a second version, which shares the graphs of the first.
func TestWarm(t *testing.T) {
	for _, warm := range []bool{false, true} {
		var log strings.Builder
		cfg := config.Server{Models: []config.ModelRef{{Ref: testmodel.Write(t, 1), Name: "tiny"}}, Warm: warm}
		m, err := newModels(t.Context(), cfg, &backend.Device{Backend: golden.Backend(t)}, slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		for range 2 {
			model, err := m.load(t.Context(), "tiny")
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, model.(io.Closer).Close()) })
			r := serve.Request{Messages: []serve.Message{{Role: "user", Content: "hello"}}, N: 1, MaxTokens: 5, IgnoreEOS: true}
			for _, err := range model.Generate(t.Context(), r) {
				require.NoError(t, err)
			}
		}
		assert.Equal(t, warm, strings.Contains(log.String(), "warmed up"))
	}
}

func TestModelsGoByBytes(t *testing.T) {
	a, b := testmodel.Write(t, 1), testmodel.Write(t, 2)
	url, _ := start(t, "-model", a, "-model-name", "a", "-model", b, "-model-name", "b", "-max-model-bytes", "1")
	warm := func() (ids []string) {
		_, body := get(t, strings.TrimSuffix(url, "/v1")+"/health")
		for _, id := range []string{"a", "b"} {
			if strings.Contains(body, `{"id":"`+id+`","ready":true,"state":"warm"`) {
				ids = append(ids, id)
			}
		}
		return ids
	}
	assert.Equal(t, []string{"b"}, warm(), "both were loaded at the start, and the first had to go")
	_, err := ask(t.Context(), url, "none", "a")
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, warm())
}

// TestAdaptersShareTheirBase: the name in a request chooses the adapter.
func TestAdaptersShareTheirBase(t *testing.T) {
	base := testmodel.Write(t, 1)
	folders := []string{t.TempDir(), t.TempDir()}
	for i, dir := range folders {
		require.NoError(t, testmodel.Adapter(base, uint64(i), 4).Save(t.Context(), dir))
	}
	url, _ := start(t, "-model", base, "-model-name", "base", "-model", folders[0], "-model-name", "one", "-model", folders[1], "-model-name", "two", "-max-models", "3")
	seen := map[string]bool{}
	for _, id := range []string{"base", "one", "two"} {
		answer, err := ask(t.Context(), url, "none", id)
		require.NoError(t, err)
		seen[answer.SystemFingerprint+*answer.Choices[0].Message.Content] = true
	}
	assert.Len(t, seen, 3)
}

// What is not a path of the API is told so as the API tells it: a redirect would lead clients astray.
func TestNothingRedirects(t *testing.T) {
	url, _ := start(t, "-model", testmodel.Write(t, 1), "-model-name", "tiny", "-prefix", "/ai")
	base := strings.TrimSuffix(url, "/ai/v1")
	for path, found := range map[string]bool{
		"//ai/v1/models": true, "/ai/v1//models": true, "/ai/v1/models/": true, // slashes too many, as clients join paths
		"/ai/../ai/v1/models": false, "/ai": false, "/ai/": false, "/v1/models": false, "/nothing": false,
	} {
		request, err := http.NewRequest("GET", base+path, nil)
		require.NoError(t, err)
		response, err := http.DefaultTransport.RoundTrip(request)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		response.Body.Close()
		if found {
			assert.Equal(t, http.StatusOK, response.StatusCode, path)
			assert.Contains(t, string(body), `"tiny"`, path)
			continue
		}
		assert.Equal(t, http.StatusNotFound, response.StatusCode, path)
		assert.Contains(t, string(body), `"route_not_found"`, path)
	}
	response, err := http.Head(base + "/")
	require.NoError(t, err)
	response.Body.Close()
	assert.Equal(t, http.StatusOK, response.StatusCode)
	response, err = http.Post(base+"/", "text/plain", nil)
	require.NoError(t, err)
	response.Body.Close()
	assert.Equal(t, http.StatusNotFound, response.StatusCode)
}

// Two models of one run do not share a folder of the cache.
func TestFolders(t *testing.T) {
	m := &models{cfg: config.Server{CacheDir: "cache"}}
	folders := map[string]bool{}
	for _, v := range []registry.Version{{RunID: "r"}, {RunID: "r", Path: "a"}, {RunID: "r", ModelID: "m-1"}, {RunID: "r", ModelID: "m-2"}, {Name: "n", Number: 1, RunID: "r"}} {
		folders[m.folder(registry.URI{}, v)] = true
	}
	assert.Len(t, folders, 5)
}
