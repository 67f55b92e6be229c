package cpu

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCrew: every task is done once before run returns, by workers that have just worked and by such that have gone to
// sleep, and close leaves nobody.
func TestCrew(t *testing.T) {
	before := runtime.NumGoroutine()
	c := newCrew(4, plain)
	assert.Equal(t, 4, c.workers())
	for round := range 2000 {
		if round%500 == 0 {
			time.Sleep(5 * time.Millisecond) // they sleep
		}
		done := make([]int32, round%70)
		c.run(len(done), func(worker, task int) {
			if worker < 0 || worker >= 4 {
				panic("worker")
			}
			atomic.AddInt32(&done[task], 1)
		})
		for _, n := range done {
			require.EqualValues(t, 1, n)
		}
	}
	c.close()
	c.close()
	for began := time.Now(); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		require.Less(t, time.Since(began), time.Minute, "helpers are left")
	}
}
