//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package filelock

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Lock is a lock that is held.
type Lock struct{ file *os.File }

// Try takes the lock if nobody holds it; nil without an error means that somebody does.
func Try(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	held, err := tryFile(file, path)
	if !held || err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &Lock{file}, nil
}

func tryFile(file *os.File, path string) (bool, error) {
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		default:
			return false, fmt.Errorf("lock %s: %w (does its file system support flock?)", path, err)
		}
		// UnlockAndRemove may have unlinked the file after it was opened here: then this lock protects nothing.
		mine, err := file.Stat()
		if err != nil {
			return false, err
		}
		current, err := os.Stat(path)
		return err == nil && os.SameFile(mine, current), nil
	}
}

// Unlock lets go; the file stays.
func (l *Lock) Unlock() error { return l.file.Close() }

// UnlockAndRemove lets go and removes the file.
func (l *Lock) UnlockAndRemove() error {
	return errors.Join(os.Remove(l.file.Name()), l.file.Close())
}
