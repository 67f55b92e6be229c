package serve

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w, _ := do(h, httptest.NewRequest("GET", path, nil))
	return w
}

func TestRoutes(t *testing.T) {
	h := newHandler(t, hello(), HandlerOptions{})
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/health", 200, ""}, {"HEAD", "/health", 200, ""}, {"GET", "/health/live", 200, ""}, {"GET", "/health/ready", 200, ""},
		{"GET", "/v1/models", 200, ""}, {"HEAD", "/v1/models", 200, ""}, {"GET", "/v1/models?limit=3", 200, ""}, {"GET", "/v1/models/m", 200, ""},
		{"HEAD", "/v1/models/m", 200, ""}, {"GET", "/v1/models/x", 404, ""},
		{"POST", "/health", 405, "GET, HEAD"}, {"DELETE", "/v1/models/m", 405, "GET, HEAD"}, {"OPTIONS", "/v1/models", 405, "GET, HEAD"},
		{"GET", "/v1/chat/completions", 405, "POST"}, {"HEAD", "/v1/chat/completions", 405, "POST"}, {"PUT", "/v1/chat/completions", 405, "POST"},
		{"OPTIONS", "/v1/chat/completions", 405, "POST"},
		{"GET", "/", 404, ""}, {"GET", "/v1", 404, ""}, {"GET", "/v1/", 404, ""}, {"GET", "/v1/models/", 200, ""}, {"GET", "/models", 404, ""},
		{"GET", "/health/", 200, ""}, {"GET", "//v1/models", 200, ""}, {"GET", "/v1//models///m//", 200, ""}, {"GET", "/v1/x/../models", 404, ""},
		{"GET", "//", 404, ""}, {"POST", "/v1//chat/completions/", 415, ""}, {"GET", "/v1/chat/completions/", 405, "POST"}, {"POST", "/chat/completions", 404, ""}, {"GET", "/V1/models", 404, ""},
	} {
		w, _ := do(h, httptest.NewRequest(c.method, c.path, nil))
		assert.Equal(t, c.status, w.Code, "%s %s", c.method, c.path)
		assert.Equal(t, c.allow, w.Header().Get("Allow"), "%s %s", c.method, c.path)
		assert.Empty(t, w.Header().Get("Location"))
		assert.NotEmpty(t, w.Header().Get("X-Request-Id"))
		if c.status >= 400 {
			path, _, _ := strings.Cut(c.path, "?")
			assert.Equal(t, path, errorOf(t, w).Path)
		}
	}
}

func TestBareRoutes(t *testing.T) {
	h := newHandler(t, hello(), HandlerOptions{BareRoutes: true})
	for _, path := range []string{"/models", "/models/m", "/v1/models"} {
		assert.Equal(t, 200, get(h, path).Code, path)
	}
	w, _ := do(h, post("/chat/completions", plain))
	assert.Equal(t, 200, w.Code)
}

// The handler is the same at the root, under a stripped prefix, with its own prefix, and in somebody's mux.
func TestMounting(t *testing.T) {
	ids := func() *Pool {
		return Single("acme/handbook:1", hello())
	}
	root := handlerOf(t, ids(), HandlerOptions{})
	own := handlerOf(t, ids(), HandlerOptions{Prefix: "/a/b"})
	mux := http.NewServeMux()
	mux.Handle("/ai/", http.StripPrefix("/ai", root))
	mux.Handle("/a/", own)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for _, m := range []struct {
		h      http.Handler
		prefix string
	}{{root, ""}, {own, "/a/b"}, {mux, "/ai"}, {mux, "/a/b"}} {
		assert.Equal(t, 200, get(m.h, m.prefix+"/health").Code, m.prefix)
		for _, id := range []string{"acme/handbook:1", "acme%2Fhandbook:1", "acme%2fhandbook%3A1"} {
			w := get(m.h, m.prefix+"/v1/models/"+id)
			assert.Equal(t, 200, w.Code, m.prefix)
			assert.Contains(t, w.Body.String(), `"id":"acme/handbook:1"`)
			validate(t, "Model", w.Body.Bytes())
		}
		w, _ := do(m.h, post(m.prefix+"/v1/chat/completions", strings.Replace(plain, `"m"`, `"acme/handbook:1"`, 1)))
		assert.Equal(t, 200, w.Code, m.prefix)
		w = get(m.h, m.prefix+"/v1/nothing%20here?key=secret")
		assert.Equal(t, 404, w.Code)
		assert.Equal(t, m.prefix+"/v1/nothing%20here", errorOf(t, w).Path)
	}
	assert.Equal(t, 404, get(own, "/v1/models").Code)
	assert.Equal(t, 404, get(own, "/a/bc/v1/models").Code)
	assert.Equal(t, http.StatusTeapot, get(mux, "/page").Code)

	r := httptest.NewRequest("GET", "http://host/ai/v1/x?y", nil)
	w, _ := do(mux, r)
	assert.Equal(t, "/ai/v1/x", errorOf(t, w).Path, "absolute form of a proxy request")
	r.RequestURI = ""
	w, _ = do(root, r)
	assert.Equal(t, "/ai/v1/x", errorOf(t, w).Path)
}

