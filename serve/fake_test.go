package serve

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeModel says its words, one token each. The hooks make it slow, or fail.
type fakeModel struct {
	words   []string
	info    Info
	prompt  int                                        // tokens
	before  func(ctx context.Context, r Request) error // in the queue
	each    func(ctx context.Context, word int) error  // before each word
	asked   func(r Request)
	ignored []IgnoredKeyword
	closed  atomic.Bool
	inside  atomic.Int32 // Generate loops that run
	served  atomic.Int32 // words given out
}

func (m *fakeModel) Info() Info   { return m.info }
func (m *fakeModel) Close() error { m.closed.Store(true); return nil }

func (m *fakeModel) Generate(ctx context.Context, r Request) iter.Seq2[Delta, error] {
	return func(yield func(Delta, error) bool) {
		m.inside.Add(1)
		defer m.inside.Add(-1)
		if m.asked != nil {
			m.asked(r)
		}
		if m.before != nil {
			if err := m.before(ctx, r); err != nil {
				yield(Delta{}, err)
				return
			}
		}
		limit := min(r.MaxTokens, len(m.words))
		if n := m.info.ContextLength; n > 0 {
			limit = min(limit, n-m.prompt)
		}
		room := r.MaxTokens
		if n := m.info.ContextLength; n > 0 {
			room = min(room, n-m.prompt)
		}
		if !yield(Delta{Start: &Start{PromptTokens: m.prompt, MaxTokens: room, Ignored: m.ignored}}, nil) {
			return
		}
		for i := range limit {
			for c := range r.N {
				if m.each != nil {
					if err := m.each(ctx, i); err != nil {
						yield(Delta{}, err)
						return
					}
				}
				if ctx.Err() != nil {
					yield(Delta{}, ctx.Err())
					return
				}
				m.served.Add(1)
				d := Delta{Choice: c, Text: m.words[i], Sampled: 1}
				if r.Logprobs {
					d.Tokens = []TokenLogprob{{Bytes: []byte(m.words[i]), Logprob: -0.5, Top: make([]TokenLogprob, r.TopLogprobs)}}
				}
				if !yield(d, nil) {
					return
				}
			}
		}
		for c := range r.N {
			d := Delta{Choice: c, Finish: FinishStop, Sampled: 1}
			if limit < len(m.words) {
				d.Finish, d.Sampled = FinishLength, 0
			}
			if !yield(d, nil) {
				return
			}
		}
	}
}

func hello() *fakeModel {
	return &fakeModel{words: []string{"Hello", ",", " wörld", "!"}, prompt: 7, info: Info{Fingerprint: "fp_test", Prompt: PromptChat}}
}

// newHandler serves m as "m", with ids that can be foretold, and closes it at the end of the test.
func newHandler(t testing.TB, m Model, o HandlerOptions) *Handler {
	t.Helper()
	return handlerOf(t, Single("m", m), o)
}

func handlerOf(t testing.TB, p *Pool, o HandlerOptions) *Handler {
	t.Helper()
	h, err := NewHandler(p, o)
	require.NoError(t, err)
	h.newID = func() string { return "ABCDEFGHIJKLMNOPQRSTUVWXYZ" }
	h.o.Version = "v0"
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	return h
}

const plain = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`

// with adds fields to the plain request.
func with(fields string) string { return strings.TrimSuffix(plain, "}") + "," + fields + "}" }

func post(path, body string) *http.Request {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

// do runs one request against a handler. A stream that was cut off ends in a panic that net/http knows.
func do(h http.Handler, r *http.Request) (w *httptest.ResponseRecorder, aborted bool) {
	w = httptest.NewRecorder()
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler { //nolint:errorlint
				panic(v)
			}
			aborted = true
		}
	}()
	h.ServeHTTP(w, r)
	return w, false
}

// chat posts a body and wants no abort.
func chat(t testing.TB, h http.Handler, body string) *httptest.ResponseRecorder {
	t.Helper()
	w, aborted := do(h, post("/v1/chat/completions", body))
	require.False(t, aborted)
	return w
}

type wireError struct {
	Message, Type, Code, Path string
	Param                     *string
	Status                    int
	RequestID                 string `json:"request_id"`
	Details                   []map[string]any
}

// errorOf is the error object of a response, checked for what all have.
func errorOf(t testing.TB, w *httptest.ResponseRecorder) wireError {
	t.Helper()
	require.Equal(t, "application/json", w.Header().Get("Content-Type"), w.Body)
	var body struct{ Error *wireError }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
	require.NotNil(t, body.Error, w.Body)
	e := *body.Error
	require.Equal(t, w.Code, e.Status)
	require.NotNil(t, e.Details)
	require.NotEmpty(t, e.Message)
	require.Equal(t, w.Header().Get("X-Request-Id"), e.RequestID)
	validate(t, "ErrorResponse", w.Body.Bytes())
	return e
}

// noLeaks fails the test if it leaves goroutines behind. Call it first, so that it checks last.
func noLeaks(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		for range 200 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
	})
}

func readAll(t testing.TB, r io.ReadCloser) string {
	t.Helper()
	defer r.Close()
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(text)
}
