// Package programtest has what the tests of several programs need.
package programtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Stderr is what run writes to the standard error of the process. Nothing else may write there meanwhile.
func Stderr(t testing.TB, run func()) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer file.Close()
	before := os.Stderr
	os.Stderr = file
	defer func() { os.Stderr = before }()
	run()
	text, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	return string(text)
}
