package program

import (
	"log/slog"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLockFolder(t *testing.T) {
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	unlock, err := LockFolder(dir, []string{"USER=ada"}, log)
	require.NoError(t, err)
	_, err = LockFolder(dir, nil, log)
	assert.ErrorContains(t, err, "process "+strconv.Itoa(os.Getpid())+" of ada@")
	assert.ErrorContains(t, err, "-data")
	require.NoError(t, unlock())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
	unlock, err = LockFolder(dir, nil, log)
	require.NoError(t, err)
	require.NoError(t, unlock())
}
