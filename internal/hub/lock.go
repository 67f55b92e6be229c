package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// errNoLocks: this file system has no locks.
var errNoLocks = errors.New("file locks are not supported")

// lock takes the lock file that Python's filelock takes for the same blob, waiting for as long as ctx allows. The file
// stays behind, as removing it would let two waiters lock two different files of one name.
func (c *Client) lock(ctx context.Context, name string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return nil, writeError(err, filepath.Dir(name), 0)
	}
	for wait, told := 20*time.Millisecond, false; ; wait = min(2*wait, time.Second) {
		file, err := tryLock(name)
		switch {
		case errors.Is(err, errNoLocks):
			c.log.Warn("hub: no locks on this file system, another process may download the same file", "lock", name)
			return func() {}, nil
		case err != nil:
			return nil, writeError(fmt.Errorf("lock: %w", err), filepath.Dir(name), 0)
		case file != nil:
			return func() { _ = file.Close() }, nil // closing releases
		}
		if wait >= time.Second && !told {
			told = true
			c.log.Info("hub: waiting for another process that downloads the same file", "lock", name)
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// tryLock returns nil and no error when the lock is held elsewhere.
func tryLock(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o664)
	if err != nil {
		return nil, err
	}
	if held, err := claim(file, name); err != nil || !held {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// claim locks an open file. The lock counts only if name still leads to this file: someone may have removed or replaced
// it since it was opened, and would be locking another.
func claim(file *os.File, name string) (bool, error) {
	if locked, err := lockFile(file); err != nil || !locked {
		return false, err
	}
	here, err := file.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(here, there), err
}
