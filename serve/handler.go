package serve

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// Handler is the HTTP API as one http.Handler. It works at the root and under any prefix, and never redirects.
type Handler struct {
	pool    *Pool
	o       HandlerOptions
	log     *slog.Logger
	started time.Time
	routes  map[string]route // by path; it does not change
	newID   func() string    // 26 characters
	queue   saturation
	rates   *rates
	waiting atomic.Int64 // requests that have asked a model and not been started
	parsing *semaphore.Weighted
	base    context.Context // ends when running requests are to be cancelled
	kill    context.CancelCauseFunc

	mu      sync.Mutex
	keys    []apiKey // replaced, never changed
	closing bool
	running int
	idle    chan struct{} // closed when closing and nothing runs
}

// NewHandler returns the API over the models of p. The handler takes the pool over: Shutdown and Close close it.
func NewHandler(p *Pool, o HandlerOptions) (*Handler, error) {
	if p == nil {
		return nil, errors.New("serve: handler: the pool is nil")
	}
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("serve: handler options: %w", err)
	}
	h := &Handler{pool: p, o: o.withDefaults(), log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)), started: time.Now(), newID: rand.Text, idle: make(chan struct{})}
	h.parsing = semaphore.NewWeighted(int64(max(1, runtime.GOMAXPROCS(0)/2)))
	h.routes = h.endpoints()
	h.setKeys(o.APIKeys)
	h.rates = newRates(h.o)
	h.base, h.kill = context.WithCancelCause(context.Background())
	if h.o.Metrics != nil {
		h.o.Metrics.Watch(h.stats)
		p.observeLoads(h.o.Metrics.ObserveLoad)
	}
	return h, nil
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := h.newExchange(w, r)
	defer x.end()
	defer x.rescue()
	if err := h.dispatch(x); err != nil {
		x.fail(err)
	}
}

// enter counts a request as running, unless the handler is shutting down.
func (h *Handler) enter() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return ErrClosed
	}
	h.running++
	return nil
}

func (h *Handler) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running--
	if h.closing && h.running == 0 {
		close(h.idle)
	}
}

// Shutdown refuses new requests with 503, lets those that run finish, and frees the models. When ctx ends first, they
// are cancelled, and its error is returned once they have left. /health/live goes on answering.
func (h *Handler) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	if !h.closing {
		h.closing = true
		if h.running == 0 {
			close(h.idle)
		}
	}
	h.mu.Unlock()
	var err error
	select {
	case <-h.idle:
	case <-ctx.Done():
		select {
		case <-h.idle: // both at once: nothing was cut off
		default:
			err = context.Cause(ctx)
		}
	}
	h.kill(ErrClosed)
	<-h.idle
	return errors.Join(err, h.pool.Close())
}

// Close cancels the requests that run, waits for them to leave (one that is blocked on its client may take until
// BodyTimeout or WriteTimeout), and frees the models.
func (h *Handler) Close() error {
	h.kill(ErrClosed)
	return h.Shutdown(context.Background())
}

// shuttingDown reports whether new requests are refused.
func (h *Handler) shuttingDown() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closing
}

// saturation remembers that a queue was full, for /health: since when requests are refused, and when one was last, in
// nanoseconds of Unix time.
type saturation struct{ since, last atomic.Int64 }

// full notes a refused request.
func (s *saturation) full() {
	now := time.Now().UnixNano()
	s.last.Store(now)
	s.since.CompareAndSwap(0, now)
}

// admitted notes that a request got through.
func (s *saturation) admitted() { s.since.Store(0) }

// state is since when requests are refused. Without any request for a minute nobody knows, and it counts as over.
func (s *saturation) state() (since time.Time, saturated bool) {
	began := s.since.Load()
	return time.Unix(0, began), began != 0 && time.Since(time.Unix(0, s.last.Load())) < time.Minute
}

var _ http.Handler = (*Handler)(nil)
