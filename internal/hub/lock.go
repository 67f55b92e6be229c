package hub

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/docent-ml/docent/internal/filelock"
)

// lock takes the lock file that Python's filelock takes for the same blob, waiting for as long as ctx allows. The file
// stays behind, as Python leaves it.
func (c *Client) lock(ctx context.Context, name string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return nil, writeError(err, filepath.Dir(name), 0)
	}
	for wait, told := 20*time.Millisecond, false; ; wait = min(2*wait, time.Second) {
		lock, err := filelock.Try(name)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			c.log.Warn("hub: no locks on this file system, another process may download the same file", "lock", name)
			return func() {}, nil
		case err != nil:
			return nil, writeError(err, filepath.Dir(name), 0)
		case lock != nil:
			return func() { _ = lock.Unlock() }, nil
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
