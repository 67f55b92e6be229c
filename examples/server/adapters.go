package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/docent-ml/docent/serve"
	"github.com/docent-ml/docent/serve/engine"
)

const maxAdapters = 256 // of names; of them MaxModels are in memory

var adapterName = regexp.MustCompile(`^[A-Za-z0-9][\w./:@+-]{0,127}$`)

// attached is an adapter that came while the server ran.
type attached struct {
	path string // below the folder of adapters
	base string // the id of the model that it is on top of
	at   time.Time
}

// adapters loads those that lie in one folder. Links that lead out of it are not followed.
type adapters struct {
	models *models
	pool   *serve.Pool
}

func (a adapters) LoadAdapter(ctx context.Context, name, path string) error {
	m := a.models
	if !adapterName.MatchString(name) {
		return &serve.AdapterError{Field: "lora_name", Reason: "must be letters, digits and ./:@+_- and at most 128 of them"}
	}
	base, err := m.baseOf(path)
	if err != nil {
		return &serve.AdapterError{Field: "lora_path", Reason: err.Error()}
	}
	entries, err := m.list(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	switch {
	case slices.ContainsFunc(entries, func(e serve.Entry) bool { return e.ID == name }):
		err = &serve.AdapterError{Field: "lora_name", Reason: "there is a model of this name"}
	case len(m.attached) >= maxAdapters:
		err = &serve.AdapterError{Field: "lora_name", Reason: fmt.Sprintf("there are %d adapters already: unload one", maxAdapters)}
	default:
		m.attached[name] = attached{path, base, time.Now()}
	}
	m.mu.Unlock()
	if err != nil {
		return err
	}
	a.pool.Refresh(ctx)
	err = a.pool.Unload(ctx, name)
	if err == nil {
		err = warm(ctx, a.pool, name)
	}
	if err != nil {
		err = errors.Join(err, a.UnloadAdapter(context.WithoutCancel(ctx), name))
		if errors.Is(err, serve.ErrBadModel) {
			m.log.Warn("adapter not loaded", "model", name, "path", path, "error", err)
			return &serve.AdapterError{Field: "lora_path", Reason: "is no adapter of the model " + base}
		}
	}
	return err
}

func (a adapters) UnloadAdapter(ctx context.Context, name string) error {
	m := a.models
	m.mu.Lock()
	_, there := m.attached[name]
	delete(m.attached, name)
	m.mu.Unlock()
	if !there {
		return serve.ErrModelNotFound
	}
	return a.pool.Unload(ctx, name)
}

// adapter opens the folder of an adapter.
func (m *models) adapter(path string) (*os.Root, error) {
	root, err := os.OpenRoot(m.cfg.Adapters)
	if err != nil {
		return nil, errors.New("the folder of adapters cannot be read")
	}
	defer root.Close()
	dir, err := root.OpenRoot(path)
	if err != nil {
		return nil, errors.New("must name a folder below that of the adapters")
	}
	return dir, nil
}

// loadOnTop loads an adapter on top of a model that may be loaded already.
func (m *models) loadOnTop(ctx context.Context, ref string, top attached) (*engine.Engine, error) {
	dir, err := m.adapter(top.path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", serve.ErrBadModel, err)
	}
	defer dir.Close()
	return m.loader.Attach(ctx, ref, dir.FS())
}

// baseOf is the id of the model that an adapter belongs to: the one that it names, or the only one.
func (m *models) baseOf(path string) (id string, err error) {
	dir, err := m.adapter(path)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	var config struct {
		Base string `json:"base_model_name_or_path"`
	}
	data, err := dir.ReadFile("adapter_config.json")
	if err != nil || json.Unmarshal(data, &config) != nil {
		return "", errors.New("must have an adapter_config.json")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range m.named {
		names := []string{n.id, strings.TrimPrefix(strings.TrimPrefix(n.ref, "dir:"), "hf:")}
		if n.known != nil {
			names = append(names, n.known.Tags["base_model"])
		}
		if config.Base != "" && slices.Contains(names, config.Base) || len(m.named) == 1 {
			return n.id, nil
		}
	}
	return "", errors.New("is an adapter of another model than those that are served")
}