func TestRequestID(t *testing.T) {
	h := newHandler(t, hello(), HandlerOptions{})
	for in, want := range map[string]string{
		"abc-1.2:3_X": "abc-1.2:3_X", "": "req_ABCDEFGHIJKLMNOPQRSTUVWXYZ", "a b": "req_ABCDEFGHIJKLMNOPQRSTUVWXYZ",
		strings.Repeat("x", 128): strings.Repeat("x", 128), strings.Repeat("x", 129): "req_ABCDEFGHIJKLMNOPQRSTUVWXYZ", "é": "req_ABCDEFGHIJKLMNOPQRSTUVWXYZ",
	} {
		for _, path := range []string{"/health", "/nothing", "/v1/chat/completions"} {
			r := post(path, plain)
			r.Header.Set("X-Request-Id", in)
			w, _ := do(h, r)
			assert.Equal(t, want, w.Header().Get("X-Request-Id"))
		}
	}
}

func TestKeys(t *testing.T) {
	h := newHandler(t, hello(), HandlerOptions{
		APIKeys:    map[string]string{"web": "key-1", "batch": "key-2"},
		AllowModel: func(key, model string) bool { return key == "web" },
	})
	send := func(method, path, auth string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(plain))
		r.Header.Set("Content-Type", "application/json")
		if auth != "" {
			r.Header.Set("Authorization", auth)
		}
		w, _ := do(h, r)
		return w
	}
	for _, auth := range []string{"", "Bearer", "Bearer ", "Bearer key-3", "Basic key-1", "key-1", "Bearer key-1x", "Bearer key-1 x"} {
		for _, w := range []*httptest.ResponseRecorder{send("GET", "/v1/models", auth), send("GET", "/v1/models/m", auth), send("POST", "/v1/chat/completions", auth)} {
			assert.Equal(t, 401, w.Code, auth)
			assert.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
			e := errorOf(t, w)
			assert.Equal(t, "invalid_api_key", e.Code)
			assert.Equal(t, "authentication_error", e.Type)
			assert.NotContains(t, w.Body.String(), "key-")
		}
	}
	for _, path := range []string{"/health", "/health/live", "/health/ready"} {
		assert.Equal(t, 200, send("GET", path, "").Code, "open to probes")
	}
	for _, auth := range []string{"Bearer key-1", "bearer  key-1"} {
		assert.Equal(t, 200, send("POST", "/v1/chat/completions", auth).Code)
	}
	assert.Contains(t, send("GET", "/v1/models", "Bearer key-1").Body.String(), `"id":"m"`)
	assert.Contains(t, send("GET", "/v1/models", "Bearer key-2").Body.String(), `"data":[]`)
	for _, w := range []*httptest.ResponseRecorder{send("GET", "/v1/models/m", "Bearer key-2"), send("POST", "/v1/chat/completions", "Bearer key-2")} {
		assert.Equal(t, 403, w.Code)
		assert.Equal(t, "model_not_allowed", errorOf(t, w).Code)
	}
}

