package serve

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

const listTimeout = 10 * time.Second // for one call of PoolOptions.List

// Entry is one model of the list. Only ID must be set.
type Entry struct {
	ID            string
	Created       time.Time // zero: when the pool first saw it
	BaseModel     string
	ContextLength int
	Ready         bool // its files were checked, so that a load can be expected to work
	Pending       bool // the program loads it ahead of requests and has not yet: until then it is not ready
}

// catalog is the list of models: fetched at most once per TTL, by one caller for all, and kept when the next fetch fails.
type catalog struct {
	list  func(context.Context) ([]Entry, error)
	ttl   time.Duration
	local []Entry
	ctx   context.Context
	tasks *sync.WaitGroup

	mu      sync.Mutex
	entries []Entry       // local ones first; replaced, never changed
	tried   time.Time     // end of the last fetch
	good    bool          // a fetch has worked
	failing time.Time     // since when fetches fail; zero while they work
	flight  chan struct{} // closed at the end of the fetch that runs
}

func newCatalog(ctx context.Context, tasks *sync.WaitGroup, o PoolOptions) *catalog {
	c := &catalog{list: o.List, ttl: o.ListTTL, ctx: ctx, tasks: tasks}
	c.local = merge(slices.Clone(o.Local), nil, nil, time.Now())
	c.entries = c.local
	return c
}

// lookup reports whether id exists. An id that was there is not made to wait for a fetch, so that a registry that is
// slow or down does not delay its requests.
func (c *catalog) lookup(ctx context.Context, id string) error {
	flight := c.refresh()
	if c.has(id) {
		return nil
	}
	c.wait(ctx, flight)
	if c.has(id) {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.list != nil && !c.good {
		return errListFailed
	}
	return ErrModelNotFound
}

func (c *catalog) has(id string) bool {
	return slices.ContainsFunc(c.now(), func(e Entry) bool { return e.ID == id })
}

// all is the list. One that is older than the TTL is fetched again for those who ask later; only the first is waited for.
func (c *catalog) all(ctx context.Context) []Entry {
	flight := c.refresh()
	c.mu.Lock()
	first := c.tried.IsZero()
	c.mu.Unlock()
	if first {
		c.wait(ctx, flight)
	}
	return c.now()
}

// now is the list as it is known, without waiting.
func (c *catalog) now() []Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries
}

// refresh starts a fetch if one is due, and returns the one that runs, or nil.
func (c *catalog) refresh() <-chan struct{} {
	if c.list == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flight == nil && c.ctx.Err() == nil && (c.tried.IsZero() || time.Since(c.tried) >= c.ttl) {
		c.flight = make(chan struct{})
		c.tasks.Go(c.fetch)
	}
	return c.flight
}

// renew fetches the list anew, however young it is. A fetch that is on its way may have begun too early.
func (c *catalog) renew(ctx context.Context) {
	c.wait(ctx, c.refresh())
	c.mu.Lock()
	c.tried = time.Time{}
	c.mu.Unlock()
	c.wait(ctx, c.refresh())
}

// wait waits for a fetch, but not longer than a fetch may take: a List that ignores its context holds up nobody.
func (c *catalog) wait(ctx context.Context, flight <-chan struct{}) {
	if flight == nil {
		return
	}
	t := time.NewTimer(listTimeout)
	defer t.Stop()
	select {
	case <-flight:
	case <-ctx.Done():
	case <-t.C:
	}
}

func (c *catalog) fetch() {
	ctx, cancel := context.WithTimeout(c.ctx, listTimeout)
	defer cancel()
	listed, err := c.callList(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried = time.Now()
	if err == nil {
		c.entries = merge(c.local, listed, c.entries, c.tried)
		c.good, c.failing = true, time.Time{}
	} else if c.failing.IsZero() {
		c.failing = c.tried
	}
	close(c.flight)
	c.flight = nil
}

func (c *catalog) callList(ctx context.Context) (entries []Entry, err error) {
	defer catch(&err)
	entries, err = c.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("serve: listing models: %w", err)
	}
	return entries, nil
}

// merge puts the lists together, the first entry of an id winning. An entry without a creation time keeps the one it
// had in before.
func merge(local, listed, before []Entry, now time.Time) []Entry {
	seen := map[string]bool{}
	var all []Entry
	for _, e := range slices.Concat(local, listed) {
		if e.ID == "" || seen[e.ID] {
			continue
		}
		seen[e.ID] = true
		if e.Created.IsZero() {
			e.Created = now
			if i := slices.IndexFunc(before, func(b Entry) bool { return b.ID == e.ID }); i >= 0 {
				e.Created = before[i].Created
			}
		}
		all = append(all, e)
	}
	return all
}
