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
	uris   map[string]registry.URI // by id: the models in the registry
	refs   map[string]string       // by id: the models elsewhere, in the grammar of engine.Load

	loader *engine.Loader

	mu       sync.Mutex
	registry program.Registry            // nil until it is there
	asked    map[string]chan struct{}    // by id: closed when the registry has been asked once; the map never changes
	known    map[string]registry.Version // by id: what the reference meant last; none while nothing is there
	missing  map[string]missing          // by id: why nothing is there
	away     time.Time                   // since when the registry does not answer; zero while it does
	loaded   map[string]registry.Version // by id: what was loaded last
	served   map[string]bool             // by id: has been loaded
	failed   map[string]failedUpdate     // by id: the version that should be served and cannot be
	attached map[string]attached         // by id: adapters that came while the server runs
}

// missing is a model of which there is no version.
type missing struct {
	why   string
	since time.Time
}

// failedUpdate is a new version that could not be loaded while the one before goes on.
type failedUpdate struct {
	version int
	since   time.Time
	next    time.Time // no new attempt before
}

// newModels reads the references and fails on those that can never work.
func newModels(ctx context.Context, cfg config.Server, device *backend.Device, log *slog.Logger) (*models, error) {
	m := &models{cfg: cfg, device: device, log: log, uris: map[string]registry.URI{}, refs: map[string]string{},
		asked: map[string]chan struct{}{}, known: map[string]registry.Version{}, missing: map[string]missing{},
		loaded: map[string]registry.Version{}, served: map[string]bool{}, failed: map[string]failedUpdate{}, attached: map[string]attached{}}
	m.loader = engine.NewLoader(engine.Options{
		Backend: device.Backend, Precision: backend.Precision(cfg.Precision), Warm: cfg.Warm, Merge: cfg.Merge,
		Slots: cfg.Slots, MaxContext: cfg.MaxContext, HalfCache: cfg.HalfCache, MaxQueue: cfg.QueueDepth, QueueTimeout: cfg.QueueTimeout,
		Hub: backend.Hub(cfg.Hub), Logger: log,
	})
	for _, model := range cfg.Models {
		if !strings.HasPrefix(model.Ref, "models:") && !strings.HasPrefix(model.Ref, "runs:") {
			m.refs[model.ID()] = model.Ref
			continue
		}
		uri, err := registry.ParseURI(model.Ref)
		if err != nil {
			return nil, fmt.Errorf("-model %s: %w", model.Ref, err)
		}
		m.uris[model.ID()], m.asked[model.ID()] = uri, make(chan struct{})
	}
	if len(m.uris) == 0 {
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
	for i, model := range m.cfg.Models {
		e := serve.Entry{ID: model.ID(), Pending: !m.served[model.ID()] && i < m.cfg.MaxModels}
		if _, registered := m.uris[e.ID]; registered {
			v, ok := m.known[e.ID]
			if !ok && closed(m.asked[e.ID]) {
				continue
			}
			e.Created, e.BaseModel, e.Ready = v.Created, v.Tags["base_model"], v.Status == registry.Ready
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
	uri, registered := m.uris[id]
	if registered { // a server that has just been started does not know yet
		select {
		case <-m.asked[id]:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	m.mu.Lock()
	v, found := m.known[id]
	m.mu.Unlock()
	if registered && !found || !registered && m.refs[id] == "" { // or an adapter that has just gone
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
			return open(m.refs[id])
		}
		dir, err := m.fetch(ctx, uri, v)
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
		m.tell(ctx, v, e.Info().Fingerprint)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.served[id] = true
	if registered {
		m.loaded[id] = v
	}
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
	if !m.away.IsZero() && len(m.known) > 0 {
		wrong = append(wrong, serve.Degradation{
			Code: "registry_stale", Component: "registry", Since: m.away.Unix(), Message: "the registry does not answer; what it said last stands",
		})
	}
	for _, id := range slices.Sorted(maps.Keys(m.missing)) {
		wrong = append(wrong, serve.Degradation{
			Code: "model_missing", Component: "model", Since: m.missing[id].since.Unix(), Message: fmt.Sprintf("the registry has no version of the model %s to serve yet", id),
		})
	}
	for _, id := range slices.Sorted(maps.Keys(m.failed)) {
		f := m.failed[id]
		wrong = append(wrong, serve.Degradation{
			Code: "model_update_failed", Component: "model", Since: f.since.Unix(),
			Message: fmt.Sprintf("version %d of the model %s could not be loaded; version %d is served", f.version, id, m.loaded[id].Number),
		})
	}
	return wrong
}
