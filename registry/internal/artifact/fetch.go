package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/docent-ml/docent/internal/atomicfile"
	"github.com/docent-ml/docent/internal/filelock"
	"github.com/docent-ml/docent/registry"
)

// Open opens a stored file for reading from offset on.
type Open func(ctx context.Context, path string, offset int64) (io.ReadCloser, error)

// Fetch makes dir hold the files, as registry.Models.Download promises, fetching several at a time. A file without
// SHA256 is verified by its size.
//
// Beside dir, in ".<base>.partial", lie what is complete ("files"), what is not ("parts") and the lock that makes a
// second download of the same directory wait for the first; the last step renames "files" to dir. All of it goes
// through one os.Root at the parent, so that neither a path nor a link leads elsewhere.
func Fetch(ctx context.Context, files []registry.File, dir string, atATime int, open Open) error {
	if err := checkPaths(files); err != nil {
		return err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if target, err := filepath.EvalSymlinks(dir); err == nil {
		dir = target
	}
	parent, base := filepath.Split(dir)
	if base == "" {
		return &registry.Error{Path: dir, Err: fmt.Errorf("%w: not a directory to download to", registry.ErrInvalid), Hint: "name a directory below it"}
	}
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	root, err := os.OpenRoot(parent)
	if err != nil {
		return err
	}
	defer root.Close()
	f := &fetch{root: root, files: files, open: open, atATime: atATime, dir: base, partial: "." + base + ".partial"}

	switch state, err := f.inspect(ctx); {
	case err != nil:
		return err
	case state == complete: // the common case of a cache: nothing is written, so it may be read-only
		return nil
	}
	lock, err := f.lock(ctx, parent)
	if err != nil {
		return err
	}
	if err := f.run(ctx); err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			err = &registry.Error{Path: dir, Err: err, Hint: "make room on its disk: what was fetched stays there and is not fetched again"}
		}
		return errors.Join(err, lock.Unlock()) // what was fetched stays for the next attempt
	}
	return errors.Join(f.discard(), lock.UnlockAndRemove(), removeIfEmpty(root, f.partial))
}

type fetch struct {
	root         *os.Root
	files        []registry.File
	open         Open
	atATime      int
	dir, partial string // relative to root
}

// lock takes the lock in the partial directory, which the previous holder may be removing.
func (f *fetch) lock(ctx context.Context, parent string) (*filelock.Lock, error) {
	for {
		if err := f.root.Mkdir(f.partial, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		lock, err := filelock.Acquire(ctx, filepath.Join(parent, f.partial, "lock"))
		if !errors.Is(err, fs.ErrNotExist) {
			return lock, err
		}
	}
}

func (f *fetch) run(ctx context.Context) error {
	state, err := f.inspect(ctx) // again: somebody else may have finished while we waited
	if err != nil || state == complete {
		return err
	}
	target := path.Join(f.partial, "files")
	if err := f.prune(target); err != nil {
		return err
	}
	err = Each(ctx, len(f.files), f.atATime, func(ctx context.Context, i int) error {
		file := f.files[i]
		name := sha256.Sum256([]byte(file.Path + "\x00" + file.SHA256)) // whatever its place in the list, which may come in another order
		return f.ensure(ctx, file, path.Join(target, file.Path), path.Join(f.partial, "parts", hex.EncodeToString(name[:])))
	})
	if err != nil {
		return err
	}
	dirs := map[string]bool{target: true}
	for _, file := range f.files {
		name := path.Join(target, file.Path)
		for d := path.Dir(name); !dirs[d]; d = path.Dir(d) {
			dirs[d] = true
		}
	}
	for d := range dirs {
		if err := atomicfile.SyncDir(f.root.Open, d); err != nil {
			return err
		}
	}
	if state == differs {
		if err := f.root.Rename(f.dir, path.Join(f.partial, "replaced")); err != nil {
			return err
		}
	} else if err := removeIfEmpty(f.root, f.dir); err != nil {
		return err
	}
	if err := f.root.Rename(target, f.dir); err != nil {
		return err
	}
	return atomicfile.SyncDir(f.root.Open, ".")
}

// state is what stands under the directory's name before the download.
type state int

const (
	absent   state = iota // nothing, or an empty directory
	differs               // files under names of this list only, some missing or altered
	complete              // all of them, as listed
)

func (f *fetch) inspect(ctx context.Context) (state, error) {
	info, err := f.root.Lstat(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return absent, nil
	} else if err != nil {
		return absent, err
	}
	foreign := func(name string) error {
		return &registry.Error{Path: name, Err: fmt.Errorf("%w and is not part of what is downloaded", registry.ErrExists),
			Hint: "choose a new directory, or remove this one"}
	}
	if !info.IsDir() {
		return absent, foreign(f.dir)
	}
	listed := f.listed()
	empty := true
	err = fs.WalkDir(f.root.FS(), f.dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == f.dir {
			return err
		}
		empty = false
		if isDir, ok := listed[strings.TrimPrefix(p, f.dir+"/")]; !ok || isDir != d.IsDir() || !isDir && !d.Type().IsRegular() {
			return foreign(p)
		}
		return nil
	})
	if empty || errors.Is(err, fs.ErrNotExist) { // not there any more: somebody is replacing it
		return absent, nil
	} else if err != nil {
		return absent, err
	}
	for _, file := range f.files {
		if err := f.verify(ctx, file, path.Join(f.dir, file.Path)); errors.Is(err, registry.ErrCorrupt) {
			return differs, nil
		} else if err != nil {
			return absent, err
		}
	}
	return complete, nil
}

