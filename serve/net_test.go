package serve

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/testlog"
	"github.com/docent-ml/docent/openai"
)

// server runs a handler behind a real listener. configure may change the host's http.Server.
func server(t testing.TB, h http.Handler, configure func(*http.Server)) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	if configure != nil {
		configure(s.Config)
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// raw sends text over a connection of its own.
func raw(t testing.TB, s *httptest.Server, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(c, text)
	require.NoError(t, err)
	return c
}

func request(body string, headers ...string) string {
	return "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
		strings.Join(headers, "") + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

func response(t testing.TB, c net.Conn) (*http.Response, string) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	return res, readAll(t, res.Body)
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 10*time.Second, time.Millisecond, what)
}

func TestSlowBody(t *testing.T) {
	noLeaks(t)
	h := newHandler(t, hello(), HandlerOptions{BodyTimeout: 50 * time.Millisecond})
	s := server(t, h, nil)
	for _, text := range []string{
		request(plain)[:len(request(plain))-5], // stops before the end
		"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
	} {
		c := raw(t, s, text)
		res, body := response(t, c)
		assert.Equal(t, 408, res.StatusCode)
		assert.Contains(t, body, "request_timeout")
		assert.True(t, res.Close)
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "closed")
	}
	// One byte after the other, each in time: the limit is on the whole.
	c := raw(t, s, request(plain)[:100])
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for {
			if _, err := c.Write([]byte(" ")); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	res, _ := response(t, c)
	assert.Equal(t, 408, res.StatusCode)
	c.Close()
	<-stop
}

// The read deadline must be off while the model works: net/http takes its end for a client that has gone.
func TestSlowModelOutlivesTheLimits(t *testing.T) {
	noLeaks(t)
	m := hello()
	m.each = func(context.Context, int) error { time.Sleep(150 * time.Millisecond); return nil }
	h := newHandler(t, m, HandlerOptions{BodyTimeout: 300 * time.Millisecond})
	mux := http.NewServeMux()
	mux.Handle("/ai/", http.StripPrefix("/ai", h))
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(450 * time.Millisecond)
		fmt.Fprint(w, "page")
	})
	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"plain":   func(h http.Handler) http.Handler { return h },
		"wrapped": func(h http.Handler) http.Handler { return unwrapping{h} },
	} {
		s := server(t, wrap(mux), func(c *http.Server) {
			c.ReadTimeout, c.WriteTimeout = 360*time.Millisecond, 600*time.Millisecond
		})
		for _, body := range []string{plain, with(`"stream":true`)} {
			res, err := s.Client().Post(s.URL+"/ai/v1/chat/completions", "application/json", strings.NewReader(body))
			require.NoError(t, err, name)
			text := readAll(t, res.Body)
			assert.Equal(t, 200, res.StatusCode, name)
			assert.Contains(t, text, "!", name)
			assert.Equal(t, body != plain, strings.Contains(text, "[DONE]"), name)

			// The same connection goes on to another handler, which our deadlines must not reach.
			res, err = s.Client().Get(s.URL + "/slow")
			require.NoError(t, err, name)
			assert.Equal(t, "page", readAll(t, res.Body), name)
		}
	}
}

// unwrapping hides everything but Unwrap, as good middleware does.
type unwrapping struct{ h http.Handler }

func (u unwrapping) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.h.ServeHTTP(unwrapWriter{w}, r)
}

type unwrapWriter struct{ w http.ResponseWriter }

func (u unwrapWriter) Header() http.Header         { return u.w.Header() }
func (u unwrapWriter) Write(p []byte) (int, error) { return u.w.Write(p) }
func (u unwrapWriter) WriteHeader(code int)        { u.w.WriteHeader(code) }
func (u unwrapWriter) Unwrap() http.ResponseWriter { return u.w }

