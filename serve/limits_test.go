package serve

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestRateLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &embedder{fakeModel: *hello()} // 12 tokens a request
		h := newHandler(t, m, HandlerOptions{RequestsPerMinute: 3, APIKeys: map[string]string{"a": "ka", "b": "kb"}})
		send := func(h http.Handler, key string) *httptest.ResponseRecorder {
			r := post("/v1/chat/completions", plain)
			r.Header.Set("Authorization", "Bearer "+key)
			w, _ := do(h, r)
			return w
		}
		for i := range 3 {
			w := send(h, "ka")
			assert.Equal(t, 200, w.Code)
			assert.Equal(t, "3", w.Header().Get("x-ratelimit-limit-requests"))
			assert.Equal(t, fmt.Sprint(2-i), w.Header().Get("x-ratelimit-remaining-requests"))
			assert.Equal(t, fmt.Sprint(time.Duration(i+1)*20*time.Second), w.Header().Get("x-ratelimit-reset-requests"))
			assert.Empty(t, w.Header().Get("x-ratelimit-limit-tokens"))
		}
		w := send(h, "ka")
		assert.Equal(t, 429, w.Code)
		e := errorOf(t, w)
		assert.Equal(t, "rate_limit_exceeded", e.Code)
		assert.Equal(t, "rate_limit_error", e.Type)
		assert.Equal(t, "20", w.Header().Get("Retry-After"))
		assert.Equal(t, "0", w.Header().Get("x-ratelimit-remaining-requests"))
		assert.Equal(t, 200, send(h, "kb").Code, "each key has its own")
		r := httptest.NewRequest("GET", "/v1/models", nil)
		r.Header.Set("Authorization", "Bearer ka")
		w, _ = do(h, r)
		assert.Equal(t, 200, w.Code, "only what asks a model is counted")
		time.Sleep(20 * time.Second)
		assert.Equal(t, 200, send(h, "ka").Code)
		assert.Equal(t, 429, send(h, "ka").Code)
		time.Sleep(time.Hour)
		assert.Equal(t, "2", send(h, "ka").Header().Get("x-ratelimit-remaining-requests"), "an hour saves up no more than a minute")

		// Tokens are counted when they are known: the request that goes over still gets its answer.
		h = newHandler(t, m, HandlerOptions{TokensPerMinute: 20})
		w = send(h, "")
		assert.Equal(t, "20", w.Header().Get("x-ratelimit-remaining-tokens"))
		w = send(h, "")
		assert.Equal(t, 200, w.Code)
		assert.Equal(t, "8", w.Header().Get("x-ratelimit-remaining-tokens"))
		w = send(h, "")
		assert.Equal(t, 429, w.Code)
		assert.Equal(t, "15", w.Header().Get("Retry-After"), "4 below zero, and one is needed")
		time.Sleep(15 * time.Second)
		assert.Equal(t, 200, send(h, "").Code)
		// The rate comes before the body.
		r = post("/v1/embeddings", "{")
		w, _ = do(h, r)
		assert.Equal(t, 429, w.Code)
	})
}

