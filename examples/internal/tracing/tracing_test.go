package tracing

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// TestTraces: what a client calls, what that calls in turn and what is done in between are one trace, at a collector.
func TestTraces(t *testing.T) {
	var mu sync.Mutex
	seen, service := map[string]*spans.Span{}, ""
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		var sent collector.ExportTraceServiceRequest
		assert.NoError(t, proto.Unmarshal(body, &sent))
		mu.Lock()
		defer mu.Unlock()
		for _, rs := range sent.ResourceSpans {
			for _, a := range rs.Resource.Attributes {
				if a.Key == "service.name" {
					service = a.Value.GetStringValue()
				}
			}
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					seen[hex.EncodeToString(s.TraceId)+" "+s.Name] = s
				}
			}
		}
	}))
	defer sink.Close()
	tracer, err := Start(t.Context(), sink.URL+"/", "docent-test", slog.New(slog.DiscardHandler))
	require.NoError(t, err)

	parents := make(chan string, 1)
	far := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { parents <- r.Header.Get("Traceparent") }))
	defer far.Close()
	near := httptest.NewServer(tracer.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", r.Header.Get("X-Request-Id"))
		rc := http.NewResponseController(w)
		assert.NoError(t, errors.Join(rc.SetReadDeadline(time.Now().Add(time.Minute)), rc.SetWriteDeadline(time.Now().Add(time.Minute)), rc.Flush()), "the API sets limits of its own")
		ctx, end := tracer.Span(r.Context(), "work")
		defer end(errors.New("half done"))
		out, err := http.NewRequestWithContext(ctx, "GET", far.URL+"/far", nil)
		assert.NoError(t, err)
		res, err := tracer.Client().Do(out)
		if assert.NoError(t, err) {
			res.Body.Close()
		}
	})))
	defer near.Close()
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	ask := func(path string) string {
		r, err := http.NewRequest("POST", near.URL+path, nil)
		require.NoError(t, err)
		r.Header.Set("Traceparent", "00-"+id+"-00f067aa0ba902b7-01")
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		res.Body.Close()
		<-parents
		return res.Header.Get("X-Request-Id")
	}
	assert.Equal(t, id, ask("/v1/x"))
	ask("/health")
	tracer.End()

	chain := []string{id + " POST /v1/x", id + " work", id + " GET /far"}
	parent := "\x00\xf0\x67\xaa\x0b\xa9\x02\xb7"
	for _, name := range chain {
		require.NotNil(t, seen[name], name)
		assert.Equal(t, parent, string(seen[name].ParentSpanId), name)
		parent = string(seen[name].SpanId)
	}
	assert.Equal(t, "half done", seen[chain[1]].Status.Message)
	assert.NotContains(t, fmt.Sprint(slices.Collect(maps.Keys(seen))), "/health")
	assert.Equal(t, "docent-test", service)

	_, err = Start(t.Context(), "localhost:4318", "x", nil)
	assert.ErrorContains(t, err, "http://")
	none, err := Start(t.Context(), "", "x", nil)
	require.NoError(t, err)
	assert.Nil(t, none.Client())
	none.End()
}
