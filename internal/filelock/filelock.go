// Package filelock is a lock between processes that dies with its holder: an advisory lock on a file that the
// operating system drops when the process ends, however it ends.
//
// It also excludes goroutines of one process from each other. It works where the file system supports such locks
// (flock on unix, LockFileEx on Windows): local disks do, some network file systems do not. Python's filelock takes
// the same ones.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// Lock is a lock that is held.
type Lock struct{ file *flock.Flock }

// Acquire waits for the exclusive lock on the file at path, which is created if needed and left behind by Unlock.
func Acquire(ctx context.Context, path string) (*Lock, error) {
	// The systems' blocking calls cannot be cancelled, hence polling; what is held under these locks takes
	// milliseconds, except for downloads, where a late start does not matter.
	const longest = 20 * time.Millisecond
	for pause := time.Millisecond; ; pause = min(2*pause, longest) {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		lock, err := Try(path)
		if lock != nil || err != nil {
			return lock, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// Try takes the lock if nobody holds it; nil without an error means that somebody does. Where there are no such locks
// the error is errors.ErrUnsupported: a shared store would not be safe.
func Try(path string) (*Lock, error) {
	file := flock.New(path, flock.SetFlag(os.O_RDWR|os.O_CREATE), flock.SetPermissions(0o666))
	locked, err := file.TryLock()
	if err != nil {
		hint := ""
		if errors.Is(err, syscall.ENOLCK) || errors.Is(err, errors.ErrUnsupported) {
			err, hint = errors.Join(err, errors.ErrUnsupported), " (its file system has no locks)"
		}
		return nil, errors.Join(fmt.Errorf("lock %s: %w%s", path, err, hint), file.Close())
	}
	if !locked || !current(file) {
		return nil, file.Close()
	}
	return &Lock{file}, nil
}

// current tells whether the name still leads to the locked file. UnlockAndRemove may have unlinked it after it was
// opened here, and somebody else made it anew: then this lock protects nothing.
func current(file *flock.Flock) bool {
	mine, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(file.Path())
	return err == nil && os.SameFile(mine, named)
}

// Unlock lets go; the file stays.
func (l *Lock) Unlock() error { return l.file.Close() }

// UnlockAndRemove lets go and removes the file.
func (l *Lock) UnlockAndRemove() error {
	if runtime.GOOS != "windows" {
		return errors.Join(os.Remove(l.file.Path()), l.file.Close())
	}
	err := l.file.Close() // an open file cannot be removed there
	if rm := os.Remove(l.file.Path()); errors.Is(rm, os.ErrPermission) {
		err = errors.Join(err, rm)
	}
	return err // if somebody else has it open by now, they will remove it
}
