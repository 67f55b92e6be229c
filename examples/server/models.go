package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/docent-ml/docent/examples/internal/backend"
	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/serve"
	"github.com/docent-ml/docent/serve/engine"
)

// models is where registry and engine meet: it knows what to serve, downloads versions, and notices new ones.
type models struct {
	cfg      config.Server
	device   *backend.Device
	log      *slog.Logger
	registry program.Registry        // nil when no model is in one
	uris     map[string]registry.URI // by id: the models in the registry
	refs     map[string]string       // by id: the models elsewhere, in the grammar of engine.Load

	mu     sync.Mutex
	loaded map[string]registry.Version // by id: what was loaded last
	latest map[string]*engine.Engine   // by id: its graphs serve the next version too
	failed map[string]failedUpdate     // by id: the version that should be served and cannot be
}

// failedUpdate is a new version that could not be loaded while the one before goes on.
type failedUpdate struct {
	version int
	since   time.Time
	next    time.Time // no new attempt before
}

const (
	restAfterFailure = time.Minute
	resolveTimeout   = 10 * time.Second
)

// newModels reads the references and fails on those that cannot work.
func newModels(ctx context.Context, cfg config.Server, device *backend.Device, log *slog.Logger) (*models, error) {
	m := &models{cfg: cfg, device: device, log: log, uris: map[string]registry.URI{}, refs: map[string]string{},
		loaded: map[string]registry.Version{}, latest: map[string]*engine.Engine{}, failed: map[string]failedUpdate{}}
	for _, model := range cfg.Models {
		if !strings.HasPrefix(model.Ref, "models:") && !strings.HasPrefix(model.Ref, "runs:") {
			m.refs[model.ID()] = model.Ref
			continue
		}
		uri, err := registry.ParseURI(model.Ref)
		if err != nil {
			return nil, fmt.Errorf("-model %s: %w", model.Ref, err)
		}
		m.uris[model.ID()] = uri
	}
	if len(m.uris) == 0 {
		return m, nil
	}
	var err error
	if m.registry, err = program.OpenRegistry(ctx, cfg.Common, program.RegistryOptions{MustExist: true, Logger: log}); err != nil {
		return nil, fmt.Errorf("%w\n  train a model first with go run ./examples/trainer, or serve one from disk with -model ./folder", err)
	}
	for id, uri := range m.uris {
		_, err := m.registry.Resolve(ctx, uri)
		switch {
		case errors.Is(err, registry.ErrUnavailable): // it may come back
			log.Warn("registry unavailable", "model", id, "error", err)
		case err != nil:
			return nil, errors.Join(fmt.Errorf("-model %s: %w\n  %s", uri, err, m.known(ctx)), m.close())
		}
	}
	return m, nil
}

// known tells what the registry has instead.
func (m *models) known(ctx context.Context) string {
	var names []string
	for model, err := range m.registry.ListModels(ctx) {
		if err != nil {
			break
		}
		names = append(names, fmt.Sprintf("%s (latest version %d, Production %d)", model.Name, model.Latest, model.Production))
	}
	if len(names) == 0 {
		return "the registry " + m.cfg.Registry.String() + " has no models: train one with go run ./examples/trainer"
	}
	return "the registry " + m.cfg.Registry.String() + " has " + strings.Join(names, ", ") + "; 0 means none"
}

func (m *models) close() error {
	if m.registry == nil {
		return nil
	}
	return m.registry.Close()
}

// poolOptions name the models: those on disk are always there, those in the registry as long as they resolve.
func (m *models) poolOptions() serve.PoolOptions {
	o := serve.PoolOptions{ListTTL: m.cfg.ModelsTTL, MaxModels: m.cfg.MaxModels, MaxBytes: int64(m.cfg.MaxModelBytes), Logger: m.log}
	for _, model := range m.cfg.Models {
		if _, ok := m.refs[model.ID()]; ok {
			o.Local = append(o.Local, serve.Entry{ID: model.ID()})
		}
	}
	if m.registry != nil {
		o.List = m.list
	}
	return o
}

// list is the registry's part of the models.
func (m *models) list(ctx context.Context) ([]serve.Entry, error) {
	var out []serve.Entry
	for _, model := range m.cfg.Models {
		uri, ok := m.uris[model.ID()]
		if !ok {
			continue
		}
		v, err := m.registry.Resolve(ctx, uri)
		if errors.Is(err, registry.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, serve.Entry{ID: model.ID(), Created: v.Created, BaseModel: v.Tags["base_model"], Ready: v.Status == registry.Ready})
	}
	return out, nil
}

