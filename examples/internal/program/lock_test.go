package program

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
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

// TestLockFolderLeftovers: what a holder left that is gone holds nobody up, whatever it says; a folder that cannot be written, and a
// clock that was put back, are told as they are.
func TestLockFolderLeftovers(t *testing.T) {
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	for _, left := range []string{"", "{", `{"process":1,"user":"ada@elsewhere","since":"2999-01-01T00:00:00Z"}`} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, holderFile), []byte(left), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, lockFile), nil, 0o600))
		unlock, err := LockFolder(dir, []string{"USER=bob"}, log)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, holderFile), []byte(left), 0o600)) // another host's, which has not written all of it yet
		_, err = LockFolder(dir, nil, log)
		assert.ErrorContains(t, err, "works in the folder "+dir)
		require.NoError(t, unlock())
	}
	_, err := LockFolder(filepath.Join(dir, "none"), nil, log)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, os.Chmod(dir, 0o500))
	defer func() { require.NoError(t, os.Chmod(dir, 0o700)) }()
	if _, err := os.Create(filepath.Join(dir, "may I")); err == nil {
		t.Skip("permissions do not bind this user")
	}
	_, err = LockFolder(dir, nil, log)
	require.ErrorIs(t, err, fs.ErrPermission)
	assert.NotContains(t, err.Error(), "support locks")
}
