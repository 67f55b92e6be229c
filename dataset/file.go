package dataset

import (
	"fmt"
	"iter"

	"github.com/docent-ml/docent/internal/atomicfile"
)

// WriteFile writes a sequence as Write does into the file name, and returns how many values it holds. The file appears, or
// replaces an older one and keeps its permissions, only when all of it is on disk: on any error the old file is still there
// and nothing is left beside it. The sequence may read the file that is being replaced.
func WriteFile[T any](name string, seq iter.Seq2[T, error]) (n int, err error) {
	file, err := atomicfile.Create(name)
	if err != nil {
		return 0, fmt.Errorf("dataset: write %s: %w", name, err)
	}
	defer file.Close() // also when the sequence panics
	if n, err = Write(file, seq); err != nil {
		return n, fmt.Errorf("%s: %w", name, err)
	}
	if err := file.Commit(); err != nil {
		return n, fmt.Errorf("dataset: write %s: %w", name, err)
	}
	return n, nil
}