// The order of checks: each request has all faults from its own on.
func TestOrderOfChecks(t *testing.T) {
	h := newHandler(t, hello(), HandlerOptions{APIKeys: map[string]string{"web": "k"}, MaxBodyBytes: 200})
	for _, c := range []struct {
		method, path, media, key, body string
		want                           int
	}{
		{"PUT", "/nothing", "text/plain", "", "x", 404},
		{"PUT", "/v1/chat/completions", "text/plain", "", "x", 405},
		{"POST", "/v1/chat/completions", "text/plain", "", "x", 415},
		{"POST", "/v1/chat/completions", "application/json", "", "x", 401},
		{"POST", "/v1/chat/completions", "application/json", "k", strings.Repeat("x", 201), 413},
		{"POST", "/v1/chat/completions", "application/json", "k", "x", 400},
		{"POST", "/v1/chat/completions", "application/json", "k", `{"model":"none"}`, 422},
		{"POST", "/v1/chat/completions", "application/json", "k", strings.Replace(plain, `"m"`, `"none"`, 1), 404},
		{"POST", "/v1/chat/completions", "application/json", "k", plain, 200},
	} {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.media)
		r.Header.Set("Authorization", "Bearer "+c.key)
		w, _ := do(h, r)
		assert.Equal(t, c.want, w.Code, "%+v", c)
	}
}

func TestMediaTypes(t *testing.T) {
	h := newHandler(t, hello(), HandlerOptions{})
	for media, want := range map[string]int{
		"application/json": 200, "Application/JSON; charset=UTF-8": 200, "application/vnd.api+json": 200,
		"": 415, "text/plain": 415, "application/x-www-form-urlencoded": 415, "multipart/form-data": 415, "application/json; charset=latin1": 415,
		"application/jsonx": 415, "text/x+json": 415, "application/json;=": 415,
	} {
		r := post("/v1/chat/completions", plain)
		r.Header.Set("Content-Type", media)
		w, _ := do(h, r)
		assert.Equal(t, want, w.Code, media)
	}
	r := post("/v1/chat/completions", plain)
	r.Header.Set("Content-Encoding", "br")
	w, _ := do(h, r)
	assert.Equal(t, "unsupported_media_type", errorOf(t, w).Code)
}

func TestUnknownModel(t *testing.T) {
	h := newHandler(t, hello(), HandlerOptions{})
	w := chat(t, h, strings.Replace(plain, `"m"`, `"`+strings.Repeat("é", 500)+`"`, 1))
	assert.Equal(t, 404, w.Code)
	e := errorOf(t, w)
	assert.Equal(t, "model_not_found", e.Code)
	assert.Equal(t, "model", *e.Param)
	assert.Less(t, len(e.Message), 1000)
	assert.Equal(t, "invalid_request_error", e.Type)
}

func TestModelsList(t *testing.T) {
	created := time.Unix(1700000000, 0)
	p, err := NewPool(func(context.Context, string) (Model, error) {
		m := hello()
		m.info.BaseModel, m.info.ContextLength = "base", 2048
		return m, nil
	}, PoolOptions{Local: []Entry{{ID: "a/b", Created: created, Ready: true, ContextLength: 99}, {ID: "c"}}})
	require.NoError(t, err)
	h := handlerOf(t, p, HandlerOptions{})
	w := get(h, "/v1/models")
	validate(t, "ListModelsResponse", w.Body.Bytes())
	var list struct{ Data []map[string]any }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &list))
	require.Len(t, list.Data, 2)
	assert.Equal(t, map[string]any{"id": "a/b", "object": "model", "created": 1.7e9, "owned_by": "docent", "root": "a/b", "parent": nil, "context_length": 99.0, "ready": true}, list.Data[0])
	assert.Equal(t, false, list.Data[1]["ready"])
	before := list.Data[1]["created"]

	assert.Equal(t, 200, chat(t, h, strings.Replace(plain, `"m"`, `"c"`, 1)).Code)
	var one map[string]any
	require.NoError(t, json.Unmarshal(get(h, "/v1/models/c").Body.Bytes(), &one))
	assert.Equal(t, map[string]any{"id": "c", "object": "model", "created": before, "owned_by": "docent", "root": "base", "parent": "base", "base_model": "base", "context_length": 2048.0, "ready": true}, one)
}

