package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"path"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/artifact"
	"github.com/docent-ml/docent/registry/internal/impl"
)

// Register implements registry.Models. It reads the artifacts once more, so that a version is ready from the start
// and known to be what was logged.
func (s *Store) Register(ctx context.Context, name string, src registry.Source, tags map[string]string) (v registry.Version, err error) {
	defer impl.Told(&err, "register", name)
	if err := cmp.Or(registry.CheckName(name), registry.CheckPairs(tags)); err != nil {
		return v, err
	}
	if src.ModelID != "" {
		return v, noLoggedModel(src.ModelID)
	}
	r, within, files, err := s.runFiles(ctx, src)
	if err != nil {
		return v, err
	}
	for i, f := range files {
		if err := s.verifyFile(ctx, r.artifacts(within), f); err != nil {
			return v, err
		}
		files[i].Path = path.Join(within, f.Path) // the version's manifest is a part of the run's
	}
	err = s.locked(ctx, func() error {
		if _, err := s.newFolder("models", name); err != nil {
			return err
		}
		m, err := s.readModel(name)
		if errors.Is(err, registry.ErrNotFound) {
			m, err = &modelFile{Name: name, Created: s.stamp()}, nil
		}
		if err != nil {
			return err
		}
		n, created := len(m.Versions)+1, later(s.stamp(), m.Created)
		if n > 1 {
			created = later(created, m.Versions[n-2].Created)
		}
		m.Versions = append(m.Versions, versionFile{Number: n, Run: src.RunID, Path: src.Path, Stage: registry.None,
			Status: registry.Ready, Created: created, Tags: maps.Clone(tags)})
		if err := s.writeManifest(s.versionManifest(name, n), files); err != nil {
			return err
		}
		v = m.export(n)
		return s.writeJSON(s.modelPath(name), m)
	})
	if err != nil {
		return registry.Version{}, err
	}
	return v, nil
}

// Get implements registry.Models.
func (s *Store) Get(ctx context.Context, name string, version int) (registry.Version, error) {
	v, err := s.get(ctx, name, version)
	return v, impl.Wrap("get", impl.Ref(name, version), err)
}

func (s *Store) get(ctx context.Context, name string, version int) (registry.Version, error) {
	if err := context.Cause(ctx); err != nil {
		return registry.Version{}, err
	}
	m, err := s.readModel(name)
	if err != nil {
		return registry.Version{}, err
	}
	if _, err := m.version(version); err != nil {
		return registry.Version{}, err
	}
	return m.export(version), nil
}

// List implements registry.Models.
func (s *Store) List(ctx context.Context, name string) iter.Seq2[registry.Version, error] {
	return func(yield func(registry.Version, error) bool) {
		err := context.Cause(ctx)
		var m *modelFile
		if err == nil {
			m, err = s.readModel(name)
		}
		if err != nil {
			yield(registry.Version{}, impl.Wrap("list", name, err))
			return
		}
		for n := len(m.Versions); n > 0; n-- {
			if !m.Versions[n-1].Deleted && !yield(m.export(n), nil) {
				return
			}
		}
	}
}

// ListModels implements registry.Models.
func (s *Store) ListModels(ctx context.Context) iter.Seq2[registry.Model, error] {
	return func(yield func(registry.Model, error) bool) {
		entries, err := fs.ReadDir(s.root.FS(), "models")
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err != nil {
			yield(registry.Model{}, impl.Wrap("list models", "", err))
			return
		}
		for _, e := range entries {
			if err := context.Cause(ctx); err != nil {
				yield(registry.Model{}, impl.Wrap("list models", "", err))
				return
			}
			if registry.CheckName(e.Name()) != nil {
				continue // not made by Register
			}
			m, err := s.readModelFile(e.Name())
			switch {
			case errors.Is(err, registry.ErrNotFound): // a crash came between the directory and the file
				continue
			case err != nil:
				if !yield(registry.Model{}, impl.Wrap("list model", e.Name(), err)) || !errors.Is(err, registry.ErrCorrupt) {
					return
				}
			case !yield(registry.Model{Name: m.Name, Created: m.Created, Latest: m.latest(), Production: m.holder(registry.Production)}, nil):
				return
			}
		}
	}
}

// Promote implements registry.Models.
func (s *Store) Promote(ctx context.Context, name string, version int, o registry.PromoteOptions) ([]registry.Version, error) {
	stage, err := impl.CheckPromotion(&o)
	if err == nil {
		_, err = s.get(ctx, name, version)
	}
	if err == nil && impl.Serves(stage) { // not under the lock: it takes its time
		err = s.verify(ctx, registry.Version{Name: name, Number: version})
	}
	var archived []registry.Version
	if err == nil {
		err = s.changeModel(ctx, name, func(m *modelFile) error {
			return m.remember(o, s.stamp(), func() (err error) {
				archived, err = m.promote(version, stage, o.KeepPrevious)
				return err
			})
		})
	}
	if err != nil {
		return nil, impl.Wrap("promote", impl.Ref(name, version), err)
	}
	s.log.Info("promoted", "model", name, "version", version, "stage", stage, "archived", len(archived))
	return archived, nil
}

func (m *modelFile) promote(n int, stage registry.Stage, keepPrevious bool) (archived []registry.Version, err error) {
	v, err := m.version(n)
	if err != nil {
		return nil, err
	}
	if err := impl.Usable(v.Status, v.Message); err != nil {
		return nil, err
	}
	m.move(n, stage)
	if !impl.Serves(stage) {
		return nil, nil // any number of versions may rest there
	}
	if m.Promoted == nil {
		m.Promoted = make(map[registry.Stage]int)
	}
	m.Promoted[stage] = n
	if keepPrevious {
		return nil, nil
	}
	for i := len(m.Versions); i > 0; i-- {
		if i != n && m.Versions[i-1].Stage == stage {
			m.move(i, registry.Archived)
			archived = append(archived, m.export(i))
		}
	}
	return archived, nil
}

