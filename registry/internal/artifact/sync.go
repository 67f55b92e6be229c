package artifact

import (
	"errors"
	"os"
	"runtime"
)

// SyncDir makes renames in a directory of root durable.
func SyncDir(root *os.Root, name string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be flushed there
	}
	dir, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
