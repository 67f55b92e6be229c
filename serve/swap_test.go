package serve_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
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

// TestSwapUnderLoad replaces the model again and again under 64 streams: none breaks off, and each is of one model from its
// beginning to its end.
func TestSwapUnderLoad(t *testing.T) {
	const streams, swaps = 64, 4
	serve.NoLeaks(t)
	folders := []string{testmodel.Write(t, 1), testmodel.Write(t, 2)}
	var loads atomic.Int64
	p, err := serve.NewPool(func(ctx context.Context, _ string) (serve.Model, error) {
		e, err := engine.Load(ctx, "dir:"+folders[loads.Add(1)%2], engine.Options{Backend: golden.Backend(t), Slots: streams, MaxQueue: 2 * streams})
		if err != nil {
			return nil, err
		}
		return e, nil
	}, serve.PoolOptions{Local: []serve.Entry{{ID: "m"}}})
	require.NoError(t, err)
	h, err := serve.NewHandler(p, serve.HandlerOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, h.Close()) })
	s := serve.NewTestServer(t, h, func(*http.Server) {})
	s.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = streams

	fingerprint, content := regexp.MustCompile(`"system_fingerprint":"(\w+)"`), regexp.MustCompile(`"content":("(?:[^"\\]|\\.)*")`)
	var texts sync.Map // by fingerprint: an answer does not depend on what is computed beside it
	var answered, running atomic.Int64
	running.Store(1)
	stream := func() error {
		res, err := s.Client().Post(s.URL+"/v1/chat/completions", "application/json", strings.NewReader(serve.With(`"stream":true,"max_tokens":16,"ignore_eos":true,"temperature":0`)))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 || !strings.HasSuffix(string(body), "data: [DONE]\n\n") {
			return fmt.Errorf("status %d, %w: %s", res.StatusCode, err, body)
		}
		marks := map[string]bool{}
		for _, m := range fingerprint.FindAllStringSubmatch(string(body), -1) {
			marks[m[1]] = true
		}
		text := ""
		for _, m := range content.FindAllStringSubmatch(string(body), -1) {
			text += m[1]
		}
		for mark := range marks {
			if before, seen := texts.LoadOrStore(mark, text); len(marks) != 1 || seen && before != text {
				return fmt.Errorf("%v: %s beside %s", marks, text, before)
			}
		}
		answered.Add(1)
		return nil
	}
	var clients sync.WaitGroup
	for range streams {
		clients.Go(func() {
			for running.Load() == 1 {
				if !assert.NoError(t, stream()) {
					return
				}
			}
		})
	}
	began := time.Now()
	for i := range swaps {
		until := answered.Load() + streams
		require.Eventually(t, func() bool { return answered.Load() >= until || t.Failed() }, time.Minute, time.Millisecond)
		at := time.Now()
		require.NoError(t, p.Reload(t.Context(), "m"))
		t.Logf("swap %d took %v", i+1, time.Since(at))
	}
	running.Store(0)
	clients.Wait()
	t.Logf("%d streams answered %d requests in %v over %d swaps", streams, answered.Load(), time.Since(began), swaps)
	assert.EqualValues(t, swaps+1, loads.Load())
	marks := 0
	texts.Range(func(any, any) bool { marks++; return true })
	assert.Equal(t, 2, marks)
	s.Client().CloseIdleConnections()
}
