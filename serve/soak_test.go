package serve_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/serve"
	"github.com/docent-ml/docent/serve/engine"
)

// TestSoak has many clients ask for this and that, good ones and rude ones, and leave when they like: from a real engine,
// and from a model that costs nothing and so sees many more of them. Nothing stays behind: no slot, no goroutine, no
// memory. DOCENT_SOAK=1h makes it long.
func TestSoak(t *testing.T) {
	took := 2 * time.Second
	if text := os.Getenv("DOCENT_SOAK"); text != "" {
		var err error
		took, err = time.ParseDuration(text)
		require.NoError(t, err)
	} else if testing.Short() {
		t.Skip("left out of -short")
	}
	t.Run("engine", func(t *testing.T) {
		serve.NoLeaks(t)
		e, err := engine.Load(t.Context(), "dir:"+testmodel.Write(t, 1),
			engine.Options{Backend: golden.Backend(t), Slots: 4, MaxQueue: 24, QueueTimeout: time.Second})
		require.NoError(t, err)
		soak(t, e, took)
		var said int
		for d, err := range e.Generate(t.Context(), serve.Request{Messages: []serve.Message{{Role: "user", Content: "x"}}, N: 4, MaxTokens: 3, IgnoreEOS: true}) {
			require.NoError(t, err)
			said += d.Sampled
		}
		assert.Equal(t, 4*3, said, "all slots can be used again")
	})
	t.Run("fake", func(t *testing.T) {
		serve.NoLeaks(t)
		m, inside := serve.FakeEmbedder()
		soak(t, m, took)
		assert.Zero(t, inside())
	})
}

func soak(t *testing.T, m serve.Model, took time.Duration) {
	h := serve.NewTestHandler(t, m, serve.HandlerOptions{BodyTimeout: 200 * time.Millisecond, WriteTimeout: time.Second})
	s := serve.NewTestServer(t, h, func(c *http.Server) { c.ReadHeaderTimeout = time.Second })
	requests := []struct{ path, body string }{
		{"/v1/chat/completions", serve.With(`"stream":true,"max_tokens":60,"ignore_eos":true`)},
		{"/v1/chat/completions", serve.With(`"n":3,"max_tokens":20,"logprobs":true,"top_logprobs":2`)},
		{"/v1/chat/completions", serve.With(`"max_tokens":30,"response_format":{"type":"json_object"}`)},
		{"/v1/completions", `{"model":"m","prompt":["` + strings.Repeat("long ", 60) + `","b","c"],"stream":true,"max_tokens":20,"echo":true}`},
		{"/v1/responses", `{"model":"m","input":"x","stream":true,"max_output_tokens":25}`},
		{"/v1/embeddings", `{"model":"m","input":["a","some text"]}`},
		{"/v1/chat/completions", serve.With(`"temperature":7`)},
	}
	statuses := make([]atomic.Int64, 600)
	work := func(until time.Time) {
		var clients sync.WaitGroup
		for i := range 12 {
			clients.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(i), 5))
				for time.Now().Before(until) {
					r := requests[rng.IntN(len(requests))]
					if i == 0 {
						statuses[rude(rng, s.Listener.Addr().String(), r.path, r.body)].Add(1)
						continue
					}
					ctx, cancel := context.WithCancel(t.Context())
					patience := time.Duration(rng.IntN(60)) * time.Millisecond
					if rng.IntN(2) == 0 {
						patience = time.Hour
					}
					leave := time.AfterFunc(patience, cancel)
					statuses[ask1(ctx, s.Client(), s.URL+r.path, r.body)].Add(1)
					leave.Stop()
					cancel()
				}
			})
		}
		clients.Wait()
		serve.Eventually(t, "all left", func() bool { return h.Stats().Running == 0 })
	}
	work(time.Now().Add(took / 2))
	before, goroutines := serve.Memory(), runtime.NumGoroutine()
	work(time.Now().Add(took / 2))
	after := serve.Memory()
	counts, total := map[int]int64{}, int64(0)
	for status := range statuses {
		if n := statuses[status].Load(); n > 0 {
			counts[status] = n
			total += n
		}
	}
	t.Logf("%d requests, statuses %v, %.1f MB after one half and %.1f MB after the other", total, counts, float64(before)/1e6, float64(after)/1e6)
	assert.Positive(t, counts[200])
	assert.Positive(t, counts[422])
	assert.Positive(t, counts[0], "some left")
	for status := range counts {
		assert.True(t, status < 500 || status == 503, status)
	}
	assert.Less(t, after, before+16<<20)
	assert.Less(t, runtime.NumGoroutine(), goroutines+30)
	s.Client().CloseIdleConnections()
}

// ask1 reads an answer as a client that may leave: 0.
func ask1(ctx context.Context, c *http.Client, url, body string) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := c.Do(r)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
	}
	if ctx.Err() != nil {
		return 0
	}
	return res.StatusCode
}

// rude asks as no good client does, and returns the status of the answer, or 0 if it takes none.
func rude(rng *rand.Rand, address, path, body string) int {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return 0
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", path, len(body))
	switch text := head + body; rng.IntN(4) {
	case 0: // vanishes half-way
		_, _ = io.WriteString(c, text[:rng.IntN(len(text))])
		return 0
	case 1: // takes nothing
		_, _ = io.WriteString(c, text)
		time.Sleep(20 * time.Millisecond)
		return 0
	case 2: // says that nothing more comes
		_, _ = io.WriteString(c, text)
		_ = c.(*net.TCPConn).CloseWrite()
	case 3: // lets its body drip
		_, err := io.WriteString(c, head)
		for i := 0; i < len(body) && err == nil; i++ {
			_, err = io.WriteString(c, body[i:i+1])
			time.Sleep(5 * time.Millisecond)
		}
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}
