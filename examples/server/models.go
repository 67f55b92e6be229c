package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
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

// models is where registry and engine meet: it knows what to serve, downloads versions, and notices new ones. Only follow
// waits for the registry; what requests ask for is what follow has found.
type models struct {
	cfg    config.Server
	device *backend.Device
	log    *slog.Logger
	loader *engine.Loader
	named  []*named // in the order of the settings, of which the first MaxModels are loaded before anybody asks

	mu       sync.Mutex
	registry program.Registry    // nil until it is there
	away     time.Time           // since when the registry does not answer; zero while it does
	attached map[string]attached // by id: adapters that came while the server runs
}

// named is a model that the settings name.
type named struct {
	id    string
	ref   string        // in the grammar of engine.Load, unless it is in the registry
	uri   registry.URI  // in the registry
	asked chan struct{} // closed when the registry has been asked once; nil of a model elsewhere
	first bool          // among those that are loaded before anybody asks

	// Under the lock of models:
	known   *registry.Version // what the reference meant last; nil while nothing is there
	why     string            // nothing is there
	missing time.Time         // since when
	loaded  *registry.Version // what was loaded last
	served  bool              // has been loaded
	failed  *failedUpdate     // the version that should be served and cannot be
}

func (n *named) registered() bool { return n.asked != nil }

// find is the model of a name; nil if the settings have none.
func (m *models) find(id string) *named {
	for _, n := range m.named {
		if n.id == id {
			return n
		}
	}
	return nil
}

// failedUpdate is a new version that could not be loaded while the one before goes on.
type failedUpdate struct {
	version int
	since   time.Time
	next    time.Time // no new attempt before
}

// newModels reads the references and fails on those that can never work.
func newModels(ctx context.Context, cfg config.Server, device *backend.Device, log *slog.Logger) (*models, error) {
	m := &models{cfg: cfg, device: device, log: log, attached: map[string]attached{}}
	m.loader = engine.NewLoader(engine.Options{
		Backend: device.Backend, Precision: backend.Precision(cfg.Precision), Warm: cfg.Warm, Merge: cfg.Merge,
		Slots: cfg.Slots, MaxContext: cfg.MaxContext, HalfCache: cfg.HalfCache, MaxQueue: cfg.QueueDepth, QueueTimeout: cfg.QueueTimeout,
		Hub: backend.Hub(cfg.Hub), Logger: log,
	})
	needed := false
	for i, model := range cfg.Models {
		n := &named{id: model.ID(), ref: model.Ref, first: i < cfg.MaxModels}
		if strings.HasPrefix(model.Ref, "models:") || strings.HasPrefix(model.Ref, "runs:") {
			var err error
			if n.uri, err = registry.ParseURI(model.Ref); err != nil {
				return nil, fmt.Errorf("-model %s: %w", model.Ref, err)
			}
			n.asked, needed = make(chan struct{}), true
		}
		m.named = append(m.named, n)
	}
	if !needed {
		return m, nil
	}
	if _, err := m.open(ctx); err != nil && !errors.Is(err, registry.ErrNotFound) { // a folder may come yet
		return nil, err
	}
	return m, nil
}

// open opens the registry once it is there. A server is not asked whether it answers.
func (m *models) open(ctx context.Context) (program.Registry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.registry != nil {
		return m.registry, nil
	}
	reg, err := program.OpenRegistry(ctx, m.cfg.Common, program.RegistryOptions{MustExist: true, Unasked: true, Logger: m.log})
	if err == nil {
		m.registry = reg
	}
	return reg, err
}

func (m *models) close() error {
	if m.registry == nil {
		return nil
	}
	return m.registry.Close()
}

const listTTL = time.Millisecond