// load is what the pool calls for a model that is not in memory.
func (m *models) load(ctx context.Context, id string) (serve.Model, error) {
	ref := m.refs[id]
	uri, registered := m.uris[id]
	var v registry.Version
	if registered {
		var err error
		if v, err = m.registry.Resolve(ctx, uri); err != nil {
			return nil, err
		}
		dir := m.folder(uri, v)
		if err := m.registry.Download(ctx, v, dir); err != nil {
			return nil, err
		}
		m.log.Info("version downloaded", "model", id, "version", v.Number, "folder", dir)
		ref = "dir:" + dir
	}
	precision := m.cfg.Precision
	if precision == "auto" {
		precision = ""
	}
	m.mu.Lock()
	like := m.latest[id]
	m.mu.Unlock()
	e, err := engine.Load(ctx, ref, engine.Options{
		Backend: m.device.Backend, Precision: precision, Warm: m.cfg.Warm, Like: like,
		Slots: m.cfg.Slots, MaxContext: m.cfg.MaxContext, MaxQueue: m.cfg.QueueDepth, QueueTimeout: m.cfg.QueueTimeout,
		CacheDir: m.cfg.Hub.Cache, Token: m.cfg.Hub.Token.Reveal(), Offline: m.cfg.Hub.Offline,
		Logger: m.log,
	})
	if err != nil {
		return nil, err // not the nil *Engine, which would be a Model
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.latest[id] = e
	if registered {
		m.loaded[id] = v
	}
	return e, nil
}

// folder is where a version is kept: by name and number, or by run, or logged model, and path for a runs: reference.
func (m *models) folder(uri registry.URI, v registry.Version) string {
	if v.Number == 0 {
		return filepath.Join(m.cfg.CacheDir, "runs", cmp.Or(v.ModelID, v.RunID), filepath.FromSlash(v.Path))
	}
	return filepath.Join(m.cfg.CacheDir, v.Name, strconv.Itoa(v.Number), filepath.FromSlash(uri.Path))
}

// warm loads as many models as fit, so that the first request does not wait and a wrong model is found at once.
func (m *models) warm(ctx context.Context, pool *serve.Pool) error {
	for i, model := range m.cfg.Models {
		if i == m.cfg.MaxModels {
			break
		}
		_, release, err := pool.Acquire(ctx, model.ID())
		if err != nil {
			return fmt.Errorf("model %s (%s): %w", model.ID(), model.Ref, err)
		}
		release()
	}
	return nil
}

// follow watches the registry, and replaces a model when its reference means another version than before. Requests
// that run finish on the old one.
func (m *models) follow(ctx context.Context, pool *serve.Pool) {
	if m.registry == nil {
		return
	}
	for tick := time.NewTicker(m.cfg.ModelsTTL); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
		for id, uri := range m.uris {
			if err := m.refresh(ctx, pool, id, uri); err != nil && ctx.Err() == nil {
				m.log.Warn("model not refreshed", "model", id, "error", err)
			}
		}
	}
}

func (m *models) refresh(ctx context.Context, pool *serve.Pool, id string, uri registry.URI) error {
	limited, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	v, err := m.registry.Resolve(limited, uri)
	if err != nil {
		return err
	}
	m.mu.Lock()
	old, ok := m.loaded[id]
	failed, again := m.failed[id]
	same := old.Number == v.Number && old.RunID == v.RunID && old.ModelID == v.ModelID
	if same { // also after a promotion back to it
		delete(m.failed, id)
	}
	m.mu.Unlock()
	if !ok || same || v.Status != registry.Ready || again && failed.version == v.Number && time.Now().Before(failed.next) {
		return nil
	}
	m.log.Info("new version", "model", id, "from", old.Number, "to", v.Number)
	err = pool.Reload(ctx, id)
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
	if m.loaded[id].Number == old.Number { // it had been unloaded meanwhile: the next request loads the new one
		delete(m.loaded, id)
	}
	return m.forget(uri, old)
}

// degradations are the models that should have been replaced and could not be.
func (m *models) degradations() []serve.Degradation {
	m.mu.Lock()
	defer m.mu.Unlock()
	var wrong []serve.Degradation
	for _, id := range slices.Sorted(maps.Keys(m.failed)) {
		f := m.failed[id]
		wrong = append(wrong, serve.Degradation{
			Code: "model_update_failed", Component: "model", Since: f.since.Unix(),
			Message: fmt.Sprintf("version %d of the model %s could not be loaded; version %d is served", f.version, id, m.loaded[id].Number),
		})
	}
	return wrong
}

// forget removes the files of a version from the cache that was replaced, unless another model uses them. The registry
// has them still. m.mu is held.
func (m *models) forget(uri registry.URI, v registry.Version) error {
	for _, other := range m.loaded {
		if other.Name == v.Name && other.Number == v.Number {
			return nil
		}
	}
	return os.RemoveAll(m.folder(uri, v))
}
