package filelock

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const childLock = "FILELOCK_TEST_PATH"

// TestMain makes this program the other process of the tests: it takes the lock, says so, and waits to be killed.
func TestMain(m *testing.M) {
	if path := os.Getenv(childLock); path != "" {
		if _, err := Acquire(context.Background(), path); err != nil {
			panic(err)
		}
		fmt.Println("locked")
		select {}
	}
	os.Exit(m.Run())
}

func TestExcludesGoroutines(t *testing.T) {
	for _, remove := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "lock")
		var inside, total atomic.Int64 // the lock is between processes: the race detector does not know it
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 20 {
					lock, err := Acquire(t.Context(), path)
					if !assert.NoError(t, err) {
						return
					}
					assert.EqualValues(t, 1, inside.Add(1))
					total.Add(1)
					inside.Add(-1)
					if remove {
						assert.NoError(t, lock.UnlockAndRemove())
					} else {
						assert.NoError(t, lock.Unlock())
					}
				}
			})
		}
		wg.Wait()
		assert.EqualValues(t, 160, total.Load())
		_, err := os.Stat(path)
		assert.Equal(t, remove, os.IsNotExist(err))
	}
}

func TestDiesWithItsProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childLock+"="+path)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "locked\n", line)

	lock, err := Try(path)
	require.NoError(t, err)
	require.Nil(t, lock, "the child holds it")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err = Acquire(ctx, path)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	require.NoError(t, child.Process.Kill())
	_ = child.Wait() // it was killed
	lock, err = Acquire(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, lock.Unlock())
}

func TestFaults(t *testing.T) {
	_, err := Acquire(t.Context(), filepath.Join(t.TempDir(), "no", "directory"))
	require.ErrorIs(t, err, os.ErrNotExist)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Acquire(ctx, filepath.Join(t.TempDir(), "lock"))
	require.ErrorIs(t, err, context.Canceled)
}

// A lock file that was removed or made anew after it was opened guards nothing.
func TestLockFileReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	old := flock.New(path)
	locked, err := old.TryLock()
	require.NoError(t, err)
	require.True(t, locked)
	defer old.Close()
	require.True(t, current(old))
	require.NoError(t, os.Remove(path))
	assert.False(t, current(old))
	lock, err := Try(path)
	require.NoError(t, err)
	require.NotNil(t, lock)
	assert.False(t, current(old))
	require.NoError(t, lock.UnlockAndRemove())
}
