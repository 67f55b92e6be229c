package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/artifact"
)

func (s *Store) writeJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return s.replace(name, append(data, '\n'))
}

// replace writes a file beside its place and renames it there. It is called under the lock, so the temporary name can
// be a fixed one, and one left by a crash is overwritten by the next attempt.
func (s *Store) replace(name string, data []byte) (err error) {
	dir, base := path.Dir(name), path.Base(name)
	if err := s.mkdir(dir); err != nil {
		return err
	}
	tmp := path.Join(dir, "."+base+".tmp")
	f, err := s.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, s.root.Remove(tmp))
	}
	if err := s.root.Rename(tmp, name); err != nil {
		return errors.Join(err, s.root.Remove(tmp))
	}
	return artifact.SyncDir(s.root, dir)
}

// mkdir makes a directory and its parents durable.
func (s *Store) mkdir(dir string) error {
	if _, err := s.root.Stat(dir); err == nil {
		return nil
	}
	if err := s.root.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for d := dir; d != "."; {
		d = path.Dir(d)
		if err := artifact.SyncDir(s.root, d); err != nil {
			return err
		}
	}
	return nil
}

// folder finds the directory of an experiment or model. It compares names itself: many file systems would take one
// that differs in case, or in the form of its accents, for the same.
func (s *Store) folder(parent, name string) (string, error) {
	entries, err := fs.ReadDir(s.root.FS(), parent)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, e := range entries {
		if e.Name() == name {
			return path.Join(parent, name), nil
		}
	}
	if _, err := s.root.Stat(formatFile); errors.Is(err, fs.ErrNotExist) { // its disk is not mounted any more
		return "", &registry.Error{Err: fmt.Errorf("%w: %s has gone", registry.ErrUnavailable, formatFile), Hint: "mount it again, or restore it from a backup"}
	}
	return "", fmt.Errorf("%w: no such name among the %s", registry.ErrNotFound, parent)
}

// newFolder is where a name goes, whether it is there or not. Names that a copy of the store could not keep apart on
// another system are refused on all.
func (s *Store) newFolder(parent, name string) (string, error) {
	entries, err := fs.ReadDir(s.root.FS(), parent)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, e := range entries {
		if e.Name() != name && strings.EqualFold(e.Name(), name) {
			return "", &registry.Error{Name: name, Err: fmt.Errorf("%w as %q, and names that differ in case only cannot be kept apart everywhere",
				registry.ErrExists, e.Name()), Hint: "use that name or choose another"}
		}
	}
	return path.Join(parent, name), nil
}
