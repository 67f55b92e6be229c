package hub

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/filelock"
)

// While another process holds the lock of a blob we wait, and then take what it left.
func TestLockHeldElsewhere(t *testing.T) {
	s := newStub(t)
	c, _ := s.client(t, Options{})
	cache, weights := c.cacheOf(testRepo), s.files["model.safetensors"]
	name := filepath.Join(cache.locks, sha256sum(weights)+".lock")
	unlock, err := c.lock(t.Context(), name)
	require.NoError(t, err)

	held, err := filelock.Try(name)
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
