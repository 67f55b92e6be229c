package dataset

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

// WriteFile writes a sequence as Write does into the file name, and returns how many values it holds. The file appears, or
// replaces an older one and keeps its permissions, only when all of it is on disk: on any error the old file is still there
// and nothing is left beside it. The sequence may read the file that is being replaced.
func WriteFile[T any](name string, seq iter.Seq2[T, error]) (n int, err error) {
	file, err := createBeside(name)
	if err != nil {
		return 0, fmt.Errorf("dataset: write %s: %w", name, err)
	}
	done := false
	defer func() { // also when the sequence panics
		if !done {
			_ = file.Close()
			_ = os.Remove(file.Name())
		}
	}()
	if n, err = Write(file, seq); err != nil {
		return n, fmt.Errorf("%s: %w", name, err)
	}
	if err := publish(file, name); err != nil {
		return n, fmt.Errorf("dataset: write %s: %w", name, err)
	}
	done = true
	return n, nil
}

// createBeside makes a new file in the directory of name. Unlike os.CreateTemp it leaves the permissions to the umask, as
// for any file that is not temporary.
func createBeside(name string) (*os.File, error) {
	for try := 0; ; try++ {
		temporary := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+strconv.FormatUint(rand.Uint64(), 36)+".tmp")
		file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !os.IsExist(err) || try == 100 {
			return file, err
		}
	}
}

func publish(file *os.File, name string) error {
	if old, err := os.Stat(name); err == nil && old.Mode().IsRegular() {
		if err := file.Chmod(old.Mode().Perm()); err != nil && runtime.GOOS != "windows" {
			return err
		}
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// syncDir makes the rename itself last. Windows cannot open a directory for that, and does not need to.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems have no fsync for directories; then there is nothing more to do.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