// listed maps every path that may exist below the directory to whether it is a directory.
func (f *fetch) listed() map[string]bool {
	listed := make(map[string]bool)
	for _, file := range f.files {
		listed[file.Path] = false
		for d := path.Dir(file.Path); d != "."; d = path.Dir(d) {
			listed[d] = true
		}
	}
	return listed
}

// prune removes what an earlier attempt left and this one has no use for.
func (f *fetch) prune(target string) error {
	if err := f.root.RemoveAll(path.Join(f.partial, "replaced")); err != nil {
		return err
	}
	if err := f.root.MkdirAll(target, 0o777); err != nil {
		return err
	}
	listed := f.listed()
	return fs.WalkDir(f.root.FS(), target, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == target {
			return err
		}
		if isDir, ok := listed[strings.TrimPrefix(p, target+"/")]; ok && isDir == d.IsDir() {
			return nil
		}
		if err := f.root.RemoveAll(p); err != nil {
			return err
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}

// verify checks a file that was written before; one that is not there counts as altered.
func (f *fetch) verify(ctx context.Context, want registry.File, name string) error {
	r, err := f.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return registry.ErrCorrupt
	} else if err != nil {
		return err
	}
	defer r.Close()
	return Verify(ctx, want, r)
}

// ensure brings one file to name unless it is there already: from the directory that stands, or fetched. Fetching goes
// on where an earlier attempt stopped, and starts over once if what that left turns out wrong.
func (f *fetch) ensure(ctx context.Context, file registry.File, name, part string) error {
	if err := f.verify(ctx, file, name); err == nil || !errors.Is(err, registry.ErrCorrupt) {
		return err
	}
	for _, dir := range []string{path.Dir(part), path.Dir(name)} {
		if err := f.root.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	// A second name for a good file saves its transfer; where links do not work it is fetched like the others.
	if standing := path.Join(f.dir, file.Path); f.verify(ctx, file, standing) == nil &&
		f.root.Link(standing, part) == nil {
		return f.root.Rename(part, name)
	}
	resumed, err := f.fill(ctx, file, part)
	if resumed && errors.Is(err, registry.ErrCorrupt) {
		_, err = f.fill(ctx, file, part)
	}
	if err != nil {
		return err
	}
	return f.root.Rename(part, name)
}

// fill completes a part. One that is wrong when complete is removed.
func (f *fetch) fill(ctx context.Context, file registry.File, part string) (resumed bool, err error) {
	w, err := f.root.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return false, err
	}
	defer func() {
		err = errors.Join(err, w.Close())
		if errors.Is(err, registry.ErrCorrupt) {
			err = errors.Join(err, f.root.Remove(part))
		}
	}()
	if file.SHA256 == "" { // nothing would tell that the beginning is of another file
		if err := w.Truncate(0); err != nil {
			return false, err
		}
	}
	h := sha256.New()
	have, err := copyHashing(ctx, io.Discard, io.LimitReader(w, file.Size), h)
	if err != nil {
		return false, err
	}
	if err := w.Truncate(have); err != nil {
		return false, err
	}
	size := have
	if have < file.Size || have == 0 { // an empty file is opened too: it might be missing
		r, err := f.open(ctx, file.Path, have)
		if err != nil {
			return false, err
		}
		defer r.Close()
		n, err := copyHashing(ctx, w, io.LimitReader(r, file.Size-have+1), h)
		if err != nil {
			return false, &registry.Error{Path: file.Path, Err: err}
		}
		size += n
	}
	if err := file.Check(size, hex.EncodeToString(h.Sum(nil))); err != nil {
		return have > 0, err
	}
	return have > 0, w.Sync()
}

func (f *fetch) discard() error {
	var faults []error
	for _, name := range []string{"files", "parts", "replaced"} {
		faults = append(faults, f.root.RemoveAll(path.Join(f.partial, name)))
	}
	return errors.Join(faults...)
}

// removeIfEmpty removes a directory; one that is gone or that somebody uses is fine: whoever uses it removes it.
func removeIfEmpty(root *os.Root, dir string) error {
	entries, err := fs.ReadDir(root.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) || len(entries) > 0 {
		return nil
	} else if err != nil {
		return err
	}
	// "Not empty" counts as ErrExist. To look again would not tell whether somebody came: they may have left by then.
	if err := root.Remove(dir); !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
