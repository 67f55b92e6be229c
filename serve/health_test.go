package serve

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// healthOf asks for /health, at once on the test's clock, and returns status, report and codes.
func healthOf(t *testing.T, h http.Handler) (int, healthReport, []string) {
	t.Helper()
	began := time.Now()
	w := get(h, "/health")
	assert.Zero(t, time.Since(began), "health must not wait")
	var r healthReport
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &r))
	assert.Equal(t, w.Code == 200, r.Ready)
	codes := []string{}
	for _, d := range r.Degradations {
		codes = append(codes, d.Code)
	}
	return w.Code, r, codes
}

func TestHealthBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, hello(), HandlerOptions{Degradations: func() []Degradation {
			return []Degradation{{"cpu_fallback", "no GPU", "engine", 1700000000}}
		}})
		time.Sleep(12500 * time.Millisecond)
		w := get(h, "/health")
		assert.Equal(t, `{"status":"degraded","ready":true,"version":"v0","uptime_s":12,`+
			`"models":[{"id":"m","ready":true,"state":"warm","error":null}],`+
			`"degradations":[{"code":"cpu_fallback","message":"no GPU","component":"engine","since":1700000000}]}`+"\n", w.Body.String())
		assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	})
	h := newHandler(t, hello(), HandlerOptions{})
	assert.Contains(t, get(h, "/health").Body.String(), `"status":"ok"`)
	assert.Contains(t, get(h, "/health").Body.String(), `"degradations":[]`)
	assert.NotEmpty(t, moduleVersion())
}

// sharedError is what the pool's goroutines are to fail with, as the test sets it.
type sharedError struct{ p atomic.Pointer[error] }

func (s *sharedError) set(err error) { s.p.Store(&err) }

func (s *sharedError) get() error {
	if p := s.p.Load(); p != nil {
		return *p
	}
	return nil
}

func TestHealthStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var listErr, loadErr sharedError
		listTime, loadTime := 5*time.Second, 5*time.Second
		p, err := NewPool(func(context.Context, string) (Model, error) {
			time.Sleep(loadTime)
			return &fakeModel{words: []string{"x"}, info: Info{Prompt: PromptPlain}}, loadErr.get()
		}, PoolOptions{List: func(context.Context) ([]Entry, error) {
			time.Sleep(listTime)
			return []Entry{{ID: "m"}}, listErr.get()
		}})
		require.NoError(t, err)
		h := handlerOf(t, p, HandlerOptions{})

		listErr.set(errors.New("registry down"))
		code, r, _ := healthOf(t, h)
		assert.Equal(t, 503, code)
		assert.Equal(t, "loading", r.Status, "the first list is on its way")
		time.Sleep(6 * time.Second)
		code, r, codes := healthOf(t, h)
		assert.Equal(t, 503, code)
		assert.Equal(t, "unavailable", r.Status)
		assert.Equal(t, []string{"registry_unreachable"}, codes)
		assert.NotNil(t, r.Models)
		w := chat(t, h, plain)
		assert.Equal(t, 503, w.Code, "whether the model exists is not known")
		assert.Equal(t, "model_unavailable", errorOf(t, w).Code)

		listErr.set(nil)
		time.Sleep(11 * time.Second)
		healthOf(t, h) // starts a fetch
		time.Sleep(6 * time.Second)
		code, r, _ = healthOf(t, h)
		assert.Equal(t, 200, code)
		assert.Equal(t, []modelHealth{{ID: "m", State: "cold"}}, r.Models)

		loadErr.set(errors.New("open /secret: damaged"))
		done := make(chan int)
		go func() { done <- chat(t, h, plain).Code }()
		synctest.Wait()
		code, r, _ = healthOf(t, h)
		assert.Equal(t, 503, code)
		assert.Equal(t, "loading", r.Status)
		assert.Equal(t, 503, <-done)
		failedAt := time.Now().Unix()
		code, r, codes = healthOf(t, h)
		assert.Equal(t, 503, code)
		assert.Equal(t, "unavailable", r.Status)
		assert.Equal(t, []string{"model_load_failed"}, codes)
		assert.Equal(t, failedAt, r.Degradations[0].Since)
		assert.Equal(t, "failed", r.Models[0].State)
		assert.Equal(t, "the model could not be loaded", *r.Models[0].Error)

		loadErr.set(nil)
		time.Sleep(6 * time.Second)
		w = chat(t, h, plain)
		assert.Equal(t, 200, w.Code)
		assert.Contains(t, w.Body.String(), `"load_ms":5000`)
		_, r, codes = healthOf(t, h)
		assert.Equal(t, []string{"no_chat_template"}, codes)
		assert.Equal(t, "degraded", r.Status)

		listErr.set(errors.New("down again"))
		time.Sleep(11 * time.Second)
		healthOf(t, h)
		time.Sleep(6 * time.Second)
		_, r, codes = healthOf(t, h)
		assert.Equal(t, []string{"registry_stale", "no_chat_template"}, codes)
		assert.Equal(t, "warm", r.Models[0].State)
		time.Sleep(11 * time.Second) // the next fetch ends before the test does
	})
}

