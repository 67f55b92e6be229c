package filelock

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// Lock is a lock that is held: the file, open without sharing.
type Lock struct {
	handle windows.Handle
	path   string
}

// Try takes the lock if nobody holds it; nil without an error means that somebody does.
func Try(path string) (*Lock, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	handle, err := windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil,
		windows.OPEN_ALWAYS, windows.FILE_ATTRIBUTE_NORMAL, 0)
	switch {
	case err == nil:
		return &Lock{handle, path}, nil
	case errors.Is(err, windows.ERROR_SHARING_VIOLATION):
		return nil, nil
	}
	return nil, &os.PathError{Op: "lock", Path: path, Err: err}
}

// Unlock lets go; the file stays.
func (l *Lock) Unlock() error { return windows.CloseHandle(l.handle) }

// UnlockAndRemove lets go and removes the file, unless somebody else has taken it by then, who will.
func (l *Lock) UnlockAndRemove() error {
	err := l.Unlock()
	if rm := os.Remove(l.path); rm != nil && !errors.Is(rm, windows.ERROR_SHARING_VIOLATION) && !errors.Is(rm, os.ErrNotExist) {
		err = errors.Join(err, rm)
	}
	return err
}