func TestCORS(t *testing.T) {
	send := func(h http.Handler, method, path, origin string) http.Header {
		r := httptest.NewRequest(method, path, strings.NewReader(plain))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", origin)
		if method == "OPTIONS" {
			r.Header.Set("Access-Control-Request-Method", "POST")
			r.Header.Set("Access-Control-Request-Headers", "authorization,content-type,x-stainless-os")
		}
		w, _ := do(h, r)
		header := w.Result().Header
		header.Set("Status", fmt.Sprint(w.Code))
		return header
	}
	off := newHandler(t, hello(), HandlerOptions{})
	header := send(off, "OPTIONS", "/v1/chat/completions", "https://a.example")
	assert.Equal(t, "405", header.Get("Status"))
	assert.Empty(t, header.Get("Access-Control-Allow-Origin"))
	assert.Empty(t, header.Get("Vary"))

	h := newHandler(t, hello(), HandlerOptions{AllowedOrigins: []string{"https://a.example"}, APIKeys: map[string]string{"k": "k"}})
	header = send(h, "OPTIONS", "/v1/chat/completions", "https://a.example")
	assert.Equal(t, "204", header.Get("Status"), "a browser sends no key with this")
	assert.Equal(t, "https://a.example", header.Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "POST", header.Get("Access-Control-Allow-Methods"))
	assert.Equal(t, "authorization,content-type,x-stainless-os", header.Get("Access-Control-Allow-Headers"))
	assert.Equal(t, []string{"Origin", "Access-Control-Request-Headers"}, header.Values("Vary"))
	header = send(h, "POST", "/v1/chat/completions", "https://a.example")
	assert.Equal(t, "401", header.Get("Status"))
	assert.Equal(t, "https://a.example", header.Get("Access-Control-Allow-Origin"), "errors can be read too")
	assert.Contains(t, header.Get("Access-Control-Expose-Headers"), "X-Request-Id")
	assert.Equal(t, "404", send(h, "OPTIONS", "/nothing", "https://a.example").Get("Status"))
	header = send(h, "OPTIONS", "/v1/models", "https://evil.example")
	assert.Equal(t, "405", header.Get("Status"))
	assert.Empty(t, header.Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "Origin", header.Get("Vary"))

	all := newHandler(t, hello(), HandlerOptions{AllowedOrigins: []string{"*"}})
	header = send(all, "POST", "/v1/chat/completions", "https://b.example")
	assert.Equal(t, "200", header.Get("Status"))
	assert.Equal(t, "*", header.Get("Access-Control-Allow-Origin"))
	assert.Empty(t, send(all, "GET", "/health", "").Get("Access-Control-Allow-Origin"))

	for _, bad := range []string{"a.example", "https://a.example/", "https://", ""} {
		assert.ErrorContains(t, HandlerOptions{AllowedOrigins: []string{bad}}.Validate(), "AllowedOrigins", bad)
	}
	assert.NoError(t, HandlerOptions{AllowedOrigins: []string{"http://localhost:3000", "*"}}.Validate())
}

// Keys may have limits of their own, which may change.
func TestKeyLimits(t *testing.T) {
	var few atomic.Int32
	few.Store(1)
	h := newHandler(t, hello(), HandlerOptions{APIKeys: map[string]string{"few": "f", "many": "m"}, RequestsPerMinute: 1, KeyLimits: func(key string) RateLimits {
		if key == "few" {
			return RateLimits{Requests: int(few.Load())}
		}
		return RateLimits{}
	}})
	ask := func(key string) int {
		r := post("/v1/chat/completions", plain)
		r.Header.Set("Authorization", "Bearer "+key)
		w, _ := do(h, r)
		return w.Code
	}
	for range 3 {
		assert.Equal(t, 200, ask("m"))
	}
	assert.Equal(t, []int{200, 429}, []int{ask("f"), ask("f")})
	few.Store(0)
	assert.Equal(t, 200, ask("f"))
}

func TestProtectMeta(t *testing.T) {
	keys := map[string]string{"k": "k"}
	for _, protect := range []bool{false, true} {
		h := newHandler(t, hello(), HandlerOptions{APIKeys: keys, ProtectMeta: protect, Metrics: noMetrics{}})
		for _, path := range []string{"/metrics", "/openapi.json"} {
			assert.Equal(t, map[bool]int{false: 200, true: 401}[protect], get(h, path).Code, path)
			r := httptest.NewRequest("HEAD", path, nil)
			r.Header.Set("Authorization", "Bearer k")
			w, _ := do(h, r)
			assert.Equal(t, 200, w.Code)
		}
		assert.Equal(t, 200, get(h, "/health").Code)
	}
	assert.Equal(t, 404, get(newHandler(t, hello(), HandlerOptions{}), "/metrics").Code)
}

// A model that is asked by many at once: what waits is counted, whoever leaves is not.
func TestStats(t *testing.T) {
	gate := make(chan struct{})
	m := hello()
	m.before = func(ctx context.Context, _ Request) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	h := newHandler(t, m, HandlerOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int, 3)
	for i := range 3 {
		go func() {
			r := post("/v1/chat/completions", plain)
			if i == 0 {
				r = r.WithContext(ctx)
			}
			w, _ := do(h, r)
			done <- w.Code
		}()
	}
	eventually(t, "three wait", func() bool { s := h.stats(); return s.Waiting == 3 && s.Running == 3 && s.ModelsLoaded == 1 })
	cancel()
	eventually(t, "two wait", func() bool { return h.stats().Waiting == 2 })
	close(gate)
	for range 3 {
		<-done
	}
	assert.Zero(t, h.stats().Waiting)
	eventually(t, "nothing runs", func() bool { return h.stats().Running == 0 })
}
