package serve

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/docent-ml/docent/openai"
)

// HandlerOptions are the settings of a [Handler]. The zero value has the defaults.
type HandlerOptions struct {
	Prefix     string // where the handler is mounted when the host does not strip it: "/ai". No final slash
	BareRoutes bool   // serve the /v1 routes also without /v1

	APIKeys          map[string]string                  // name to key; a key is sent as "Authorization: Bearer". Empty: open to all
	AllowModel       func(keyName, modelID string) bool // nil: every key may use every model
	StrictFields     bool                               // fields that are not in the API are an error instead of being ignored
	ValidationStatus int                                // of a request with invalid fields: 422 (0) or 400

	MaxBodyBytes int64         // 0: 1 MiB
	BodyTimeout  time.Duration // for the whole body; 0: 20 s
	WriteTimeout time.Duration // for a response, or one event of a stream; 0: 30 s
	KeepAlive    time.Duration // silence in a stream before a comment line; 0: 15 s

	MaxMessages       int           // 0: 2048
	MaxN              int           // 0: 8
	MaxTokensCap      int           // no answer is longer; 0: 1024
	DefaultMaxTokens  int           // when the request does not say; 0: 256
	MaxGenerationTime time.Duration // an answer then ends with finish_reason length; 0: no limit

	Version      string               // in /health; "": the version of the docent module
	Degradations func() []Degradation // what the program knows of (cpu_fallback, low_memory), for /health. Must not block
	LogContent   bool                 // log prompts and answers
	Logger       *slog.Logger         // nil: nothing is logged
}

// Validate joins all faults of the options.
func (o HandlerOptions) Validate() error {
	var errs []error
	bad := func(field, reason string) { errs = append(errs, fmt.Errorf("%s: %s", field, reason)) }
	if o.Prefix != "" && (!strings.HasPrefix(o.Prefix, "/") || strings.HasSuffix(o.Prefix, "/")) {
		bad("Prefix", "must start with a slash and not end with one")
	}
	seen := map[string]string{}
	for name, key := range o.APIKeys {
		if key == "" {
			bad("APIKeys", fmt.Sprintf("the key named %q is empty", name))
		} else if other, dup := seen[key]; dup {
			bad("APIKeys", fmt.Sprintf("%q and %q have the same key", min(name, other), max(name, other)))
		}
		seen[key] = name
	}
	if s := o.ValidationStatus; s != 0 && s != http.StatusBadRequest && s != http.StatusUnprocessableEntity {
		bad("ValidationStatus", "must be 400 or 422")
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"MaxBodyBytes", o.MaxBodyBytes}, {"BodyTimeout", int64(o.BodyTimeout)}, {"WriteTimeout", int64(o.WriteTimeout)},
		{"KeepAlive", int64(o.KeepAlive)}, {"MaxMessages", int64(o.MaxMessages)}, {"MaxN", int64(o.MaxN)},
		{"MaxTokensCap", int64(o.MaxTokensCap)}, {"DefaultMaxTokens", int64(o.DefaultMaxTokens)},
		{"MaxGenerationTime", int64(o.MaxGenerationTime)},
	} {
		if f.value < 0 {
			bad(f.name, "must not be negative")
		}
	}
	return errors.Join(errs...)
}

func (o HandlerOptions) withDefaults() HandlerOptions {
	set(&o.ValidationStatus, http.StatusUnprocessableEntity)
	set(&o.MaxBodyBytes, 1<<20)
	set(&o.BodyTimeout, 20*time.Second)
	set(&o.WriteTimeout, 30*time.Second)
	set(&o.KeepAlive, 15*time.Second)
	set(&o.MaxMessages, 2048)
	set(&o.MaxN, 8)
	set(&o.MaxTokensCap, 1024)
	set(&o.DefaultMaxTokens, 256)
	set(&o.Version, moduleVersion())
	return o
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Handler is the HTTP API as one http.Handler. It works at the root and under any prefix, and never redirects.
type Handler struct {
	pool    *Pool
	o       HandlerOptions
	log     *slog.Logger
	keys    []apiKey
	started time.Time
	newID   func() string // 26 characters
	queue   saturation

	base context.Context // ends when running requests are to be cancelled
	kill context.CancelCauseFunc

	mu      sync.Mutex
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
	h := &Handler{pool: p, o: o.withDefaults(), log: logger(o.Logger), started: time.Now(), newID: rand.Text, idle: make(chan struct{})}
	for name, key := range o.APIKeys {
		h.keys = append(h.keys, apiKey{name, sha256.Sum256([]byte(key))})
	}
	h.base, h.kill = context.WithCancelCause(context.Background())
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

// saturation remembers that a queue was full, for /health.
type saturation struct {
	mu          sync.Mutex
	since, last time.Time
}

// full notes a refused request.
func (s *saturation) full() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
	if s.since.IsZero() {
		s.since = s.last
	}
}

// admitted notes that a request got through.
func (s *saturation) admitted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = time.Time{}
}

// state is since when requests are refused. Without any request for a minute nobody knows, and it counts as over.
func (s *saturation) state() (since time.Time, saturated bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since, !s.since.IsZero() && time.Since(s.last) < time.Minute
}

var _ http.Handler = (*Handler)(nil)

// limits are what the request parser needs to know.
func (h *Handler) limits() openai.Limits {
	return openai.Limits{MaxMessages: h.o.MaxMessages, MaxN: h.o.MaxN, StrictFields: h.o.StrictFields}
}
