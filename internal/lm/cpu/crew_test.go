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

// TestSleep: a step that came between the last look and the sleep is not missed, and one that has not come is waited for.
func TestSleep(t *testing.T) {
	h := &helper{wake: make(chan struct{}, 1)}
	var step atomic.Uint64
	step.Store(1)
	back := make(chan struct{})
	go func() {
		h.sleep(&step, 0)
		back <- struct{}{}
	}()
	select {
	case <-back:
		assert.False(t, h.asleep.Load())
	case <-time.After(time.Minute):
		t.Fatal("the helper sleeps, and nobody will wake it")
	}

	go func() {
		h.sleep(&step, 1)
		back <- struct{}{}
	}()
	require.Eventually(t, h.asleep.Load, time.Minute, time.Millisecond)
	select {
	case <-back:
		t.Fatal("there is no step yet")
	case <-time.After(20 * time.Millisecond):
	}
	step.Store(2)
	require.True(t, h.asleep.CompareAndSwap(true, false), "as crew.begin does")
	h.wake <- struct{}{}
	<-back
}
