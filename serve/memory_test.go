package serve

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/docent-ml/docent/internal/race"
)

// memory is what the process holds, after what can be freed is.
func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// Five hundred and twelve streams at once, with their clients in the same process, stay below 256 MB.
func TestManyStreamsInLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("512 connections; left out of -short")
	}
	noLeaks(t)
	const streams = 512
	gate := make(chan struct{})
	m := hello()
	m.words = strings.Split(strings.Repeat("word ", 50), " ")
	m.each = func(ctx context.Context, i int) error {
		if i == 25 {
			select {
			case <-gate:
			case <-ctx.Done():
			}
		}
		return ctx.Err()
	}
	h := newHandler(t, m, HandlerOptions{})
	s := server(t, h, nil)
	var done sync.WaitGroup
	var failed sync.Map
	for i := range streams {
		done.Go(func() {
			res, err := s.Client().Post(s.URL+"/v1/chat/completions", "application/json", strings.NewReader(with(`"stream":true`)))
			if err != nil {
				failed.Store(i, err)
				return
			}
			text, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || !strings.HasSuffix(string(text), "data: [DONE]\n\n") {
				failed.Store(i, fmt.Errorf("%w: %d bytes", err, len(text)))
			}
		})
	}
	eventually(t, "all are half-way", func() bool { return m.served.Load() == streams*25 })
	held := memory()
	t.Logf("%d streams and their clients hold %.1f MB", streams, float64(held)/1e6)
	assert.Less(t, held, uint64(256e6))
	close(gate)
	done.Wait()
	failed.Range(func(i, err any) bool { return assert.Fail(t, "stream", "%v: %v", i, err) })
	s.Client().CloseIdleConnections()
}

// A streamed token costs no allocation beyond its frame's: twice the tokens, the same number of allocations.
func TestStreamedTokensDoNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector empties pools at random, which allocates")
	}
	for path, body := range map[string]string{
		"/v1/chat/completions": with(`"stream":true`), "/v1/completions": `{"model":"m","prompt":"x","stream":true}`,
		"/v1/responses": `{"model":"m","input":"x","stream":true}`,
	} {
		allocations := func(tokens int) float64 {
			m := hello()
			m.words = strings.Split(strings.Repeat("word ", tokens-1)+"word", " ")
			h := newHandler(t, m, HandlerOptions{MaxTokensCap: 1 << 30, DefaultMaxTokens: 1 << 30})
			return testing.AllocsPerRun(3, func() { h.ServeHTTP(&sink1{h: http.Header{}}, post(path, body)) })
		}
		few, many := allocations(1000), allocations(9000)
		perToken := (many - few) / 8000
		t.Logf("%s: %.4f allocations a token", path, perToken)
		assert.Less(t, perToken, 0.02, path)
	}
}

// The handler's share of a request, from reading it to the last byte of the answer, is below 100 µs.
func TestOverhead(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector is slow")
	}
	h := newHandler(t, hello(), HandlerOptions{})
	for name, body := range map[string]string{"whole": plain, "stream": with(`"stream":true`)} {
		best := time.Hour // of many rounds: others use the machine too
		for range 100 {
			const requests = 10
			began := time.Now()
			for range requests {
				h.ServeHTTP(&sink1{h: http.Header{}}, post("/v1/chat/completions", body))
			}
			best = min(best, time.Since(began)/requests)
		}
		t.Logf("%s: %v", name, best)
		assert.Less(t, best, 100*time.Microsecond, name)
	}
}

// Long bodies take turns to be read as JSON: who waits for that leaves with the client, and holds up nobody.
func TestLongBodiesTakeTurns(t *testing.T) {
	h := newHandler(t, hello(), HandlerOptions{})
	atOnce := int64(max(1, runtime.GOMAXPROCS(0)/2))
	assert.NoError(t, h.parsing.Acquire(t.Context(), atOnce))
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan int)
	for _, route := range []string{"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"} {
		go func() {
			w, _ := do(h, post(route, strings.Repeat(" ", longBody)+plain).WithContext(ctx))
			gone <- w.Code
		}()
	}
	w, _ := do(h, post("/v1/chat/completions", plain))
	assert.Equal(t, 200, w.Code)
	select {
	case status := <-gone:
		t.Error("one did not wait", status)
	case <-time.After(50 * time.Millisecond):
	}
	leave()
	for range 4 {
		<-gone
	}
	h.parsing.Release(atOnce)
	w, _ = do(h, post("/v1/chat/completions", strings.Repeat(" ", longBody)+plain))
	assert.Equal(t, 200, w.Code)
}