// poolOptions: the list changes with what follow finds, and costs nothing to make.
func (m *models) poolOptions() serve.PoolOptions {
	return serve.PoolOptions{List: m.list, ListTTL: listTTL, MaxModels: m.cfg.MaxModels, MaxBytes: int64(m.cfg.MaxModelBytes), Logger: m.log}
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// list are the models that there are: those on disk always, those in the registry as long as there is a version, or nobody
// knows yet.
func (m *models) list(context.Context) ([]serve.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []serve.Entry
	for _, n := range m.named {
		e := serve.Entry{ID: n.id, Pending: !n.served && n.first}
		switch {
		case n.known != nil:
			e.Created, e.BaseModel, e.Ready = n.known.Created, n.known.Tags["base_model"], n.known.Status == registry.Ready
		case n.registered() && closed(n.asked):
			continue
		}
		out = append(out, e)
	}
	for _, id := range slices.Sorted(maps.Keys(m.attached)) {
		out = append(out, serve.Entry{ID: id, Created: m.attached[id].at, BaseModel: m.attached[id].base, Ready: true})
	}
	if len(out) == 0 && !m.away.IsZero() {
		return nil, fmt.Errorf("the registry %s does not answer, and no version of it is in %s", m.cfg.Registry, m.cfg.CacheDir)
	}
	return out, nil
}

// load is what the pool calls for a model that is not in memory.
func (m *models) load(ctx context.Context, id string) (serve.Model, error) {
	m.mu.Lock()
	top, onTop := m.attached[id]
	m.mu.Unlock()
	if onTop {
		id = top.base
	}
	n := m.find(id)
	if n == nil { // an adapter that has just gone
		return nil, serve.ErrModelNotFound
	}
	registered := n.registered()
	if registered { // a server that has just been started does not know yet
		select {
		case <-n.asked:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	m.mu.Lock()
	v := n.known
	m.mu.Unlock()
	if registered && v == nil {
		return nil, serve.ErrModelNotFound
	}
	open := func(ref string) (*engine.Engine, error) {
		if onTop {
			return m.loadOnTop(ctx, ref, top)
		}
		return m.loader.Load(ctx, ref)
	}
	get := func() (*engine.Engine, error) {
		if !registered {
			return open(n.ref)
		}
		dir, err := m.fetch(ctx, n.uri, *v)
		if err != nil {
			return nil, err
		}
		return open("dir:" + dir)
	}
	e, err := get()
	if registered && errors.Is(err, fs.ErrNotExist) { // another server had done with it and removed it from the cache that they share
		e, err = get()
	}
	if err != nil {
		return nil, err // not the nil *Engine, which would be a Model
	}
	if onTop {
		return e, nil
	}
	if registered {
		m.tell(ctx, *v, e.Info().Fingerprint)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n.served, n.loaded = true, v
	return e, nil
}

// tell notes in the registry that answers with a fingerprint are of this version, for whoever asks whence one came, and reads
// the history, which so keeps a move that somebody made on MLflow's pages. A registry that does not answer, or lets this
// server only read, is told when it is loaded again.
func (m *models) tell(ctx context.Context, v registry.Version, fingerprint string) {
	m.mu.Lock()
	reg, away := m.registry, !m.away.IsZero()
	m.mu.Unlock()
	if reg == nil || away || v.Number == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	for _, err := range reg.History(ctx, v.Name) {
		if err != nil {
			m.log.Debug("the registry does not tell its history", "model", v.Name, "error", err)
		}
		break
	}
	known := strings.Fields(v.Tags[program.FingerprintTag])
	if slices.Contains(known, fingerprint) {
		return
	}
	tags := map[string]string{program.FingerprintTag: strings.Join(append(known, fingerprint), " ")}
	if err := reg.TagVersion(ctx, v.Name, v.Number, tags); err != nil {
		m.log.Debug("the registry does not learn the fingerprint", "model", v.Name, "version", v.Number, "error", err)
	}
}

// folder is where a version is kept: by name, number and run, or by run, or logged model, and path for a runs: reference.
func (m *models) folder(uri registry.URI, v registry.Version) string {
	cache := program.CachedVersions(m.cfg.CacheDir, m.cfg.Registry)
	if v.Number == 0 {
		return filepath.Join(cache, "runs", cmp.Or(v.ModelID, v.RunID), filepath.FromSlash(v.Path))
	}
	return filepath.Join(cache, program.CachedVersion(v), filepath.FromSlash(uri.Path))
}

// degradations are what /health should tell beside what the pool knows.
func (m *models) degradations() []serve.Degradation {
	m.mu.Lock()
	defer m.mu.Unlock()
	var wrong []serve.Degradation
	if !m.away.IsZero() && slices.ContainsFunc(m.named, func(n *named) bool { return n.known != nil }) {
		wrong = append(wrong, serve.Degradation{
			Code: "registry_stale", Component: "registry", Since: m.away.Unix(), Message: "the registry does not answer; what it said last stands",
		})
	}
	for _, n := range m.named {
		if n.why != "" {
			wrong = append(wrong, serve.Degradation{
				Code: "model_missing", Component: "model", Since: n.missing.Unix(), Message: fmt.Sprintf("the registry has no version of the model %s to serve yet", n.id),
			})
		}
		if n.failed != nil {
			wrong = append(wrong, serve.Degradation{
				Code: "model_update_failed", Component: "model", Since: n.failed.since.Unix(),
				Message: fmt.Sprintf("version %d of the model %s could not be loaded; version %d is served", n.failed.version, n.id, n.loaded.Number),
			})
		}
	}
	return wrong
}
