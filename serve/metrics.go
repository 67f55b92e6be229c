package serve

import (
	"net/http"
	"time"

	"github.com/docent-ml/docent/openai"
)

// Metrics is a system that counts and measures, such as package serve/prometheus. Its methods are called from many
// goroutines, must not block, and ServeHTTP answers GET /metrics.
type Metrics interface {
	http.Handler

	ObserveRequest(RequestObservation)                       // at the end of each request
	ObserveLoad(model string, took time.Duration, err error) // at the end of each load of a model
	Watch(func() Stats)                                      // once, before the first request: the function tells what is going on now
}

// RequestObservation is one request that has ended. The strings come from short lists: no client can make up new ones.
type RequestObservation struct {
	Route      string      // the pattern, such as /v1/models/{id}, or unknown
	Model      string      // a known id, or "unknown", also where nobody named one
	Key        string      // the name of the key; "" where none was shown, or needed
	Status     int         // 499: the client had gone
	Code       openai.Code // of the error, "" if there was none
	Took       time.Duration
	FirstToken time.Duration // from the arrival; 0: no token came
	Cancelled  bool          // the client went away
	Usage      openai.Usage
	Drafted    int // tokens that were computed ahead: see Delta
	Kept       int // of these, became the answer's
}

// Stats is what goes on at one moment.
type Stats struct {
	Running      int // requests, those in the queue among them
	Waiting      int // of these, in the queue of a model
	ModelsLoaded int
	Degradations []Degradation
}

// stats waits for nothing.
func (h *Handler) stats() Stats {
	h.mu.Lock()
	s := Stats{Running: h.running, Waiting: int(h.waiting.Load())}
	h.mu.Unlock()
	models, _, wrong := h.condition()
	s.Degradations = wrong
	for _, m := range models {
		if m.state == "warm" {
			s.ModelsLoaded++
		}
	}
	return s
}

// observe tells the metrics of an exchange that has ended.
func (x *exchange) observe() {
	if x.h.o.Metrics == nil {
		return
	}
	model := x.model
	if !x.h.pool.catalog.has(model) {
		model = "unknown"
	}
	x.h.o.Metrics.ObserveRequest(RequestObservation{
		Route: x.route, Model: model, Key: x.key, Status: x.status, Code: x.code, Took: time.Since(x.began), FirstToken: x.firstToken,
		Cancelled: x.status == statusClientGone, Usage: x.tokens,
		Drafted: x.drafted, Kept: x.kept,
	})
}
