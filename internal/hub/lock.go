package hub

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/docent-ml/docent/internal/filelock"
)

// lock takes the lock file that Python's filelock takes for the same blob, waiting for as long as ctx allows. The file
// stays behind, as Python leaves it.
func (c *Client) lock(ctx context.Context, name string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return nil, writeError(err, filepath.Dir(name), 0)
	}
	lock, err := filelock.Try(name)
	if lock == nil && err == nil {
		c.log.Info("hub: waiting for another process that downloads the same file", "lock", name)
		lock, err = filelock.Acquire(ctx, name)
	}
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		c.log.Warn("hub: no locks on this file system, another process may download the same file", "lock", name)
		return func() {}, nil
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil:
		return nil, writeError(err, filepath.Dir(name), 0)
	}
	return func() { _ = lock.Unlock() }, nil
}
