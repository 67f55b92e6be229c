package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/internal/mlflowtest"
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/openai"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/local"
)

// begin runs the program until the test ends and returns its address at once: it is not waited for.
func begin(t *testing.T, args ...string) (base string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, append([]string{"-profile", "none", "-backend", "go", "-listen", address, "-log-level", "error", "-models-ttl", "50ms"}, args...), nil, io.Discard)
	}()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	return "http://" + address
}

// healthy asks whether the server is ready, and with which codes.
func healthy(t *testing.T, base string) (ready bool, codes string) {
	t.Helper()
	response, err := http.Get(base + "/health/ready")
	if err != nil {
		return false, ""
	}
	defer response.Body.Close()
	var report struct {
		Ready        bool
		Degradations []struct{ Code string }
	}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&report))
	assert.Equal(t, report.Ready, response.StatusCode == http.StatusOK)
	for _, d := range report.Degradations {
		codes += d.Code + " "
	}
	return report.Ready, codes
}

func requireNotReady(t *testing.T, base, code string) {
	t.Helper()
	require.Eventually(t, func() bool {
		ready, codes := healthy(t, base)
		require.False(t, ready)
		return strings.Contains(codes, code)
	}, time.Minute, 5*time.Millisecond)
}

func requireReady(t *testing.T, base string) {
	t.Helper()
	require.Eventually(t, func() bool { ready, _ := healthy(t, base); return ready }, time.Minute, 5*time.Millisecond)
}

// TestWaitsForAVersion: with nothing to serve, not even a registry, the server waits, not ready, and serves what comes.
func TestWaitsForAVersion(t *testing.T) {
	root := filepath.Join(t.TempDir(), "registry")
	base := begin(t, "-registry", "file:"+root, "-cache", filepath.Join(t.TempDir(), "cache"), "-name", "guide")
	requireNotReady(t, base, "model_missing")
	probes := func() error {
		return run(t.Context(), []string{"-probe", "-listen", strings.TrimPrefix(base, "http://")}, nil, io.Discard)
	}
	assert.ErrorContains(t, probes(), "503")
	publish(t, root, "another", testmodel.Write(t, 1))
	_, body := get(t, base+"/v1/models")
	assert.Contains(t, body, `"data":[]`)
	_, err := ask(t.Context(), base+"/v1", "none", "guide")
	require.ErrorContains(t, err, "404")

	publish(t, root, "guide", testmodel.Write(t, 1))
	requireReady(t, base)
	require.NoError(t, probes())
	_, err = ask(t.Context(), base+"/v1", "none", "guide")
	require.NoError(t, err, "ready is ready")

	store, err := local.Open(root, local.Options{})
	require.NoError(t, err)
	defer store.Close()
	_, err = store.Promote(t.Context(), "guide", 1, registry.PromoteOptions{Stage: registry.Archived})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		ready, codes := healthy(t, base)
		return !ready && strings.Contains(codes, "model_missing")
	}, time.Minute, 5*time.Millisecond)
}

// TestNotReadyWhileLoading: the download takes its time, in which nobody may be sent here.
func TestNotReadyWhileLoading(t *testing.T) {
	fake := mlflowtest.NewFake()
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	register(t, mlflowAt(t, server.URL), "guide", testmodel.Write(t, 1))
	held, downloading := make(chan struct{}), make(chan struct{}, 100)
	fake.Locked(func() {
		fake.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "model.safetensors") {
				downloading <- struct{}{}
				<-held
			}
			return false
		}
	})
	base := begin(t, "-registry", server.URL, "-cache", filepath.Join(t.TempDir(), "cache"), "-name", "guide")
	<-downloading
	for range 20 {
		ready, _ := healthy(t, base)
		require.False(t, ready)
		_, body := get(t, base+"/health")
		assert.Contains(t, body, `"status":"loading"`)
		time.Sleep(5 * time.Millisecond)
	}
	close(held)
	requireReady(t, base)
}

