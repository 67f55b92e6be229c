// Package atomicfile writes files and folders that appear whole or not at all: beside their place, flushed, and renamed there.
package atomicfile

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// File is a file being written. Commit gives it its name; Close after that does nothing, and before it discards what
// was written.
type File struct {
	*os.File
	name string
	done bool
}

// Create begins a file that is to be called name. What stands under that name stays until Commit. Its permissions are
// those of any new file, 0666 before the umask.
func Create(name string) (*File, error) {
	dir, base := filepath.Split(name)
	for {
		// os.CreateTemp would make it private, and the umask cannot be asked for.
		temporary := filepath.Join(dir, "."+base+"."+strings.ToLower(rand.Text()[:10])+".tmp")
		f, err := os.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, os.ErrExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		return &File{File: f, name: name}, nil
	}
}

// Commit flushes the file and puts it in its place, with the permissions of the file that it replaces.
func (f *File) Commit() error {
	f.done = true
	var err error
	if old, missing := os.Stat(f.name); missing == nil && old.Mode().IsRegular() && runtime.GOOS != "windows" {
		err = f.Chmod(old.Mode().Perm())
	}
	err = errors.Join(err, f.Sync(), f.File.Close())
	if err == nil {
		err = os.Rename(f.Name(), f.name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return SyncDir(os.Open, filepath.Dir(f.name))
}

// SyncDir makes renames in a folder last. Windows cannot open a folder for that, and does not need to.
func SyncDir(open func(string) (*os.File, error), dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems have no fsync for folders; then there is nothing more to do.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// Close discards what has not been committed.
func (f *File) Close() error {
	if f.done {
		return nil
	}
	f.done = true
	return errors.Join(f.File.Close(), os.Remove(f.Name()))
}

// Write writes a whole file.
func Write(name string, data []byte) error {
	f, err := Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.File.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// Folder makes a folder that appears whole: fill writes to one beside it, of a hidden name that begins with "." and its own, which then
// takes its place. What was there is kept until then.
func Folder(dir string, fill func(temp string) error) error {
	parent, name := filepath.Split(filepath.Clean(dir))
	if err := os.MkdirAll(filepath.Clean(parent), 0o755); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Clean(parent), "."+name+"-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := errors.Join(os.Chmod(temp, 0o755), fill(temp)); err != nil {
		return err
	}
	old := temp + ".old"
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(temp, dir); err != nil {
		return errors.Join(err, os.Rename(old, dir))
	}
	return os.RemoveAll(old)
}
