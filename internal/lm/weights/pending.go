package weights

import (
	"os"

	"github.com/docent-ml/docent/internal/atomicfile"
)

// pending is a set of files that are complete under temporary names and wait to be renamed.
type pending []*atomicfile.File

// write creates the file that commit will put at path, beside it, and makes sure that its content is on disk.
func (p *pending) write(path string, content func(f *os.File) error) error {
	f, err := atomicfile.Create(path)
	if err != nil {
		return err
	}
	*p = append(*p, f)
	if err := content(f.File); err != nil {
		return err
	}
	return f.Sync()
}

// commit renames all files into place.
func (p *pending) commit() error {
	for _, f := range *p {
		if err := f.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// discard removes what was not committed.
func (p *pending) discard() {
	for _, f := range *p {
		_ = f.Close()
	}
}