// Adapters say what they are on top of, down to the model at the bottom.
func TestModelFamilies(t *testing.T) {
	load := func(context.Context, string) (Model, error) { return hello(), nil }
	p, err := NewPool(load, PoolOptions{Local: []Entry{
		{ID: "base"}, {ID: "tuned", BaseModel: "base"}, {ID: "again", BaseModel: "tuned"}, {ID: "other", BaseModel: "acme/elsewhere"}, {ID: "self", BaseModel: "self"},
		{ID: "x", BaseModel: "y"}, {ID: "y", BaseModel: "x"},
	}})
	require.NoError(t, err)
	h := handlerOf(t, p, HandlerOptions{})
	var list struct {
		Data []struct{ ID, Root, Parent string }
	}
	require.NoError(t, json.Unmarshal(get(h, "/v1/models").Body.Bytes(), &list))
	require.Len(t, list.Data, 7)
	for i, want := range [][2]string{{"base", ""}, {"base", "base"}, {"base", "tuned"}, {"acme/elsewhere", "acme/elsewhere"}, {"self", ""}} {
		assert.Equal(t, want, [2]string{list.Data[i].Root, list.Data[i].Parent}, list.Data[i].ID)
	}
	w := get(h, "/v1/models/again")
	validate(t, "Model", w.Body.Bytes())
	assert.Contains(t, w.Body.String(), `"root":"base","parent":"tuned"`)
}

func TestAllowedHosts(t *testing.T) {
	h := newHandler(t, hello(), HandlerOptions{AllowedHosts: []string{"Docs.example.org"}})
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:8080": 200, "app.localhost:1": 200, "localhost.": 200, "127.0.0.1": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200, "[::1]": 200,
		"10.1.2.3:80": 200, "docs.example.org": 200, "docs.example.org:443": 200, "": 200,
		"evil.example": 403, "evil.example:8080": 403, "localhost.evil.example": 403, "evillocalhost": 403, "127.0.0.1.evil.example": 403, "x.docs.example.org": 403,
	} {
		for _, path := range []string{"/v1/models", "/health", "/openapi.json"} {
			r := httptest.NewRequest("GET", path, nil)
			r.Host = host
			w, _ := do(h, r)
			assert.Equal(t, want, w.Code, "%s %s", host, path)
			if want == 403 {
				assert.Equal(t, "host_not_allowed", errorOf(t, w).Code)
			}
		}
	}
	r := httptest.NewRequest("GET", "/v1/models", nil)
	r.Host = "anything"
	w, _ := do(newHandler(t, hello(), HandlerOptions{}), r)
	assert.Equal(t, 200, w.Code)
	_, err := NewHandler(Single("m", hello()), HandlerOptions{AllowedHosts: []string{"http://x"}})
	assert.ErrorContains(t, err, "AllowedHosts")
}

func TestSetAPIKeys(t *testing.T) {
	h := newHandler(t, hello(), HandlerOptions{APIKeys: map[string]string{"a": "old"}})
	status := func(key string) int {
		r := post("/v1/chat/completions", plain)
		r.Header.Set("Authorization", "Bearer "+key)
		w, _ := do(h, r)
		return w.Code
	}
	require.NoError(t, h.SetAPIKeys(map[string]string{"a": "new", "b": "more"}))
	assert.Equal(t, []int{401, 200, 200}, []int{status("old"), status("new"), status("more")})
	for _, bad := range []map[string]string{nil, {"a": ""}, {"a": "x", "b": "x"}} {
		require.Error(t, h.SetAPIKeys(bad))
	}
	assert.Equal(t, 200, status("new"), "what was there stays")
	assert.Error(t, newHandler(t, hello(), HandlerOptions{}).SetAPIKeys(map[string]string{"a": "x"}))
}

