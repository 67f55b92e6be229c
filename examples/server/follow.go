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
	for i, model := range m.cfg.Models {
		if _, local := m.refs[model.ID()]; !local || i >= m.cfg.MaxModels {
			continue
		}
		if err := warm(ctx, pool, model.ID()); err != nil {
			return fmt.Errorf("model %s (%s): %w", model.ID(), model.Ref, err)
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
		for i, model := range m.cfg.Models {
			uri, registered := m.uris[model.ID()]
			if !registered {
				continue
			}
			if !m.look(ctx, model.ID(), uri) || i >= m.cfg.MaxModels && !m.has(model.ID()) {
				continue
			}
			if err := m.refresh(ctx, pool, model.ID(), uri); err != nil && ctx.Err() == nil {
				m.log.Warn("model not loaded", "model", model.ID(), "error", err)
			}
		}
		if !announced && m.anything() {
			announced = true
			ready()
		}
		if len(m.uris) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// has tells whether the model has been loaded once.
func (m *models) has(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.served[id]
}

// anything tells whether any model has been loaded.
func (m *models) anything() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.served) > 0
}

// look asks the registry what a reference means, and tells the log when the answer is another than before. It reports
// whether there is a version to serve: if need be the one of the last time, or the one in the cache.
func (m *models) look(ctx context.Context, id string, uri registry.URI) bool {
	limited, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	reg, err := m.open(limited)
	var v registry.Version
	if err == nil {
		v, err = reg.Resolve(limited, uri)
	}
	if ctx.Err() != nil {
		return false
	}
	nothing := errors.Is(err, registry.ErrNotFound)
	if _, recorded := m.cached(uri); reg == nil && recorded {
		nothing = false // there was a registry: its disk is not mounted
	}
	why := ""
	if nothing {
		why = fmt.Sprintf("%v; %s", err, m.instead(limited))
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	if !closed(m.asked[id]) {
		defer close(m.asked[id])
	}
	before, was := m.known[id]
	switch {
	case err == nil:
		m.known[id] = v
		delete(m.missing, id)
	case nothing:
		delete(m.known, id)
		if m.missing[id].why != why {
			m.log.Warn("waiting for a version to serve", "model", id, "error", why)
			m.missing[id] = missing{why, time.Now()}
		}
	case !was:
		if before, was = m.cached(uri); was {
			m.known[id] = before
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
		m.log.Warn("the registry does not answer: what it said last is served", "registry", m.cfg.Registry.String(), "model", id,
			"version", before.Number, "error", err)
	}
	return was
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

// refresh has the version served that look has found.
func (m *models) refresh(ctx context.Context, pool *serve.Pool, id string, uri registry.URI) error {
	m.mu.Lock()
	v := m.known[id]
	old, ok := m.loaded[id]
	never := !m.served[id]
	failed, again := m.failed[id]
	if same(old, v) { // also after a promotion back to it
		delete(m.failed, id)
	}
	m.mu.Unlock()
	switch {
	case v.Status != registry.Ready:
		return nil
	case never:
		return warm(ctx, pool, id)
	case !ok, same(old, v), again && failed.version == v.Number && time.Now().Before(failed.next):
		return nil
	}
	m.log.Info("new version", "model", id, "from", old.Number, "to", v.Number)
	err := pool.Reload(ctx, id)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		if !again || failed.version != v.Number {
			failed = failedUpdate{version: v.Number, since: time.Now()}
		}
		failed.next = time.Now().Add(restAfterFailure)
		m.failed[id] = failed
		return fmt.Errorf("version %d stays in use: %w", old.Number, err)
	}
	delete(m.failed, id)
	if same(m.loaded[id], old) { // it had been unloaded meanwhile: the next request loads the new one
		delete(m.loaded, id)
	}
	return m.forget(uri, old)
}

// forget removes the files of a version from the cache that was replaced, unless another model uses them: at one moment,
// since other servers may use the same cache. The registry has them still. m.mu is held.
func (m *models) forget(uri registry.URI, v registry.Version) error {
	for _, other := range m.loaded {
		if other.Name == v.Name && same(other, v) {
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
