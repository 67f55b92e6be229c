package ingesttest

import (
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// NothingLeft counts goroutines, child processes and temporary files at the end of the test: none may be there that was
// not there before. Call it first, so that it counts last.
func NothingLeft(t testing.TB) {
	t.Helper()
	temporary := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} { // of Unix, and of Windows
		t.Setenv(name, temporary)
	}
	goroutines, children := runtime.NumGoroutine(), len(family())
	t.Cleanup(func() {
		for end := time.Now().Add(3 * time.Second); runtime.NumGoroutine() > goroutines && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
		}
		assert.LessOrEqual(t, runtime.NumGoroutine(), goroutines, "goroutines left")
		assert.Len(t, family(), children, "processes left")
		assert.Empty(t, temporaryFiles(temporary), "temporary files left")
	})
}

// temporaryFiles lists what lies in the folder for such files, and the files of the test's other folders whose names say
// that they are not finished: docent's begin with a dot.
func temporaryFiles(temporary string) (left []string) {
	_ = filepath.WalkDir(filepath.Dir(temporary), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (strings.HasPrefix(path, temporary+string(filepath.Separator)) || strings.HasPrefix(d.Name(), ".")) {
			left = append(left, path)
		}
		return nil
	})
	return left
}
