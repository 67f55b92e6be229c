package hub

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// While another process holds the lock of a blob we wait, and then take what it left.
func TestLockHeldElsewhere(t *testing.T) {
	s := newStub(t)
	c, _ := s.client(t, Options{})
	cache, weights := c.cacheOf(testRepo), s.files["model.safetensors"]
	name := filepath.Join(cache.locks, sha256sum(weights)+".lock")
	unlock, err := c.lock(t.Context(), name)
	require.NoError(t, err)

	held, err := tryLock(name)
	require.NoError(t, err)
	require.Nil(t, held)

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = c.Snapshot(ctx, testRepo, "main", nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assertSafe(t, err)
	assert.Zero(t, s.count("GET storage"))

	time.AfterFunc(200*time.Millisecond, func() {
		_ = os.WriteFile(cache.path("blobs/"+sha256sum(weights)), weights, 0o666)
		unlock()
	})
	dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	assertFiles(t, dir, s.lmFiles())
	assert.Zero(t, s.count("GET storage"), "the other process fetched it")
}

// A lock file that was removed or made anew after it was opened guards nothing.
func TestLockFileReplaced(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.lock")
	old, err := os.Create(name)
	require.NoError(t, err)
	defer old.Close()
	require.NoError(t, os.Remove(name))
	held, err := claim(old, name)
	require.NoError(t, err)
	assert.False(t, held)

	lock, err := tryLock(name)
	require.NoError(t, err)
	require.NotNil(t, lock)
	defer lock.Close()
	held, err = claim(old, name)
	require.NoError(t, err)
	assert.False(t, held)
}
