// Package filelock is a lock between processes that dies with its holder: an advisory lock on a file that the
// operating system drops when the process ends, however it ends.
//
// It also excludes goroutines of one process from each other. It works where the file system supports such locks:
// local disks do, some network file systems do not.
package filelock

import (
	"context"
	"time"
)

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
