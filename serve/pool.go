package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	failureMemory = 5 * time.Second // a failed load is not tried again for this long
	roomTimeout   = time.Minute     // how long a load waits for another model to become idle
)

// LoadFunc loads the model that the list names id. ctx ends when the pool closes, not when a request does. An error
// that is ErrBadModel means that trying again cannot help.
type LoadFunc func(ctx context.Context, id string) (Model, error)

// PoolOptions are the settings of a [Pool].
type PoolOptions struct {
	// List names the models that can be loaded, for example those that a registry has in production. It is called at
	// most once per ListTTL. While it fails, the last good answer stands, and /health says registry_stale.
	List    func(ctx context.Context) ([]Entry, error)
	ListTTL time.Duration // 0: 10 s

	// Local are models that exist whatever List says; they win over entries of the same id.
	Local []Entry

	MaxModels int   // loaded at a time; 0: 2. The least recently used idle one goes before another is loaded
	MaxBytes  int64 // loaded at a time, by Info.Bytes, enforced after a load; 0: no limit
	Logger    *slog.Logger
}

// Validate joins all faults of the options.
func (o PoolOptions) Validate() error {
	var errs []error
	if o.List == nil && len(o.Local) == 0 {
		errs = append(errs, errors.New("List and Local: both are empty, so there is no model to serve"))
	}
	for i, e := range o.Local {
		if e.ID == "" {
			errs = append(errs, fmt.Errorf("Local[%d].ID: must not be empty", i))
		}
	}
	for name, v := range map[string]int64{"ListTTL": int64(o.ListTTL), "MaxModels": int64(o.MaxModels), "MaxBytes": o.MaxBytes} {
		if v < 0 {
			errs = append(errs, fmt.Errorf("%s: must not be negative", name))
		}
	}
	return errors.Join(errs...)
}

// Pool loads models when they are first asked for and keeps them. Concurrent first requests share one load; a model
// that is in use is never unloaded. Only ids of the list are ever loaded.
type Pool struct {
	load    LoadFunc
	o       PoolOptions
	log     *slog.Logger
	catalog *catalog

	ctx       context.Context // of loads: ends with Close
	cancel    context.CancelFunc
	reloading chan struct{}  // one Reload at a time
	tasks     sync.WaitGroup // loads, reloads, list fetches
	done      chan struct{}  // Close is through

	mu       sync.Mutex
	closed   bool
	uses     uint64 // a clock for "least recently used"
	models   map[string]*loaded
	flights  map[string]*flight
	failures map[string]failure
	alive    int           // models that hold memory: current, replaced but in use, and being closed
	leaving  int           // of these, being closed
	reserved int           // loads that have been promised room
	change   chan struct{} // closed and replaced when something above may have made room
	onLoad   func(id string, took time.Duration, err error)
}

// loaded is a model in memory. Its fields are guarded by Pool.mu, the first four never change.
type loaded struct {
	id      string
	model   Model
	info    Info
	at      time.Time // of the load
	refs    int
	used    uint64
	retired bool // not the current one any more: closed by the last release
}

// flight is a load that several requests may be waiting for.
type flight struct {
	done    chan struct{}
	waiters int
	model   *loaded // after done: holds one reference for each waiter
	err     error
}

type failure struct {
	err error
	at  time.Time
}

var errAbandoned = errors.New("serve: nobody waits for the load any more")

// NewPool returns a pool that has loaded nothing yet.
func NewPool(load LoadFunc, o PoolOptions) (*Pool, error) {
	if load == nil {
		return nil, errors.New("serve: pool: the load function is nil")
	}
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("serve: pool options: %w", err)
	}
	return newPool(load, o), nil
}

func newPool(load LoadFunc, o PoolOptions) *Pool {
	set(&o.MaxModels, 2)
	set(&o.ListTTL, 10*time.Second)
	p := &Pool{
		load: load, o: o, log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)), reloading: make(chan struct{}, 1), done: make(chan struct{}),
		models: map[string]*loaded{}, flights: map[string]*flight{}, failures: map[string]failure{},
		change: make(chan struct{}),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.catalog = newCatalog(p.ctx, &p.tasks, o)
	return p
}

// Single returns a pool with one model, already loaded, that the pool then owns. id must not be empty.
func Single(id string, m Model) *Pool {
	p := newPool(func(context.Context, string) (Model, error) {
		return nil, errors.New("serve: the model was given, not loaded: it cannot be loaded again")
	}, PoolOptions{Local: []Entry{{ID: id, Ready: true}}})
	p.adopt(id, m)
	return p
}

