package weights

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// pending is a set of files that are complete under temporary names and wait to be renamed.
type pending struct {
	files []pendingFile
}

type pendingFile struct{ temporary, path string }

// write creates the file that commit will put at path, beside it, and makes sure that its content is on disk.
func (p *pending) write(path string, content func(f *os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	p.files = append(p.files, pendingFile{f.Name(), path})
	return errors.Join(func() error {
		if err := content(f); err != nil {
			return err
		}
		if err := f.Chmod(0o644); err != nil && runtime.GOOS != "windows" { // CreateTemp's files are private
			return err
		}
		return f.Sync()
	}(), f.Close())
}

// commit renames all files into place.
func (p *pending) commit(dir string) error {
	for len(p.files) > 0 {
		if err := os.Rename(p.files[0].temporary, p.files[0].path); err != nil {
			return err
		}
		p.files = p.files[1:]
	}
	if runtime.GOOS == "windows" {
		return nil // a folder cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// discard removes what was not committed.
func (p *pending) discard() {
	for _, f := range p.files {
		_ = os.Remove(f.temporary)
	}
}
