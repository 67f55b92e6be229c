package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/serve"
)

const (
	restAfterFailure = time.Minute
	resolveTimeout   = 10 * time.Second
)

// warmLocal loads the models on disk, as many as fit, so that one that is wrong is found at once.
func (m *models) warmLocal(ctx context.Context, pool *serve.Pool) error {
	for _, n := range m.named {
		if n.registered() || !n.first {
			continue
		}
		if err := warm(ctx, pool, n.id); err != nil {
			return fmt.Errorf("model %s (%s): %w", n.id, n.ref, err)
		}
	}
	return nil
}

func warm(ctx context.Context, pool *serve.Pool, id string) error {
	_, release, err := pool.Acquire(ctx, id)
	if err == nil {
		release()
	}
	return err
}

// follow watches the registry: it loads what was not there before, as far as it fits, and replaces a model when its
// reference means another version than before, while requests that run finish on the old one. It calls ready once, when
// a model is loaded and each has been tried.
func (m *models) follow(ctx context.Context, pool *serve.Pool, ready func()) {
	tick := time.NewTicker(m.cfg.ModelsTTL)
	defer tick.Stop()
	for announced := false; ; {
		watched, served := false, false
		for _, n := range m.named {
			if n.registered() {
				watched = true
				if err := m.refresh(ctx, pool, n, m.look(ctx, n)); err != nil && ctx.Err() == nil {
					m.log.Warn("model not loaded", "model", n.id, "error", err)
				}
			}
			m.mu.Lock()
			served = served || n.served
			m.mu.Unlock()
		}
		if !announced && served {
			announced = true
			ready()
		}
		if !watched {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look asks the registry what a reference means, and tells the log when the answer is another than before. It reports
// whether there is a version to serve: if need be the one of the last time, or the one in the cache.
func (m *models) look(ctx context.Context, n *named) bool {
	limited, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	reg, err := m.open(limited)
	var v registry.Version
	if err == nil {
		v, err = reg.Resolve(limited, n.uri)
	}
	if ctx.Err() != nil {
		return false
	}
	nothing := errors.Is(err, registry.ErrNotFound)
	if reg == nil {
		if _, recorded := m.readRecord(n.uri); recorded {
			nothing = false // there was a registry: its disk is not mounted
		}
	}
	why := ""
	if nothing {
		why = fmt.Sprintf("%v; %s", err, m.instead(limited))
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	if !closed(n.asked) {
		defer close(n.asked)
	}
	switch {
	case err == nil:
		n.known, n.why = &v, ""
	case nothing:
		n.known = nil
		if n.why != why {
			m.log.Warn("waiting for a version to serve", "model", n.id, "error", why)
			n.why, n.missing = why, time.Now()
		}
	case n.known == nil:
		if last, ok := m.readRecord(n.uri); ok {
			n.known = &last.Version
		}
	}
	if err == nil || nothing {
		if !m.away.IsZero() {
			m.log.Info("the registry answers again", "registry", m.cfg.Registry.String())
		}
		m.away = time.Time{}
		return err == nil
	}
	if m.registry != nil && m.cfg.Registry.URL == "" { // its disk may be mounted anew: the folder is opened again
		_ = m.registry.Close() // which only reads
		m.registry = nil
	}
	if m.away.IsZero() {
		m.away = time.Now()
		before := 0
		if n.known != nil {
			before = n.known.Number
		}
		m.log.Warn("the registry does not answer: what it said last is served", "registry", m.cfg.Registry.String(), "model", n.id,
			"version", before, "error", err)
	}
	return n.known != nil
}

// instead tells what the registry has.
func (m *models) instead(ctx context.Context) string {
	m.mu.Lock()
	reg := m.registry
	m.mu.Unlock()
	var names []string
	if reg != nil {
		for model, err := range reg.ListModels(ctx) {
			if err != nil {
				break
			}
			names = append(names, fmt.Sprintf("%s (latest version %d, Production %d)", model.Name, model.Latest, model.Production))
		}
	}
	if len(names) == 0 {
		return "the registry " + m.cfg.Registry.String() + " has no models: train one with go run ./examples/trainer"
	}
	return "the registry " + m.cfg.Registry.String() + " has " + strings.Join(names, ", ") + "; 0 means none"
}

// refresh has the version served that look has found, if it has.
func (m *models) refresh(ctx context.Context, pool *serve.Pool, n *named, found bool) error {
	m.mu.Lock()
	v, old, served, failed := n.known, n.loaded, n.served, n.failed
	if found && old != nil && same(*old, *v) { // also after a promotion back to it
		n.failed = nil
	}
	m.mu.Unlock()
	switch {
	case !found, !served && !n.first, v.Status != registry.Ready:
		return nil
	case !served:
		return warm(ctx, pool, n.id)
	case old == nil, same(*old, *v), failed != nil && failed.version == v.Number && time.Now().Before(failed.next):
		return nil
	}
	m.log.Info("new version", "model", n.id, "from", old.Number, "to", v.Number)
	err := pool.Reload(ctx, n.id)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		since := time.Now()
		if failed != nil && failed.version == v.Number {
			since = failed.since
		}
		n.failed = &failedUpdate{v.Number, since, time.Now().Add(restAfterFailure)}
		return fmt.Errorf("version %d stays in use: %w", old.Number, err)
	}
	n.failed = nil
	if n.loaded == old { // it had been unloaded meanwhile: the next request loads the new one
		n.loaded = nil
	}
	return m.forget(n.uri, *old)
}

// forget removes the files of a version from the cache that was replaced, unless another model uses them: at one moment,
// since other servers may use the same cache. The registry has them still. m.mu is held.
func (m *models) forget(uri registry.URI, v registry.Version) error {
	for _, other := range m.named {
		if l := other.loaded; l != nil && l.Name == v.Name && same(*l, v) {
			return nil
		}
	}
	dir := m.folder(uri, v)
	gone := dir + ".removed"
	if err := os.Rename(dir, gone); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.RemoveAll(gone)
}