// Acquire returns the model named id, loading it if need be. release gives it back and may be called more than once.
// The end of ctx ends the waiting, not the load, which others may want. Errors: ErrModelNotFound, ErrClosed,
// ErrQueueTimeout if all models stayed in use, the context's, or the load's.
func (p *Pool) Acquire(ctx context.Context, id string) (m Model, release func(), err error) {
	h, _, err := p.acquire(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	return h.model, sync.OnceFunc(func() { p.release(h) }), nil
}

// acquire is Acquire with the reference in the open; waited says whether there was a load to wait for.
func (p *Pool) acquire(ctx context.Context, id string) (h *loaded, waited bool, err error) {
	if err := p.catalog.lookup(ctx, id); err != nil {
		return nil, false, err
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, false, ErrClosed
	}
	if h := p.models[id]; h != nil {
		h.refs++
		p.touch(h)
		p.mu.Unlock()
		return h, false, nil
	}
	f := p.flights[id]
	if f == nil {
		if last, ok := p.failures[id]; ok && time.Since(last.at) < failureMemory {
			p.mu.Unlock()
			return nil, false, &loadError{id, last.err, failureMemory - time.Since(last.at)}
		}
		f = &flight{done: make(chan struct{})}
		p.flights[id] = f
		p.tasks.Go(func() { p.fly(id, f) })
	}
	f.waiters++
	p.mu.Unlock()

	select {
	case <-f.done:
		return f.model, true, f.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-f.done:
		if f.err == nil {
			p.drop(f.model)
		}
	default:
		f.waiters--
		p.changed()
	}
	return nil, true, context.Cause(ctx)
}

// Refresh has List called once more, for a program that has just changed what it returns, and comes back with the answer known or
// with the end of ctx.
func (p *Pool) Refresh(ctx context.Context) { p.catalog.renew(ctx) }

// observeLoads has f called at the end of each load.
func (p *Pool) observeLoads(f func(id string, took time.Duration, err error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onLoad = f
}

func (p *Pool) release(h *loaded) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(h)
}

// Close ends loads, waits until every model has been given back, and closes them. After it, Acquire returns ErrClosed.
func (p *Pool) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		<-p.done
		return nil
	}
	p.closed = true
	p.cancel()
	for _, h := range p.models {
		p.retire(h)
	}
	p.changed()
	for p.alive > 0 || len(p.flights) > 0 {
		c := p.change
		p.mu.Unlock()
		<-c
		p.mu.Lock()
	}
	p.mu.Unlock()
	p.tasks.Wait()
	close(p.done)
	return nil
}

// The functions below want p.mu held.

func (p *Pool) touch(h *loaded) {
	p.uses++
	h.used = p.uses
}

// changed wakes all that wait for room.
func (p *Pool) changed() {
	close(p.change)
	p.change = make(chan struct{})
}

// drop gives up one reference.
func (p *Pool) drop(h *loaded) {
	h.refs--
	if h.refs > 0 {
		return
	}
	if h.retired {
		p.dispose(h)
	} else {
		p.trim()
	}
	p.changed()
}

// retire takes a model out of the pool. Requests that have it finish on it.
func (p *Pool) retire(h *loaded) {
	if p.models[h.id] == h {
		delete(p.models, h.id)
	}
	h.retired = true
	if h.refs == 0 {
		p.dispose(h)
	}
}

// dispose closes a model that nobody has. It may take a while, so it happens on the side.
func (p *Pool) dispose(h *loaded) {
	p.leaving++
	go func() {
		err := closeModel(h.model)
		p.log.Info("model unloaded", "model", h.id, "error", err)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.leaving--
		p.alive--
		p.changed()
	}()
}

func closeModel(m Model) (err error) {
	c, ok := m.(io.Closer)
	if !ok {
		return nil
	}
	defer catch(&err)
	return c.Close()
}

// idlest is the model to unload first, or nil.
func (p *Pool) idlest(except *loaded) *loaded {
	var oldest *loaded
	for _, h := range p.models {
		if h.refs == 0 && h != except && (oldest == nil || h.used < oldest.used) {
			oldest = h
		}
	}
	return oldest
}

// trim unloads idle models until MaxBytes holds. The most recent one stays, however large it is.
func (p *Pool) trim() {
	if p.o.MaxBytes == 0 {
		return
	}
	var bytes int64
	var newest *loaded
	for _, h := range p.models {
		bytes += h.info.Bytes
		if newest == nil || h.used > newest.used {
			newest = h
		}
	}
	for bytes > p.o.MaxBytes {
		h := p.idlest(newest)
		if h == nil {
			return // the next release tries again
		}
		bytes -= h.info.Bytes
		p.retire(h)
	}
}
