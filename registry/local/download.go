package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/artifact"
	"github.com/docent-ml/docent/registry/internal/impl"
)

// Contents lists what v means, at a base below the artifacts of its run.
func (s *store) Contents(ctx context.Context, v registry.Version) (c impl.Contents, err error) {
	var r *run
	var base string
	if v.Number == 0 {
		c.Source = registry.Source{RunID: v.RunID, Path: v.Path, ModelID: v.ModelID}
		r, base, c.Files, err = s.runFiles(c.Source)
	} else {
		r, base, c.Files, err = s.versionFiles(ctx, v)
	}
	c.Open = func(_ context.Context, name string, offset int64) (io.ReadCloser, error) {
		return s.openArtifact(r.artifacts(base), name, offset)
	}
	return c, err
}

func (s *store) versionFiles(ctx context.Context, v registry.Version) (r *run, within string, files []registry.File, err error) {
	stored, err := s.Find(ctx, registry.URI{Name: v.Name, Version: v.Number})
	if err == nil {
		err = impl.Usable(stored.Status, stored.Message)
	}
	if err != nil {
		return nil, "", nil, err
	}
	manifest, err := s.readManifest(s.versionManifest(v.Name, v.Number))
	if err == nil {
		r, err = s.findRun(stored.RunID)
	}
	if err != nil {
		return nil, "", nil, lost(err)
	}
	if within, files = artifact.Select(manifest, cmp.Or(v.Path, stored.Path)); len(files) == 0 {
		err = &registry.Error{Path: v.Path, Err: fmt.Errorf("%w: the version has no such file", registry.ErrNotFound), Hint: "leave Path empty for all of it"}
	}
	return r, within, files, err
}

// lost turns the absence of what a version needs into the damage that it is.
func lost(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &registry.Error{Err: fmt.Errorf("%w: what the version was made from is gone: %w", registry.ErrCorrupt, err),
			Hint: "restore it from a backup"}
	}
	return err
}

// runFiles lists artifacts of a run, with paths relative to within, a directory of its artifacts.
func (s *store) runFiles(src registry.Source) (r *run, within string, files []registry.File, err error) {
	if src.ModelID != "" {
		return nil, "", nil, &registry.Error{Err: fmt.Errorf("%w: this registry has no logged models, such as %s", registry.ErrNotFound, src.ModelID),
			Hint: "only MLflow has; a registered model is written models:/name/latest"}
	}
	if r, err = s.findRun(src.RunID); err != nil {
		return nil, "", nil, err
	}
	all, err := s.readManifest(r.file(manifestFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil, err
	}
	if within, files = artifact.Select(all, src.Path); len(files) == 0 {
		return nil, "", nil, &registry.Error{Path: src.Path, Err: fmt.Errorf("%w: run %s has no such artifact", registry.ErrNotFound, src.RunID), Hint: "log artifacts first"}
	}
	return r, within, files, nil
}

// openArtifact opens a stored file. One that the manifest names and the disk does not have is damage, and so is a folder, a link
// or a pipe in its place, which this store never makes.
func (s *store) openArtifact(base, name string, offset int64) (io.ReadCloser, error) {
	fault := "the stored file is missing"
	info, err := s.root.Lstat(path.Join(base, name))
	if err == nil && !info.Mode().IsRegular() {
		fault, err = "it is no file any more", fs.ErrNotExist
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &registry.Error{Path: name, Err: fmt.Errorf("%w: %s", registry.ErrCorrupt, fault),
			Hint: "restore " + path.Join(base, name) + ", or log the artifacts again and register a new version"}
	}
	f, err := s.root.Open(path.Join(base, name))
	if err != nil {
		return nil, &registry.Error{Path: name, Err: err}
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, errors.Join(&registry.Error{Path: name, Err: err}, f.Close())
	}
	return f, nil
}