// History implements registry.Models.
func (s *Store) History(ctx context.Context, name string) iter.Seq2[registry.Promotion, error] {
	return impl.Backward(name, func() ([]registry.Promotion, error) {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		m, err := s.readModel(name)
		if err != nil {
			return nil, err
		}
		return m.history(s.stamp()), nil
	})
}

// TagVersion implements registry.Models.
func (s *Store) TagVersion(ctx context.Context, name string, version int, tags map[string]string) error {
	err := registry.CheckPairs(tags)
	if err == nil {
		err = s.changeModel(ctx, name, func(m *modelFile) error {
			v, err := m.version(version)
			if err == nil {
				v.Tags = merged(v.Tags, tags)
			}
			return err
		})
	}
	return impl.Wrap("tag", impl.Ref(name, version), err)
}

// DeleteVersion implements registry.Models.
func (s *Store) DeleteVersion(ctx context.Context, name string, version int) error {
	err := s.changeModel(ctx, name, func(m *modelFile) error {
		v, err := m.version(version)
		if err != nil {
			return err
		}
		if err := impl.Deletable(m.export(version), m.history(s.stamp())); err != nil {
			return err
		}
		m.move(version, registry.None)
		v.Deleted = true
		return nil
	})
	if err == nil {
		err = s.root.RemoveAll(path.Dir(s.versionManifest(name, version)))
	}
	return impl.Wrap("delete", impl.Ref(name, version), err)
}

// DeleteRun implements registry.Tracker.
func (s *Store) DeleteRun(ctx context.Context, id string) (err error) {
	defer impl.Told(&err, "delete run", id)
	r, err := s.findRun(ctx, id)
	if err != nil {
		return err
	}
	return s.locked(ctx, func() error {
		f, err := r.read()
		if err != nil {
			return err
		}
		if f.Status == registry.Running {
			return impl.ErrRuns
		}
		models, err := fs.ReadDir(s.root.FS(), "models")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range models {
			m, err := s.readModelFile(e.Name())
			if errors.Is(err, registry.ErrNotFound) {
				continue
			} else if err != nil {
				return err
			}
			for _, v := range m.Versions {
				if v.Run == id && !v.Deleted {
					return impl.UsedRun(m.Name, v.Number)
				}
			}
		}
		if err := s.root.Remove(r.file("run.json")); err != nil { // from now on it is not there
			return err
		}
		return s.root.RemoveAll(r.dir)
	})
}

// SetAlias implements registry.Models.
func (s *Store) SetAlias(ctx context.Context, name, alias string, version int) error {
	err := registry.CheckAlias(alias)
	if err == nil {
		err = s.changeModel(ctx, name, func(m *modelFile) error {
			if _, err := m.version(version); err != nil {
				return err
			}
			if m.Aliases == nil {
				m.Aliases = make(map[string]int)
			}
			m.Aliases[alias] = version
			return nil
		})
	}
	return impl.Wrap("set alias of", impl.Ref(name, version), err)
}

func (s *Store) changeModel(ctx context.Context, name string, change func(m *modelFile) error) error {
	return s.locked(ctx, func() error {
		m, err := s.readModel(name)
		if err != nil {
			return err
		}
		if err := change(m); err != nil {
			return err
		}
		return s.writeJSON(s.modelPath(name), m)
	})
}

// Resolve implements registry.Models.
func (s *Store) Resolve(ctx context.Context, u registry.URI) (v registry.Version, err error) {
	defer impl.Told(&err, "resolve", u.String())
	if err := u.Validate(); err != nil {
		return v, err
	}
	switch {
	case u.ModelID != "":
		return v, noLoggedModel(u.ModelID)
	case u.RunID != "":
		src := registry.Source{RunID: u.RunID, Path: u.Path}
		if _, _, _, err := s.runFiles(ctx, src); err != nil {
			return v, err
		}
		return registry.Version{RunID: u.RunID, Path: u.Path, Stage: registry.None, Status: registry.Ready}, nil
	}
	if err := context.Cause(ctx); err != nil {
		return v, err
	}
	m, err := s.readModel(u.Name)
	if err != nil {
		return v, err
	}
	n, err := m.find(u)
	if err != nil {
		return v, err
	}
	v = m.export(n)
	if u.Path == "" {
		return v, nil
	}
	files, err := s.readManifest(s.versionManifest(u.Name, n))
	if err != nil {
		return v, lost(err)
	}
	v.Path = path.Join(v.Path, u.Path)
	if _, inside := artifact.Select(files, v.Path); len(inside) == 0 {
		return registry.Version{}, fmt.Errorf("%w: version %d has no file %s", registry.ErrNotFound, n, u.Path)
	}
	return v, nil
}

func noLoggedModel(id string) error {
	return &registry.Error{Err: fmt.Errorf("%w: this registry has no logged models, such as %s", registry.ErrNotFound, id),
		Hint: "only MLflow has; a registered model is written models:/name/latest"}
}

// find returns the number of the version that u means.
func (m *modelFile) find(u registry.URI) (int, error) {
	if u.Version != 0 {
		_, err := m.version(u.Version)
		return u.Version, err
	}
	_, n, err := impl.Find(u, m.holder, m.Aliases, m.latest())
	return n, err
}
