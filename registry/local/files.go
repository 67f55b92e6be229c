package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/docent-ml/docent/internal/atomicfile"
	"github.com/docent-ml/docent/registry"
)

func (s *store) writeJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return s.replace(name, append(data, '\n'))
}

// replace writes a file beside its place and renames it there. It is called under the lock, so the temporary name can
// be a fixed one, and one left by a crash is overwritten by the next attempt.
func (s *store) replace(name string, data []byte) (err error) {
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
	return atomicfile.SyncDir(s.root.Open, dir)
}

// mkdir makes a directory and its parents durable.
func (s *store) mkdir(dir string) error {
	if _, err := s.root.Stat(dir); err == nil {
		return nil
	}
	if err := s.root.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for d := dir; d != "."; {
		d = path.Dir(d)
		if err := atomicfile.SyncDir(s.root.Open, d); err != nil {
			return err
		}
	}
	return nil
}

// names are what is in a directory; nothing where there is none.
func (s *store) names(dir string) (names []string, err error) {
	entries, err := fs.ReadDir(s.root.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// folder finds the directory of an experiment or model. It compares names itself: many file systems would take one
// that differs in case, or in the form of its accents, for the same.
func (s *store) folder(parent, name string) (string, error) {
	names, err := s.names(parent)
	if err != nil {
		return "", err
	}
	if slices.Contains(names, name) {
		return path.Join(parent, name), nil
	}
	if _, err := s.root.Stat(formatFile); errors.Is(err, fs.ErrNotExist) { // its disk is not mounted any more
		return "", &registry.Error{Err: fmt.Errorf("%w: %s has gone", registry.ErrUnavailable, formatFile), Hint: "mount it again, or restore it from a backup"}
	}
	return "", fmt.Errorf("%w: no such name among the %s", registry.ErrNotFound, parent)
}

// newFolder is where a name goes, whether it is there or not. Names that a copy of the store could not keep apart on
// another system are refused on all.
func (s *store) newFolder(parent, name string) (string, error) {
	names, err := s.names(parent)
	if err != nil {
		return "", err
	}
	for _, other := range names {
		if other != name && strings.EqualFold(other, name) {
			return "", &registry.Error{Name: name, Err: fmt.Errorf("%w as %q, and names that differ in case only cannot be kept apart everywhere",
				registry.ErrExists, other), Hint: "use that name or choose another"}
		}
	}
	return path.Join(parent, name), nil
}
