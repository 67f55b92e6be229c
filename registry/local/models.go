package local

import (
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"path"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/artifact"
	"github.com/docent-ml/docent/registry/internal/impl"
)

// Register reads the artifacts once more, so that a version is ready from the start
// and known to be what was logged.
func (s *store) Register(ctx context.Context, name string, src registry.Source, tags map[string]string) (v registry.Version, err error) {
	r, within, files, err := s.runFiles(src)
	if err != nil {
		return v, err
	}
	err = artifact.VerifyAll(ctx, files, 1, func(_ context.Context, name string, offset int64) (io.ReadCloser, error) {
		return s.openArtifact(r.artifacts(within), name, offset)
	})
	if err != nil {
		return v, err
	}
	for i, f := range files {
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
	return v, err
}

func (s *store) List(_ context.Context, name string) iter.Seq2[registry.Version, error] {
	return func(yield func(registry.Version, error) bool) {
		m, err := s.readModel(name)
		if err != nil {
			yield(registry.Version{}, err)
			return
		}
		for n := len(m.Versions); n > 0; n-- {
			if !m.Versions[n-1].Deleted && !yield(m.export(n), nil) {
				return
			}
		}
	}
}

func (s *store) ListModels(ctx context.Context) iter.Seq2[registry.Model, error] {
	return func(yield func(registry.Model, error) bool) {
		names, err := s.names("models")
		if err != nil {
			yield(registry.Model{}, err)
			return
		}
		for _, name := range names {
			if registry.CheckName(name) != nil {
				continue // not made by Register
			}
			out := registry.Model{}
			m, err := s.readModelFile(name)
			if errors.Is(err, registry.ErrNotFound) { // a crash came between the directory and the file
				continue
			} else if err == nil {
				out = registry.Model{Name: m.Name, Created: m.Created, Latest: m.latest(), Production: m.holder(registry.Production)}
			}
			if !yield(out, impl.Wrap("list model", name, cmp.Or(context.Cause(ctx), err))) {
				return
			}
		}
	}
}

func (s *store) Promote(ctx context.Context, name string, version int, o registry.PromoteOptions) (archived []registry.Version, err error) {
	err = s.changeModel(ctx, name, func(m *modelFile) error {
		return m.remember(o, s.stamp(), func() (err error) {
			archived, err = m.promote(version, o.Stage, o.KeepPrevious)
			return err
		})
	})
	return archived, err
}

func (m *modelFile) promote(n int, stage registry.Stage, keepPrevious bool) (archived []registry.Version, err error) {
	if _, err := m.version(n); err != nil {
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

func (s *store) Promotions(_ context.Context, name string) ([]registry.Promotion, error) {
	m, err := s.readModel(name)
	if err != nil {
		return nil, err
	}
	return m.history(s.stamp()), nil
}

func (s *store) TagVersion(ctx context.Context, name string, version int, tags map[string]string) error {
	return s.changeModel(ctx, name, func(m *modelFile) error {
		v, err := m.version(version)
		if err == nil {
			v.Tags = merged(v.Tags, tags)
		}
		return err
	})
}

func (s *store) DeleteVersion(ctx context.Context, name string, version int) error {
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
	return err
}

func (s *store) DeleteRun(ctx context.Context, id string) error {
	r, err := s.findRun(id)
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
		models, err := s.names("models")
		if err != nil {
			return err
		}
		for _, name := range models {
			m, err := s.readModelFile(name)
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

func (s *store) SetAlias(ctx context.Context, name, alias string, version int) error {
	return s.changeModel(ctx, name, func(m *modelFile) error {
		if m.Aliases == nil {
			m.Aliases = make(map[string]int)
		}
		m.Aliases[alias] = version
		_, err := m.version(version)
		return err
	})
}

func (s *store) changeModel(ctx context.Context, name string, change func(m *modelFile) error) error {
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

func (s *store) Find(_ context.Context, u registry.URI) (v registry.Version, err error) {
	m, err := s.readModel(u.Name)
	if err != nil {
		return v, err
	}
	n := u.Version
	if n == 0 {
		_, n, err = impl.Find(u, m.holder, m.Aliases, m.latest())
	} else {
		_, err = m.version(n)
	}
	if err != nil {
		return v, err
	}
	return m.export(n), nil
}
