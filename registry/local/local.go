// Package local is the registry in a directory: plain JSON and JSON lines in folders named after what they hold, for
// one machine or a shared disk, without a server.
//
//	reg, err := local.Open("models", local.Options{})
//	if err != nil {
//		return err
//	}
//	defer reg.Close()
//	run, err := reg.StartRun(ctx, "course-guides", "first try", nil)
//
// A [Store] implements [registry.Registry]. What a person finds in the directory:
//
//	registry.json                                the format of the store
//	runs/<experiment>/<run id>/run.json          status, times, parameters, tags, inputs; last metrics once ended
//	                           metrics.jsonl     one line per LogMetrics call
//	                           manifest.json     size and SHA-256 of every artifact
//	                           artifacts/…
//	models/<name>/model.json                     versions with stage, status and tags; aliases
//	              <number>/manifest.json         the files of that version
//	tmp/                                         artifacts being copied in
//
// A version's files are the run's artifacts, which are written once; they are not copied a second time.
//
// Every change is one file replaced by rename, or lines appended, under a lock that the system drops with its
// process. So the store is whole after a crash at any moment, and any number of processes and goroutines may use it
// at once; readers never wait. The lock needs a file system with flock (unix) or share modes (Windows), which some
// network file systems lack.
//
// Logged metrics survive the end of the process at once and that of the machine once the run has ended; everything
// else is flushed to the disk before the call returns. Nothing is deleted but by DeleteVersion and DeleteRun, and a store
// is not a backup.
package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/docent-ml/docent/internal/filelock"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/artifact"
	"github.com/docent-ml/docent/registry/internal/impl"
)

// Options of a Store.
type Options struct {
	MustExist bool             // refuse a directory that holds no registry, instead of making one
	Now       func() time.Time // nil is time.Now
	Logger    *slog.Logger     // nil discards
}

// Store is a registry in a directory.
type Store struct {
	registry.Registry
	s *store
}

type store struct {
	dir  string // absolute; the lock needs a path
	root *os.Root
	turn chan struct{} // one goroutine at a time asks for the lock between processes
	now  func() time.Time
	log  *slog.Logger
	last atomic.Pointer[parsed]
}

const (
	formatFile = "registry.json"
	lockFile   = ".lock"
)

// format is registry.json. A store of a higher format is refused rather than misread.
type format struct {
	About  string `json:"about"`
	Format int    `json:"format"`
}

var current = format{About: "docent model registry (package registry/local)", Format: 1}

// Open opens the registry in dir and makes one if the directory is missing or empty. A directory with other things in
// it is ErrInvalid, a missing one under MustExist is ErrNotFound.
func Open(dir string, o Options) (*Store, error) {
	s, err := open(dir, o)
	if err != nil {
		return nil, &registry.Error{Op: "open registry", Name: dir, Err: err}
	}
	return &Store{impl.New(s, 1, s.log), s}, nil
}

func open(dir string, o Options) (_ *store, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if !o.MustExist {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: no such directory; train a model first, or correct the path", registry.ErrNotFound)
	} else if err != nil {
		return nil, err
	}
	s := &store{dir: dir, root: root, turn: make(chan struct{}, 1), now: o.Now, log: o.Logger}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	err = s.checkFormat()
	if errors.Is(err, fs.ErrNotExist) && !o.MustExist {
		err = s.locked(context.Background(), s.create)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return s, nil
}

func (s *store) checkFormat() error {
	var f format
	if err := s.readJSON(formatFile, &f); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: the directory holds no registry; correct the path", registry.ErrNotFound)
	} else if err != nil {
		return err
	}
	if f.Format != current.Format {
		return fmt.Errorf("%w: %s says format %d, this program reads %d; use the program that wrote it",
			registry.ErrInvalid, formatFile, f.Format, current.Format)
	}
	return nil
}

func (s *store) create() error {
	if err := s.checkFormat(); !errors.Is(err, fs.ErrNotExist) {
		return err // another process was faster
	}
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") { // the lock, an earlier attempt, or what file managers leave behind
			return fmt.Errorf("%w: the directory holds %s and no registry; choose an empty directory", registry.ErrInvalid, e.Name())
		}
	}
	return s.writeJSON(formatFile, current)
}

// Close releases the directory. Calls after it fail with fs.ErrClosed; closing again does nothing.
func (s *Store) Close() error { return s.s.root.Close() }

// locked runs f while no other goroutine or process changes the store.
func (s *store) locked(ctx context.Context, f func() error) (err error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	lock, err := filelock.Acquire(ctx, filepath.Join(s.dir, lockFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	return f()
}

func (s *store) readJSON(name string, v any) error {
	data, err := s.root.ReadFile(name)
	if err != nil {
		return err
	}
	return decodeJSON(name, data, v)
}

func decodeJSON(name string, data []byte, v any) error {
	if err := artifact.DecodeJSON(data, v); err != nil {
		return &registry.Error{Path: name, Err: err, Hint: "restore the file from a backup"}
	}
	return nil
}
