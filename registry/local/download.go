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

// Files implements registry.Models.
func (s *Store) Files(ctx context.Context, v registry.Version) ([]registry.File, error) {
	_, files, err := s.versionFiles(ctx, v)
	return files, impl.Wrap("list files of", impl.VersionRef(v), err)
}

// Download implements registry.Models. A download that broke off leaves ".<name>.partial" beside dir for the next one
// to go on from.
func (s *Store) Download(ctx context.Context, v registry.Version, dir string) error {
	base, files, err := s.versionFiles(ctx, v)
	if err == nil {
		err = artifact.Fetch(ctx, files, dir, 1, func(_ context.Context, name string, offset int64) (io.ReadCloser, error) {
			return s.openArtifact(base, name, offset)
		})
	}
	return impl.Wrap("download", impl.VersionRef(v), err)
}

// versionFiles lists what v means: paths as Download writes them, relative to the directory base of the store.
func (s *Store) versionFiles(ctx context.Context, v registry.Version) (base string, files []registry.File, err error) {
	if v.Number == 0 {
		r, within, files, err := s.runFiles(ctx, registry.Source{RunID: v.RunID, Path: v.Path})
		if err != nil {
			return "", nil, err
		}
		return r.artifacts(within), files, nil
	}
	stored, err := s.get(ctx, v.Name, v.Number)
	if err != nil {
		return "", nil, err
	}
	if err := impl.Usable(stored.Status, stored.Message); err != nil {
		return "", nil, err
	}
	manifest, err := s.readManifest(s.versionManifest(v.Name, v.Number))
	if err != nil {
		return "", nil, lost(err)
	}
	r, err := s.findRun(ctx, stored.RunID)
	if err != nil {
		return "", nil, lost(err)
	}
	within, files := artifact.Select(manifest, cmp.Or(v.Path, stored.Path))
	if len(files) == 0 {
		return "", nil, &registry.Error{Path: v.Path, Err: fmt.Errorf("%w: the version has no such file", registry.ErrNotFound),
			Hint: "leave Path empty for all of it"}
	}
	return r.artifacts(within), files, nil
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
func (s *Store) runFiles(ctx context.Context, src registry.Source) (r *run, within string, files []registry.File, err error) {
	if err := (registry.URI{RunID: src.RunID, Path: src.Path}).Validate(); err != nil {
		return nil, "", nil, err
	}
	if r, err = s.findRun(ctx, src.RunID); err != nil {
		return nil, "", nil, err
	}
	all, err := s.readManifest(r.file(manifestFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil, err
	}
	within, files = artifact.Select(all, src.Path)
	if len(files) == 0 {
		return nil, "", nil, &registry.Error{Path: src.Path, Err: fmt.Errorf("%w: run %s has no such artifact", registry.ErrNotFound, src.RunID),
			Hint: "log artifacts first"}
	}
	return r, within, files, nil
}

// Verify implements registry.Models.
func (s *Store) Verify(ctx context.Context, v registry.Version) error {
	return impl.Wrap("verify", impl.VersionRef(v), s.verify(ctx, v))
}

func (s *Store) verify(ctx context.Context, v registry.Version) error {
	base, files, err := s.versionFiles(ctx, v)
	if err != nil {
		return err
	}
	return artifact.VerifyAll(ctx, files, 1, func(ctx context.Context, f registry.File) error { return s.verifyFile(ctx, base, f) })
}

func (s *Store) verifyFile(ctx context.Context, base string, f registry.File) error {
	r, err := s.openArtifact(base, f.Path, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	return artifact.Verify(ctx, f, r)
}

// openArtifact opens a stored file. One that the manifest names and the disk does not have is damage.
func (s *Store) openArtifact(base, name string, offset int64) (io.ReadCloser, error) {
	f, err := s.root.Open(path.Join(base, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &registry.Error{Path: name, Err: fmt.Errorf("%w: the stored file is missing", registry.ErrCorrupt),
			Hint: "restore " + path.Join(base, name) + ", or log the artifacts again and register a new version"}
	} else if err != nil {
		return nil, &registry.Error{Path: name, Err: err}
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, errors.Join(&registry.Error{Path: name, Err: err}, f.Close())
	}
	return f, nil
}