func TestLargeBodies(t *testing.T) {
	noLeaks(t)
	h := newHandler(t, hello(), HandlerOptions{})
	s := server(t, h, nil)
	big := with(`"user":"` + strings.Repeat("x", 3<<20) + `"`)
	for name, body := range map[string]io.Reader{
		"known length": strings.NewReader(big), "chunked": struct{ io.Reader }{strings.NewReader(big)},
	} {
		res, err := s.Client().Post(s.URL+"/v1/chat/completions", "application/json", body)
		require.NoError(t, err, name)
		assert.Contains(t, readAll(t, res.Body), "request_too_large", name)
		assert.Equal(t, 413, res.StatusCode, name)
		assert.True(t, res.Close, name)
	}
	// Exactly at the limit is fine.
	pad := strings.Repeat(" ", 1<<20-len(plain))
	res, err := s.Client().Post(s.URL+"/v1/chat/completions", "application/json", strings.NewReader(plain+pad))
	require.NoError(t, err)
	assert.Equal(t, 200, res.StatusCode, readAll(t, res.Body))
	res, err = s.Client().Post(s.URL+"/v1/chat/completions", "application/json", strings.NewReader(plain+pad+" "))
	require.NoError(t, err)
	assert.Equal(t, 413, res.StatusCode, readAll(t, res.Body))

	// A client that asks for permission does not get it; one that announces and then stalls waits a second.
	c := raw(t, s, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n")
	began := time.Now()
	res, _ = response(t, c)
	assert.Equal(t, 413, res.StatusCode)
	assert.Less(t, time.Since(began), 15*time.Second, "it waits neither for the body nor for its time-out")
	c = raw(t, s, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{")
	res, _ = response(t, c)
	assert.Equal(t, 413, res.StatusCode)

	// A limit of the host's counts as ours.
	s = server(t, http.MaxBytesHandler(h, 100), nil)
	res, err = s.Client().Post(s.URL+"/v1/chat/completions", "application/json", strings.NewReader(plain+pad))
	require.NoError(t, err)
	assert.Equal(t, 413, res.StatusCode, readAll(t, res.Body))
}

// A client that leaves frees its slot within a token, streamed or not, early or late.
func TestVanishedClients(t *testing.T) {
	noLeaks(t)
	var log testlog.Buffer
	m := hello()
	m.words = strings.Split(strings.Repeat("x", 100000), "")
	m.each = func(context.Context, int) error { time.Sleep(time.Millisecond); return nil }
	h := newHandler(t, m, HandlerOptions{Logger: log.Logger(), MaxTokensCap: 100000})
	s := server(t, h, nil)
	for _, fields := range []string{`"stream":true`, `"stream":false`} {
		var conns []net.Conn
		for range 8 {
			conns = append(conns, raw(t, s, request(with(fields+`,"max_tokens":100000`))))
		}
		eventually(t, "all run", func() bool { return m.inside.Load() == 8 && m.served.Load() > 20 })
		for _, c := range conns {
			c.Close()
		}
		eventually(t, "all are free", func() bool { return m.inside.Load() == 0 })
		m.served.Store(0)
	}
	eventually(t, "logged", func() bool { return strings.Count(log.String(), "status=499") == 16 })
	assert.NotContains(t, log.String(), "level=ERROR", "that is nobody's fault")

	// In the queue too.
	m.before = func(ctx context.Context, _ Request) error { <-ctx.Done(); return ctx.Err() }
	c := raw(t, s, request(plain))
	eventually(t, "waits", func() bool { return m.inside.Load() == 1 })
	c.Close()
	eventually(t, "left", func() bool { return m.inside.Load() == 0 })

	// And before the body is there.
	for _, cut := range []int{30, 90, len(request(plain)) - 1} {
		c := raw(t, s, request(plain)[:cut])
		c.Close()
	}
	eventually(t, "nothing runs", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return h.running == 0 })
}

// The host may have time limits of its own. Whoever is still there learns what happened.
func TestTimeLimitOfTheHost(t *testing.T) {
	m := hello()
	m.before = func(ctx context.Context, _ Request) error { <-ctx.Done(); return ctx.Err() }
	h := newHandler(t, m, HandlerOptions{})
	ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, errors.New("host says no"))
	defer cancel()
	w, _ := do(h, post("/v1/chat/completions", plain).WithContext(ctx))
	assert.Equal(t, 408, w.Code)
	assert.Equal(t, "request_timeout", errorOf(t, w).Code)

	p, err := NewPool(func(ctx context.Context, _ string) (Model, error) { <-ctx.Done(); return nil, ctx.Err() }, PoolOptions{Local: entries("m")})
	require.NoError(t, err)
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	w, _ = do(handlerOf(t, p, HandlerOptions{}), post("/v1/chat/completions", plain).WithContext(ctx))
	assert.Equal(t, "request_timeout", errorOf(t, w).Code)
}

// A body that ends early from a client that still listens gets an answer.
func TestHalfClosedClient(t *testing.T) {
	h := newHandler(t, hello(), HandlerOptions{})
	s := server(t, h, nil)
	c := raw(t, s, request(plain)[:len(request(plain))-9])
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	res, body := response(t, c)
	assert.Equal(t, 400, res.StatusCode)
	assert.Contains(t, body, "invalid_json")
}

// A client that does not read is given up after WriteTimeout.
func TestClientThatDoesNotRead(t *testing.T) {
	noLeaks(t)
	m := hello()
	m.words = []string{strings.Repeat("x", 1<<20)}
	for range 6 {
		m.words = append(m.words, m.words...)
	}
	h := newHandler(t, m, HandlerOptions{WriteTimeout: 100 * time.Millisecond})
	s := server(t, h, nil)
	c := raw(t, s, request(with(`"stream":true`)))
	require.NoError(t, c.(*net.TCPConn).SetReadBuffer(4096))
	eventually(t, "runs", func() bool { return m.served.Load() > 0 })
	eventually(t, "is given up", func() bool { return m.inside.Load() == 0 })
	assert.Less(t, int(m.served.Load()), len(m.words))
}

// An error after the first byte closes the connection: no client takes the answer for whole.
func TestStreamCutOnTheWire(t *testing.T) {
	m := hello()
	m.each = func(_ context.Context, i int) error {
		if i == 2 {
			return errors.New("boom")
		}
		return nil
	}
	s := server(t, newHandler(t, m, HandlerOptions{}), nil)
	res, err := s.Client().Post(s.URL+"/v1/chat/completions", "application/json", strings.NewReader(with(`"stream":true`)))
	require.NoError(t, err)
	defer res.Body.Close()
	var last error
	n := 0
	for _, err := range openai.ReadStream[openai.ChatCompletionChunk](res.Body) {
		n++
		last = err
	}
	e, ok := errors.AsType[*openai.Error](last)
	require.True(t, ok, "%v", last)
	assert.Equal(t, 4, n)
	assert.Equal(t, openai.CodeGenerationFailed, e.Code)
	assert.Equal(t, 500, e.Status)
	_, err = io.ReadAll(res.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestHeadOnTheWire(t *testing.T) {
	s := server(t, newHandler(t, hello(), HandlerOptions{}), nil)
	for _, path := range []string{"/health", "/v1/models", "/v1/models/m", "/v1/models/none"} {
		head, err := s.Client().Head(s.URL + path)
		require.NoError(t, err)
		full, err := s.Client().Get(s.URL + path)
		require.NoError(t, err)
		body := readAll(t, full.Body)
		assert.Empty(t, readAll(t, head.Body))
		assert.Equal(t, full.StatusCode, head.StatusCode)
		assert.EqualValues(t, len(body), head.ContentLength)
	}
}

// Ten thousand broken bodies: an answer to each, none of them a 5xx.
func TestMalformedBodies(t *testing.T) {
	var log testlog.Buffer
	m := &embedder{fakeModel: *hello()}
	m.info.Tools, m.info.Constrained, m.info.VocabSize = true, true, 1000
	h := newHandler(t, m, HandlerOptions{Logger: log.Logger()})
	rng := rand.New(rand.NewPCG(11, 13))
	tool := `{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}`
	seeds := []struct{ path, body string }{
		{"/v1/chat/completions", plain},
		{"/v1/chat/completions", with(`"stream":true,"stop":["a"],"logit_bias":{"1":2},"n":2,"logprobs":true,"top_logprobs":3`)},
		{"/v1/chat/completions", with(`"tools":[` + tool + `],"tool_choice":{"type":"function","function":{"name":"f"}},"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{}}}`)},
		{"/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"\ud83d\ude00"},{"type":"image_url","image_url":{"url":"x"}}]}]}`},
		{"/v1/completions", `{"model":"m","prompt":["a","b"],"echo":true,"logprobs":2,"max_tokens":3,"stream":true}`},
		{"/v1/completions", `{"model":"m","prompt":[[1,2],[3]],"best_of":1}`},
		{"/v1/embeddings", `{"model":"m","input":["a","b"],"encoding_format":"base64","dimensions":2}`},
		{"/v1/responses", `{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"x"}]}],"text":{"format":{"type":"text"}},"metadata":{"a":"b"},"stream":true}`},
		{"/v1/responses", `{"model":"m","input":"x","tools":[{"type":"function","name":"f","parameters":{}}],"tool_choice":"auto"}`},
	}
	values := []string{`null`, `true`, `-1`, `1e400`, `"x"`, `[]`, `{}`, `[[[]]]`, `"\u0000"`, `9223372036854775808`, `0.5`, `NaN`, `"` + "\xff" + `"`}
	statuses := map[int]int{}
	for i := range 10000 {
		seed := seeds[rng.IntN(len(seeds))]
		body := []byte(seed.body)
		for range 1 + rng.IntN(3) {
			at := rng.IntN(len(body))
			switch rng.IntN(5) {
			case 0: // another byte
				body[at] = byte(rng.IntN(256))
			case 1: // cut
				body = body[:at+1]
			case 2: // a piece twice
				body = append(body[:at:at], append(bytes.Clone(body[at/2:]), body[at:]...)...)
			case 3: // another value after some colon
				if c := bytes.IndexByte(body[at:], ':'); c >= 0 {
					rest := body[at+c+1:]
					end := bytes.IndexAny(rest, ",}]")
					body = append(append(body[:at+c+1:at+c+1], values[rng.IntN(len(values))]...), rest[max(end, 0):]...)
				}
			case 4:
				body = slicesDelete(body, at, min(at+rng.IntN(10), len(body)))
			}
			if len(body) == 0 {
				break
			}
		}
		w, aborted := do(h, post(seed.path, string(body)))
		require.False(t, aborted, "%d: %s %q", i, seed.path, body)
		require.Less(t, w.Code, 500, "%d: %s %q", i, seed.path, body)
		if w.Code != 200 {
			errorOf(t, w)
		}
		statuses[w.Code]++
	}
	t.Log(statuses)
	assert.Greater(t, statuses[400], 1000)
	assert.Greater(t, statuses[422], 300)
	assert.NotContains(t, log.String(), "level=ERROR")
}

func slicesDelete(b []byte, i, j int) []byte { return append(b[:i:i], b[j:]...) }

// Many clients at once, some of whom leave: all others get their whole answer, and nothing stays behind.
func TestManyStreams(t *testing.T) {
	noLeaks(t)
	m := hello()
	m.each = func(context.Context, int) error { time.Sleep(time.Millisecond); return nil }
	h := newHandler(t, m, HandlerOptions{KeepAlive: time.Millisecond, APIKeys: map[string]string{"k": "k"}})
	s := server(t, h, nil)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/v1/chat/completions", strings.NewReader(with(`"stream":true,"n":2`)))
			if !assert.NoError(t, err) {
				return
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer k")
			res, err := s.Client().Do(r)
			if !assert.NoError(t, err) {
				return
			}
			defer res.Body.Close()
			texts := [2]string{}
			for c, err := range openai.ReadStream[openai.ChatCompletionChunk](res.Body) {
				if i%4 == 0 {
					cancel() // leaves
					return
				}
				if !assert.NoError(t, err) {
					return
				}
				if d := c.Choices[0].Delta.Content; d != nil {
					texts[c.Choices[0].Index] += *d
				}
			}
			assert.Equal(t, [2]string{"Hello, wörld!", "Hello, wörld!"}, texts)
		})
	}
	wg.Wait()
	eventually(t, "all left", func() bool { return m.inside.Load() == 0 })
	s.Client().CloseIdleConnections()
}

func TestKeysAreNotKept(t *testing.T) {
	h := newHandler(t, hello(), HandlerOptions{APIKeys: map[string]string{"web": "key-1"}})
	assert.Equal(t, []apiKey{{"web", sha256.Sum256([]byte("key-1"))}}, h.keys)
}

// BenchmarkChat is the handler's share of a request, with a model that costs nothing.
func BenchmarkChat(b *testing.B) {
	for name, body := range map[string]string{"whole": plain, "stream": with(`"stream":true`)} {
		b.Run(name, func(b *testing.B) {
			h := newHandler(b, hello(), HandlerOptions{})
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, post("/v1/chat/completions", body))
				if w.Code != 200 {
					b.Fatal(w.Body)
				}
			}
		})
	}
	b.Run("token", func(b *testing.B) { // one streamed token
		m := hello()
		m.words = make([]string, b.N)
		for i := range m.words {
			m.words[i] = "word"
		}
		h := newHandler(b, m, HandlerOptions{MaxTokensCap: 1 << 40, DefaultMaxTokens: 1 << 40})
		b.ReportAllocs()
		b.ResetTimer()
		h.ServeHTTP(&sink1{h: http.Header{}}, post("/v1/chat/completions", with(`"stream":true`)))
	})
}

// sink1 is a connection that takes everything.
type sink1 struct{ h http.Header }

func (s *sink1) Header() http.Header              { return s.h }
func (s *sink1) Write(p []byte) (int, error)      { return len(p), nil }
func (s *sink1) WriteHeader(int)                  {}
func (s *sink1) Flush()                           {}
func (s *sink1) SetWriteDeadline(time.Time) error { return nil }
