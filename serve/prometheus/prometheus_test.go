package prometheus_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/serve"
	"github.com/docent-ml/docent/serve/prometheus"
)

// model says one word, when it may.
type model struct{ gate chan struct{} }

func (m model) Info() serve.Info { return serve.Info{Prompt: serve.PromptPlain} }

func (m model) Generate(ctx context.Context, r serve.Request) iter.Seq2[serve.Delta, error] {
	return func(yield func(serve.Delta, error) bool) {
		if m.gate != nil {
			select {
			case <-m.gate:
			case <-ctx.Done():
				yield(serve.Delta{}, ctx.Err())
				return
			}
		}
		_ = yield(serve.Delta{Start: &serve.Start{PromptTokens: 3, MaxTokens: r.MaxTokens}}, nil) &&
			yield(serve.Delta{Text: "word", Sampled: 1}, nil) && yield(serve.Delta{Finish: serve.FinishStop, Sampled: 1}, nil)
	}
}

func TestMetrics(t *testing.T) {
	m := prometheus.New()
	slow := model{gate: make(chan struct{})}
	pool, err := serve.NewPool(func(_ context.Context, id string) (serve.Model, error) {
		if id == "broken" {
			return nil, fmt.Errorf("broken")
		}
		return slow, nil
	}, serve.PoolOptions{Local: []serve.Entry{{ID: "a/b"}, {ID: "broken"}}})
	require.NoError(t, err)
	h, err := serve.NewHandler(pool, serve.HandlerOptions{Metrics: m, APIKeys: map[string]string{"library": "k"}})
	require.NoError(t, err)
	defer h.Close()
	ask := func(ctx context.Context, model string) int {
		r := httptest.NewRequestWithContext(ctx, "POST", "/v1/chat/completions",
			strings.NewReader(`{"model":"`+model+`","messages":[{"role":"user","content":"x"}]}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer k")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	page := func() string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		require.Equal(t, 200, w.Code)
		assert.Contains(t, w.Header().Get("Content-Type"), "text/plain")
		text, err := io.ReadAll(w.Body)
		require.NoError(t, err)
		return string(text)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { assert.Equal(t, 200, ask(t.Context(), "a/b")) })
	}
	require.Eventually(t, func() bool { return strings.Contains(page(), "docent_queue_depth 2\n") }, testTime, tick)
	assert.Contains(t, page(), "docent_inflight 2\n")
	close(slow.gate)
	wg.Wait()
	for range 50 { // names from outside are one label
		assert.Equal(t, 404, ask(t.Context(), fmt.Sprint("x", t.Name())))
	}
	assert.Equal(t, 503, ask(t.Context(), "broken"))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/wp-login.php", nil))

	text := page()
	for _, line := range []string{
		`docent_requests_total{model="a/b",route="/v1/chat/completions",status="200"} 2`,
		`docent_requests_total{model="unknown",route="/v1/chat/completions",status="404"} 50`,
		`docent_requests_total{model="unknown",route="unknown",status="404"} 1`,
		`docent_request_seconds_count{model="a/b",route="/v1/chat/completions"} 2`,
		`docent_first_token_seconds_count{model="a/b",route="/v1/chat/completions"} 2`,
		`docent_key_requests_total{key="library",status="200"} 2`, `docent_key_requests_total{key="library",status="404"} 50`,
		`docent_key_tokens_total{key="library"} 10`,
		`docent_prompt_tokens_total 6`, `docent_completion_tokens_total 4`, `docent_queue_depth 0`, `docent_inflight 0`, `docent_cancelled_total 0`,
		`docent_rejected_total{code="model_not_found"} 50`, `docent_rejected_total{code="model_unavailable"} 1`,
		`docent_model_load_seconds_count 2`, `docent_models_loaded 1`, `docent_degraded{code="no_chat_template"} 1`, `docent_degraded{code="model_load_failed"} 1`,
	} {
		assert.Contains(t, text, line+"\n")
	}
	lint, err := testutil.GatherAndLint(registryOf(t, m))
	require.NoError(t, err)
	assert.Empty(t, lint)
}

// A host that has a registry uses that.
func registryOf(t *testing.T, m *prometheus.Metrics) *client.Registry {
	t.Helper()
	r := client.NewRegistry()
	require.NoError(t, r.Register(m))
	return r
}

func TestCancelled(t *testing.T) {
	m := prometheus.New()
	h, err := serve.NewHandler(serve.Single("m", model{gate: make(chan struct{})}), serve.HandlerOptions{Metrics: m})
	require.NoError(t, err)
	defer h.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/completions", strings.NewReader(`{"model":"m","prompt":"x"}`))
	r.Header.Set("Content-Type", "application/json")
	h.ServeHTTP(httptest.NewRecorder(), r)
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	assert.Contains(t, w.Body.String(), "docent_cancelled_total 1\n")
}

func Example() {
	pool := serve.Single("m", model{})
	h, err := serve.NewHandler(pool, serve.HandlerOptions{Metrics: prometheus.New()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "docent_models_loaded") {
			fmt.Print(line)
		}
	}
	// Output: docent_models_loaded 1
}

const (
	testTime = 10 * time.Second
	tick     = 5 * time.Millisecond
)
