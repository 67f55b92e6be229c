package artifact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"

	"github.com/docent-ml/docent/registry"
)

// Walk visits every file of fsys in the order of the paths: name is its path there, target its path below prefix, which
// is checked. Links to files are followed; what is not a regular file is refused.
func Walk(ctx context.Context, fsys fs.FS, prefix string, visit func(name, target string, f fs.File) error) error {
	return fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return context.Cause(ctx)
		}
		target := path.Join(prefix, name)
		if err := registry.CheckPath(target); err != nil {
			return err
		}
		f, err := OpenRegular(fsys, name)
		if err != nil {
			return err
		}
		return errors.Join(visit(name, target, f), f.Close())
	})
}

// OpenRegular opens a file, and refuses what is none.
func OpenRegular(fsys fs.FS, name string) (fs.File, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &registry.Error{Path: name, Err: fmt.Errorf("%w: not a regular file (%s)", registry.ErrInvalid, info.Mode().Type()),
			Hint: "remove it, or replace the link to a directory by the directory"}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Each calls f for 0 to n-1, several at a time. The first error ends the context of the others and is returned.
func Each(ctx context.Context, n, atATime int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var failed error
	next := 0
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= n && failed == nil
	}
	var wg sync.WaitGroup
	for range min(n, atATime) {
		wg.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				if err := f(ctx, i); err != nil {
					mu.Lock()
					if failed == nil {
						failed = err
						cancel(err)
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return failed
}