// TestServesTheCacheWhileTheRegistryIsAway, however it is away; what is in the cache is served as it was logged, or not.
func TestServesTheCacheWhileTheRegistryIsAway(t *testing.T) {
	for how, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"broken":              func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusBadGateway) },
		"closed":              func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"hanging":             func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"a proxy's not found": func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) },
		"a proxy's JSON":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) },
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			fake := mlflowtest.NewFake()
			var away atomic.Bool
			fake.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if away.Load() {
					answer(w, r)
				}
				return away.Load()
			}
			server := httptest.NewServer(fake)
			t.Cleanup(server.Close)
			v := register(t, mlflowAt(t, server.URL), "guide", testmodel.Write(t, 1))
			cache := filepath.Join(t.TempDir(), "cache")
			args := []string{"-registry", server.URL, "-cache", cache, "-name", "guide"}
			url, stop := start(t, append(args, "-models-ttl", "50ms")...)
			first, err := ask(t.Context(), url, "none", "guide")
			require.NoError(t, err)
			away.Store(true)
			t.Cleanup(server.CloseClientConnections)
			requireStale(t, url, first)
			stop()
			began := time.Now()
			base := begin(t, args...)
			require.Eventually(t, func() bool { _, err := http.Get(base + "/health/live"); return err == nil }, time.Minute, 5*time.Millisecond)
			assert.Less(t, time.Since(began), resolveTimeout, "the port does not wait for the registry")
			requireStale(t, base+"/v1", first)

			weights := filepath.Join(program.CachedVersions(cache, config.Registry{URL: server.URL}), program.CachedVersion(v), "model.safetensors")
			data, err := os.ReadFile(weights)
			require.NoError(t, err)
			data[len(data)-1] ^= 1
			require.NoError(t, os.WriteFile(weights, data, 0o644))
			base = begin(t, args...)
			requireNotReady(t, base, "model_load_failed")
		})
	}
}

// requireStale waits until a server says that the registry is away, and has it answer as before.
func requireStale(t *testing.T, url string, before *openai.ChatCompletionResponse) {
	t.Helper()
	require.Eventually(t, func() bool {
		ready, codes := healthy(t, strings.TrimSuffix(url, "/v1"))
		return ready && strings.Contains(codes, "registry_stale")
	}, time.Minute, 5*time.Millisecond)
	again, err := ask(t.Context(), url, "none", "guide")
	require.NoError(t, err)
	assert.Equal(t, before.SystemFingerprint, again.SystemFingerprint)
}

// TestTheRegistrysDiskIsNotMounted: its folder is empty, or not there; what is there later is followed, also if it was begun anew.
func TestTheRegistrysDiskIsNotMounted(t *testing.T) {
	root, cache := filepath.Join(t.TempDir(), "registry"), filepath.Join(t.TempDir(), "cache")
	args := []string{"-registry", "file:" + root, "-cache", cache, "-name", "guide", "-models-ttl", "50ms"}
	publish(t, root, "guide", testmodel.Write(t, 1))
	url, _ := start(t, args...)
	first, err := ask(t.Context(), url, "none", "guide")
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(root))
	require.NoError(t, os.Mkdir(root, 0o755))
	requireStale(t, url, first)
	requireStale(t, begin(t, args...)+"/v1", first)
	require.NoError(t, os.Remove(root))
	base := begin(t, args...)
	requireStale(t, base+"/v1", first)

	publish(t, root, "guide", testmodel.Write(t, 2))
	for _, url := range []string{url, base + "/v1"} {
		require.Eventually(t, func() bool {
			again, err := ask(t.Context(), url, "none", "guide")
			return err == nil && again.SystemFingerprint != first.SystemFingerprint
		}, time.Minute, 20*time.Millisecond)
	}
}

// TestTwoRegistriesAndOneCache: the versions have the same name and number, and other files.
func TestTwoRegistriesAndOneCache(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	for seed, file := range []string{"README.md", "vocab.json"} {
		root, model := filepath.Join(t.TempDir(), "registry"), testmodel.Write(t, uint64(seed))
		require.NoError(t, os.WriteFile(filepath.Join(model, file), []byte("{}"), 0o644))
		publish(t, root, "guide", model)
		requireReady(t, begin(t, "-registry", "file:"+root, "-cache", cache, "-name", "guide"))
	}
}
