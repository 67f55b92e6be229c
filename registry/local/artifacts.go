package local

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/docent-ml/docent/internal/atomicfile"
	"github.com/docent-ml/docent/internal/filelock"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/artifact"
)

const manifestFile = "manifest.json"

func (r *run) artifacts(name string) string { return path.Join(r.dir, "artifacts", name) }

// LogModel is LogArtifacts: a store has no models of a run that are more than their files.
func (r *run) LogModel(ctx context.Context, name string, fsys fs.FS) (registry.Source, error) {
	return registry.Source{RunID: r.id, Path: name}, r.LogArtifacts(ctx, name, fsys)
}

// LogArtifacts copies the files aside while it reads them, which may take minutes, and then moves them into place and
// names them in the manifest under the store's lock. Files that a crash left out of the manifest do not exist for
// readers.
func (r *run) LogArtifacts(ctx context.Context, prefix string, fsys fs.FS) (err error) {
	stage, err := r.newStage(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.remove()) }()
	files, err := stage.copyFrom(ctx, fsys, prefix)
	if err != nil {
		return err
	}
	return r.s.locked(ctx, func() error {
		if _, err := r.running(); err != nil {
			return err
		}
		return r.commit(stage, files)
	})
}

// commit moves staged files into place. A path that is there with the same sum is moved as well, which heals a file
// that was damaged since.
func (r *run) commit(stage *stage, files []registry.File) error {
	have, err := r.s.readManifest(r.file(manifestFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	all, err := artifact.Union(have, files)
	if err != nil {
		return err
	}
	dirs := make(map[string]bool)
	for _, f := range files {
		name := r.artifacts(f.Path)
		if err := r.clear(f.Path); err != nil {
			return err
		}
		if err := r.s.mkdir(path.Dir(name)); err != nil {
			return err
		}
		if err := r.s.root.Rename(path.Join(stage.dir, f.Path), name); err != nil {
			return err
		}
		dirs[path.Dir(name)] = true
	}
	for dir := range dirs {
		if err := atomicfile.SyncDir(r.s.root.Open, dir); err != nil {
			return err
		}
	}
	return r.s.writeManifest(r.file(manifestFile), all)
}

// clear makes room for an artifact where a crash left files that no manifest names: one where a directory is needed,
// or a directory where the file goes.
func (r *run) clear(name string) error {
	for p := name; p != "."; p = path.Dir(p) {
		info, err := r.s.root.Lstat(r.artifacts(p))
		if err == nil && info.IsDir() == (p == name) {
			return r.s.root.RemoveAll(r.artifacts(p))
		}
	}
	return nil
}

func (s *store) readManifest(name string) ([]registry.File, error) {
	data, err := s.root.ReadFile(name)
	if err != nil {
		return nil, err
	}
	files, err := artifact.Decode(data)
	if err != nil {
		return nil, &registry.Error{Path: name, Err: err, Hint: "restore the file from a backup"}
	}
	return files, nil
}

func (s *store) writeManifest(name string, files []registry.File) error {
	data, err := artifact.Encode(files)
	if err != nil {
		return err
	}
	return s.replace(name, data)
}

// stage is a directory in tmp/ whose lock tells that its process is alive.
type stage struct {
	s    *store
	dir  string
	lock *filelock.Lock
}

func (r *run) newStage(ctx context.Context) (*stage, error) {
	st := &stage{s: r.s, dir: path.Join("tmp", randomHex(8))}
	err := r.s.locked(ctx, func() error {
		if _, err := r.running(); err != nil {
			return err
		}
		if err := r.s.mkdir("tmp"); err != nil {
			return err
		}
		if err := r.s.sweep(); err != nil {
			return err
		}
		lock, err := filelock.Acquire(ctx, r.s.lockOf(st.dir))
		if err != nil {
			return err
		}
		if err := r.s.root.Mkdir(st.dir, 0o777); err != nil {
			return errors.Join(err, lock.UnlockAndRemove())
		}
		st.lock = lock
		return nil
	})
	return st, err
}

func (s *store) lockOf(dir string) string {
	return filepath.Join(s.dir, filepath.FromSlash(dir)+".lock")
}

func (st *stage) remove() error {
	return errors.Join(st.s.root.RemoveAll(st.dir), st.lock.UnlockAndRemove())
}

// sweep removes what dead processes left in tmp/. Under the store's lock nobody is between making a stage and locking
// it, so one whose lock is free has no owner.
func (s *store) sweep() error {
	entries, err := fs.ReadDir(s.root.FS(), "tmp")
	if err != nil {
		return err
	}
	for _, e := range entries {
		dir := path.Join("tmp", strings.TrimSuffix(e.Name(), ".lock"))
		lock, err := filelock.Try(s.lockOf(dir))
		if err != nil {
			return err
		}
		if lock == nil {
			continue
		}
		s.log.Info("removing artifacts that a process left unfinished", "dir", dir)
		if err := errors.Join(s.root.RemoveAll(dir), lock.UnlockAndRemove()); err != nil {
			return err
		}
	}
	return nil
}

// copyFrom copies a tree into the stage and lists it.
func (st *stage) copyFrom(ctx context.Context, fsys fs.FS, prefix string) ([]registry.File, error) {
	var files []registry.File
	err := artifact.Walk(ctx, fsys, prefix, func(name, target string, r fs.File) error {
		f, err := st.copyFile(ctx, r, name, target)
		files = append(files, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	return files, artifact.Check(files)
}

func (st *stage) copyFile(ctx context.Context, r io.Reader, name, target string) (_ registry.File, err error) {
	staged := path.Join(st.dir, target)
	if err := st.s.root.MkdirAll(path.Dir(staged), 0o777); err != nil {
		return registry.File{}, err
	}
	w, err := st.s.root.OpenFile(staged, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return registry.File{}, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	size, sum, err := artifact.Copy(ctx, w, r)
	if err != nil {
		return registry.File{}, &registry.Error{Path: name, Err: err}
	}
	return registry.File{Path: target, Size: size, SHA256: sum}, w.Sync()
}
