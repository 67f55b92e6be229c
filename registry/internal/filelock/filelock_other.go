//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package filelock

import (
	"errors"
	"fmt"
	"runtime"
)

// Lock is a lock that is held; here there is none.
type Lock struct{}

// Try fails: without a lock that ends with its process, a shared store would not be safe.
func Try(path string) (*Lock, error) {
	return nil, fmt.Errorf("lock %s: file locks on %s: %w", path, runtime.GOOS, errors.ErrUnsupported)
}

// Unlock does nothing.
func (*Lock) Unlock() error { return nil }

// UnlockAndRemove does nothing.
func (*Lock) UnlockAndRemove() error { return nil }
