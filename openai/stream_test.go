package openai

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStreamBytes(t *testing.T) {
	w := httptest.NewRecorder()
	s := NewStream(w, StreamOptions{})
	text, reason := "<|im_end|>\n\u2028é", "stop"
	chunk := ChatCompletionChunk{
		ID: "chatcmpl-1", Object: "chat.completion.chunk", Created: 1700000000, Model: "m", SystemFingerprint: "fp_1",
		Choices: []ChunkChoice{{Delta: Delta{Role: "assistant", Content: new(string), Refusal: Nullable[string]{Set: true}}}},
	}
	require.NoError(t, s.Send(&chunk))
	chunk.Usage.Set = true
	chunk.Choices[0] = ChunkChoice{Delta: Delta{Content: &text}, Logprobs: &Logprobs{Content: []TokenLogprob{}}}
	require.NoError(t, s.Send(&chunk))
	chunk.Choices[0] = ChunkChoice{FinishReason: &reason}
	require.NoError(t, s.Send(&chunk))
	chunk.Choices, chunk.Usage.Value, chunk.Latency = []ChunkChoice{}, &Usage{PromptTokens: 1, CompletionTokens: 2, TotalTokens: 3}, &Latency{TotalMS: 1.5}
	require.NoError(t, s.Send(&chunk))
	require.NoError(t, s.Done())
	s.Close()
	require.ErrorIs(t, s.Done(), ErrStreamClosed)

	const head = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","system_fingerprint":"fp_1","choices":[`
	assert.Equal(t, head+`{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}`+"\n\n"+
		head+`{"index":0,"delta":{"content":"<|im_end|>\n\u2028é"},"logprobs":{"content":[],"refusal":null},"finish_reason":null}],"usage":null}`+"\n\n"+
		head+`{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}`+"\n\n"+
		head+`],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0}},`+
		`"latency":{"total_ms":1.5,"queue_ms":0,"load_ms":0,"prompt_ms":0,"first_token_ms":0,"generate_ms":0,"tokens_per_second":0}}`+"\n\n"+
		"data: [DONE]\n\n", w.Body.String())
	assert.Equal(t, http.Header{
		"Content-Type": {"text/event-stream"}, "Cache-Control": {"no-cache, no-transform"}, "X-Accel-Buffering": {"no"},
	}, w.Result().Header)
	assert.True(t, w.Flushed)
}

func TestStreamRoundTrip(t *testing.T) {
	w := httptest.NewRecorder()
	s := NewStream(w, StreamOptions{})
	text := "x"
	sent := []ChatCompletionChunk{
		{ID: "a", Choices: []ChunkChoice{{Delta: Delta{Role: "assistant", Refusal: Nullable[string]{Set: true}}}}},
		{ID: "a", Choices: []ChunkChoice{{Delta: Delta{Content: &text}}}, Usage: Nullable[Usage]{Set: true}},
		{ID: "a", Choices: []ChunkChoice{}, Usage: Nullable[Usage]{Set: true, Value: &Usage{TotalTokens: 3}}},
	}
	for i := range sent {
		require.NoError(t, s.Send(&sent[i]))
	}
	require.NoError(t, s.Done())
	var got []ChatCompletionChunk
	for c, err := range ReadStream[ChatCompletionChunk](w.Body) {
		require.NoError(t, err)
		got = append(got, c)
	}
	assert.Equal(t, sent, got)
}

// slowWriter records what was written when, and fails on demand.
type slowWriter struct {
	http.ResponseWriter
	start    time.Time
	at       []time.Duration
	fail     error
	panics   bool
	deadline time.Time
}

func (w *slowWriter) Write(p []byte) (int, error) {
	if w.panics {
		panic("writer")
	}
	if w.fail != nil {
		return 0, w.fail
	}
	w.at = append(w.at, time.Since(w.start))
	return w.ResponseWriter.Write(p)
}

func (w *slowWriter) SetWriteDeadline(t time.Time) error { w.deadline = t; return nil }
func (w *slowWriter) Unwrap() http.ResponseWriter        { return w.ResponseWriter }

func TestStreamKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := httptest.NewRecorder()
		w := &slowWriter{ResponseWriter: rec, start: time.Now()}
		s := NewStream(w, StreamOptions{KeepAlive: 15 * time.Second, WriteTimeout: 30 * time.Second})
		time.Sleep(35 * time.Second)
		require.NoError(t, s.Send(1))
		time.Sleep(14 * time.Second)
		require.NoError(t, s.Send(2))
		assert.Equal(t, time.Now().Add(30*time.Second), w.deadline)
		s.Close()
		assert.True(t, w.deadline.IsZero(), "the connection may serve others")
		time.Sleep(time.Minute)
		assert.Equal(t, ": keep-alive\n\n: keep-alive\n\ndata: 1\n\ndata: 2\n\n", rec.Body.String())
		assert.Equal(t, []time.Duration{15 * time.Second, 30 * time.Second, 35 * time.Second, 49 * time.Second}, w.at)
	})
}

func TestStreamKeepsFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("boom")
		w := &slowWriter{ResponseWriter: httptest.NewRecorder(), fail: boom}
		s := NewStream(w, StreamOptions{KeepAlive: time.Second})
		time.Sleep(time.Minute) // the keep-alive meets it, and stops
		synctest.Wait()
		w.fail = nil
		require.ErrorIs(t, s.Send(1), boom)
		s.Close()
		require.ErrorIs(t, s.Send(1), boom)

		w = &slowWriter{ResponseWriter: httptest.NewRecorder(), panics: true}
		s = NewStream(w, StreamOptions{KeepAlive: time.Second})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		w.panics = false
		require.ErrorContains(t, s.Send(1), "panic: writer")
		s.Close()
	})
}

func TestStreamIsSafeForConcurrentUse(t *testing.T) {
	rec := httptest.NewRecorder()
	s := NewStream(rec, StreamOptions{KeepAlive: time.Microsecond})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				assert.NoError(t, s.Send("x"))
			}
		})
	}
	wg.Wait()
	s.Close()
	assert.Equal(t, 800, strings.Count(rec.Body.String(), "data: \"x\"\n\n"))
	for line := range strings.SplitSeq(strings.TrimSpace(rec.Body.String()), "\n\n") {
		assert.Contains(t, []string{`data: "x"`, ": keep-alive"}, line)
	}
}

func TestReadStream(t *testing.T) {
	read := func(text string) (got []int, last error) {
		for v, err := range ReadStream[int](strings.NewReader(text)) {
			if err != nil {
				return got, err
			}
			got = append(got, v)
		}
		return got, nil
	}
	got, err := read(": hello\r\ndata: 1\r\n\r\nevent: x\nid: 3\ndata:2\n\n\n\ndatax: 9\ndata: 3\n\ndata: [DONE]\n\ndata: 4\n\n")
	require.NoError(t, err)
	assert.Equal(t, []int{1, 2, 3}, got)
	got, err = read("data: [\ndata: 1\n")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Empty(t, got)
	_, err = read("data: 1\n\n")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = read("data: x\n\n")
	require.ErrorContains(t, err, "reading an event")
	_, err = read("data: " + strings.Repeat("1", maxEvent+1) + "\n\n")
	require.ErrorIs(t, err, bufio.ErrTooLong)
	_, err = read(strings.Repeat("data: "+strings.Repeat("1", 1<<20)+"\n", 17))
	require.ErrorIs(t, err, bufio.ErrTooLong)

	_, err = read(`data: {"error":{"message":"no","type":"server_error","param":null,"code":"generation_failed","status":500,"path":"/p","request_id":"r","details":[]}}` + "\n\n")
	e, ok := errors.AsType[*Error](err)
	require.True(t, ok)
	assert.Equal(t, CodeGenerationFailed, e.Code)
	assert.Equal(t, "no (generation_failed)", e.Error())
	_, err = read(`data: {"error":"plain"}` + "\n\n")
	require.ErrorContains(t, err, `"plain"`)

	for range ReadStream[int](strings.NewReader("data: 1\n\ndata: 2\n\n")) {
		break // leaving early is fine
	}
}

func FuzzReadStream(f *testing.F) {
	f.Add([]byte("data: {\"id\":\"a\"}\n\ndata: [DONE]\n\n"))
	f.Add([]byte(": x\ndata: {\"error\":{}}\n\n"))
	f.Add([]byte("data\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n := 0
		for _, err := range ReadStream[ChatCompletionChunk](strings.NewReader(string(data))) {
			if n++; err != nil {
				n = -1 << 30 // must be the last
			}
		}
		require.LessOrEqual(t, n, len(data))
	})
}

func TestStreamAllocations(t *testing.T) {
	w := &discard{h: http.Header{}}
	s := NewStream(w, StreamOptions{})
	text := "word"
	chunk := &ChatCompletionChunk{Choices: []ChunkChoice{{Delta: Delta{Content: &text}}}}
	n := testing.AllocsPerRun(1000, func() { _ = s.Send(chunk) })
	assert.LessOrEqual(t, n, 1.0, "0, but the race detector empties encoding/json's pool now and then")
}

type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Flush()                      {}