// TestHealthWhileModelsAreLoadedAhead: what the program is about to load is not ready, nor what it loads, nor what
// could not be loaded, whatever is known of its files.
func TestHealthWhileModelsAreLoadedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pending, broken atomic.Bool
		pending.Store(true)
		broken.Store(true)
		p, err := NewPool(func(context.Context, string) (Model, error) {
			time.Sleep(5 * time.Second)
			if broken.Load() {
				return nil, errors.New("registry down")
			}
			return hello(), nil
		}, PoolOptions{ListTTL: time.Millisecond, List: func(context.Context) ([]Entry, error) {
			return []Entry{{ID: "m", Ready: true, Pending: pending.Load()}}, nil
		}})
		require.NoError(t, err)
		h := handlerOf(t, p, HandlerOptions{})
		assert.Contains(t, get(h, "/v1/models").Body.String(), `"ready":false`)
		notReady := func(status, state string) {
			t.Helper()
			code, r, _ := healthOf(t, h)
			assert.Equal(t, 503, code)
			assert.Equal(t, status, r.Status)
			assert.Equal(t, []modelHealth{{ID: "m", State: state, Error: r.Models[0].Error}}, r.Models)
			assert.Equal(t, 503, get(h, "/health/ready").Code)
			assert.Equal(t, 200, get(h, "/health/live").Code)
		}
		notReady("loading", "loading")
		load := func(during, after func()) {
			done := make(chan struct{})
			go func() {
				if _, release, err := p.Acquire(t.Context(), "m"); err == nil {
					release()
				}
				close(done)
			}()
			time.Sleep(time.Second)
			during()
			<-done
			after()
		}
		load(func() { notReady("loading", "loading") }, func() { notReady("unavailable", "failed") })
		broken.Store(false)
		time.Sleep(6 * time.Second)
		load(func() { notReady("loading", "loading") }, func() {
			code, r, _ := healthOf(t, h)
			assert.Equal(t, 200, code)
			assert.Equal(t, []modelHealth{{ID: "m", Ready: true, State: "warm"}}, r.Models)
		})
		synctest.Wait()
	})
}

func TestHealthTellsOfSaturation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := hello()
		h := newHandler(t, m, HandlerOptions{})
		full := true
		m.before = func(context.Context, Request) error {
			if full {
				return ErrBusy
			}
			return nil
		}
		since := time.Now().Unix()
		for range 3 {
			assert.Equal(t, 429, chat(t, h, plain).Code)
			time.Sleep(time.Second)
		}
		_, r, codes := healthOf(t, h)
		assert.Equal(t, []string{"queue_saturated"}, codes)
		assert.Equal(t, since, r.Degradations[0].Since)
		full = false
		chat(t, h, plain)
		_, _, codes = healthOf(t, h)
		assert.Empty(t, codes)
		full = true
		chat(t, h, plain)
		time.Sleep(2 * time.Minute)
		_, _, codes = healthOf(t, h)
		assert.Empty(t, codes, "nobody asked for long")
	})
}