func TestOptionsValidate(t *testing.T) {
	_, err := NewHandler(Single("m", hello()), HandlerOptions{
		Prefix: "ai/", APIKeys: map[string]string{"a": "", "b": "x", "c": "x"}, ValidationStatus: 418, MaxN: -1, KeepAlive: -1,
	})
	for _, want := range []string{"Prefix", `"a" is empty`, `"b" and "c"`, "ValidationStatus", "MaxN", "KeepAlive"} {
		assert.ErrorContains(t, err, want)
	}
	_, err = NewHandler(nil, HandlerOptions{})
	assert.Error(t, err)
	_, err = NewPool(nil, PoolOptions{})
	assert.Error(t, err)
	load := func(context.Context, string) (Model, error) { return nil, nil }
	_, err = NewPool(load, PoolOptions{})
	assert.ErrorContains(t, err, "no model to serve")
	_, err = NewPool(load, PoolOptions{Local: []Entry{{}}, MaxModels: -1, MaxBytes: -1, ListTTL: -1})
	for _, want := range []string{"Local[0].ID", "MaxModels", "MaxBytes", "ListTTL"} {
		assert.ErrorContains(t, err, want)
	}
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := slow()
		p := Single("m", m)
		h, err := NewHandler(p, HandlerOptions{})
		require.NoError(t, err)
		done := make(chan int, 1)
		go func() { done <- chat(t, h, plain).Code }()
		time.Sleep(time.Second)
		stopped := make(chan error, 1)
		go func() { stopped <- h.Shutdown(t.Context()) }()
		synctest.Wait()

		w := chat(t, h, plain)
		assert.Equal(t, 503, w.Code)
		assert.Equal(t, "shutting_down", errorOf(t, w).Code)
		assert.NotEmpty(t, w.Header().Get("Retry-After"))
		assert.Equal(t, 503, get(h, "/v1/models").Code)
		assert.Equal(t, 200, get(h, "/health/live").Code)
		w = get(h, "/health")
		assert.Equal(t, 503, w.Code)
		assert.Contains(t, w.Body.String(), `"status":"unavailable","ready":false`)
		assert.False(t, m.closed.Load())

		assert.Equal(t, 200, <-done, "what runs is finished")
		require.NoError(t, <-stopped)
		assert.True(t, m.closed.Load(), "the model is freed")
		require.NoError(t, h.Shutdown(t.Context()), "again")
		require.NoError(t, h.Close())
		_, _, err = p.Acquire(t.Context(), "m")
		require.ErrorIs(t, err, ErrClosed)
	})
}

func TestShutdownCancelsWhenItsTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := hello()
		m.each = func(ctx context.Context, i int) error {
			if i < 2 {
				return nil
			}
			<-ctx.Done() // a model that would run for ever
			return ctx.Err()
		}
		h, err := NewHandler(Single("m", m), HandlerOptions{})
		require.NoError(t, err)
		type result struct {
			w       *httptest.ResponseRecorder
			aborted bool
		}
		plainDone, streamDone := make(chan result, 1), make(chan result, 1)
		go func() { w, a := do(h, post("/v1/chat/completions", plain)); plainDone <- result{w, a} }()
		go func() { w, a := do(h, post("/v1/chat/completions", with(`"stream":true`))); streamDone <- result{w, a} }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, h.Shutdown(ctx), context.DeadlineExceeded)
		assert.Equal(t, 10*time.Second, time.Since(began))
		r := <-plainDone
		assert.Equal(t, "shutting_down", errorOf(t, r.w).Code)
		r = <-streamDone
		assert.True(t, r.aborted)
		assert.Contains(t, r.w.Body.String(), `"code":"shutting_down"`)
		assert.NotContains(t, r.w.Body.String(), "[DONE]")
		assert.True(t, m.closed.Load())
	})
}

func TestCloseCancelsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := hello()
		m.before = func(ctx context.Context, _ Request) error { <-ctx.Done(); return ctx.Err() }
		h, err := NewHandler(Single("m", m), HandlerOptions{})
		require.NoError(t, err)
		done := make(chan string, 1)
		go func() { done <- errorOf(t, chat(t, h, plain)).Code }()
		synctest.Wait()
		require.NoError(t, h.Close())
		assert.Equal(t, "shutting_down", <-done)
	})
}
