package serve

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeAdapters notes what it is asked for.
type fakeAdapters struct{ asked []string }

func (a *fakeAdapters) LoadAdapter(_ context.Context, name, path string) error {
	a.asked = append(a.asked, "+"+name+" "+path)
	switch name {
	case "bad":
		return &AdapterError{"lora_path", "is no folder"}
	case "broken":
		return errors.New("secret")
	}
	return nil
}

func (a *fakeAdapters) UnloadAdapter(_ context.Context, name string) error {
	a.asked = append(a.asked, "-"+name)
	if name == "none" {
		return ErrModelNotFound
	}
	return nil
}

func TestAdapters(t *testing.T) {
	a := &fakeAdapters{}
	keys := map[string]string{"admin": "sk-a", "user": "sk-u"}
	h := newHandler(t, hello(), HandlerOptions{APIKeys: keys, Adapters: a, AdapterKeys: []string{"admin"}})
	off := newHandler(t, hello(), HandlerOptions{APIKeys: keys})
	doc := spec(t, h, "/openapi.json")
	ask := func(h *Handler, key, path, body string) (int, string) {
		r := post(path, body)
		r.Header.Set("Authorization", "Bearer "+key)
		w, _ := do(h, r)
		if h != off { // which describes no such route
			assert.NoError(t, doc.response(path, "post", w), "%s %s: %s", path, body, w.Body)
		}
		return w.Code, w.Body.String()
	}
	const load, unload, body = "/v1/load_lora_adapter", "/v1/unload_lora_adapter", `{"lora_name":"x","lora_path":"a/b","load_inplace":false}`
	for _, c := range []struct {
		h               *Handler
		key, path, body string
		status          int
		says            string
	}{
		{h, "sk-a", load, body, 200, "Success: LoRA adapter 'x' added successfully."},
		{h, "sk-a", unload, `{"lora_name":"x","lora_int_id":3}`, 200, "Success: LoRA adapter 'x' removed successfully."},
		{h, "sk-a", unload, `{"lora_name":"none"}`, 404, `"model_not_found"`},
		{h, "sk-a", load, `{"lora_name":"bad","lora_path":"c"}`, 422, `"lora_path: is no folder"`},
		{h, "sk-a", load, `{"lora_name":"broken","lora_path":"c"}`, 500, `"internal_error"`},
		{h, "sk-a", load, `{"lora_name":"x"}`, 422, `"param":"lora_path"`},
		{h, "sk-a", load, `{"lora_name":7,"lora_path":""}`, 422, `"param":"lora_name"`},
		{h, "sk-u", load, body, 403, "may not load"},
		{h, "sk-u", unload, body, 403, "may not load"},
		{h, "wrong", load, body, 401, "invalid_api_key"},
		{off, "sk-a", load, body, 404, "route_not_found"},
		{off, "sk-a", unload, body, 404, "route_not_found"},
	} {
		status, text := ask(c.h, c.key, c.path, c.body)
		assert.Equal(t, c.status, status, c)
		assert.Contains(t, text, c.says)
		assert.NotContains(t, text, "secret")
	}
	for _, path := range []string{load, unload} {
		assert.Contains(t, doc.Paths, path)
		assert.NoError(t, doc.request(path, post(path, body)))
		assert.Error(t, doc.request(path, post(path, `{"lora_path":"a/b"}`)))
		assert.NotContains(t, spec(t, off, "/openapi.json").Paths, path)
	}
	assert.Error(t, doc.request(load, post(load, `{"lora_name":"x"}`)), "what is loaded has a path")
	assert.NoError(t, doc.request(unload, post(unload, `{"lora_name":"x"}`)))
	assert.Equal(t, []string{"+x a/b", "-x", "-none", "+bad c", "+broken c"}, a.asked)
	for _, o := range []HandlerOptions{{Adapters: a}, {Adapters: a, APIKeys: keys}, {Adapters: a, AdapterKeys: []string{"admin"}}} {
		_, err := NewHandler(Single("m", hello()), o)
		assert.ErrorContains(t, err, "AdapterKeys")
	}
	w, _ := do(h, func() *http.Request { r := post(load, body); r.Method = "GET"; return r }())
	assert.Equal(t, 405, w.Code)
}

// A model that is unloaded finishes what it has begun.
func TestPoolUnload(t *testing.T) {
	poolTest(t, PoolOptions{}, func(t *testing.T, p *Pool, l *loader) {
		require.NoError(t, p.Unload(t.Context(), "a"))
		m, release := acquire(t, p, "a")
		require.NoError(t, p.Unload(t.Context(), "a"))
		assert.False(t, m.closed.Load())
		other, release2 := acquire(t, p, "a")
		assert.NotSame(t, m, other)
		release()
		release2()
	})
}
