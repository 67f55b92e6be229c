package cpu

import (
	"runtime"
	"sync/atomic"
)

// crew computes in parallel: the goroutine that owns it and helpers that wait for it. A token is made of more than a
// hundred steps of some microseconds each, so a helper that has nothing to do looks for the next step for a while before
// it goes to sleep.
type crew struct {
	k       *kernels
	helpers []*helper
	work    func(worker, task int)
	tasks   int64
	next    atomic.Int64 // task
	busy    atomic.Int64 // helpers that have not ended the step
	step    atomic.Uint64
	closed  bool     // written before a step
	panels  []panels // of each worker
	ends    []int    // of a step
	rounder rounder
}

type helper struct {
	asleep atomic.Bool
	wake   chan struct{}
}

// patience is how often a helper looks before it sleeps: some tens of microseconds.
const patience = 4000

func newCrew(workers int, k *kernels) *crew {
	c := &crew{k: k}
	for range workers {
		c.panels = append(c.panels, newPanels(k))
	}
	for i := 1; i < workers; i++ {
		h := &helper{wake: make(chan struct{}, 1)}
		c.helpers = append(c.helpers, h)
		go c.help(h, i)
	}
	return c
}

// workers is how many compute, the caller among them.
func (c *crew) workers() int { return len(c.helpers) + 1 }

// run calls work for every task below tasks, in any order, and returns when all are done. worker is the same for calls that
// follow each other and below workers.
func (c *crew) run(tasks int, work func(worker, task int)) {
	if tasks <= 1 || len(c.helpers) == 0 {
		for i := range tasks {
			work(0, i)
		}
		return
	}
	c.work, c.tasks = work, int64(tasks)
	c.begin()
	c.join(0)
	for i := 0; c.busy.Load() > 0; i++ {
		if i%64 == 63 {
			runtime.Gosched()
		}
	}
	c.work = nil
}

// rows calls do for each of n rows.
func (c *crew) rows(n int, do func(r int)) {
	const few = 4 // are one task
	c.run((n+few-1)/few, func(_, task int) {
		for r := task * few; r < min(task*few+few, n); r++ {
			do(r)
		}
	})
}

func (c *crew) begin() {
	c.next.Store(0)
	c.busy.Store(int64(len(c.helpers)))
	c.step.Add(1)
	for _, h := range c.helpers {
		if h.asleep.CompareAndSwap(true, false) {
			h.wake <- struct{}{}
		}
	}
}

// join takes tasks until there are none.
func (c *crew) join(worker int) {
	for {
		i := c.next.Add(1) - 1
		if i >= c.tasks {
			return
		}
		c.work(worker, int(i))
	}
}

func (c *crew) help(h *helper, worker int) {
	for done := uint64(0); ; {
		h.await(&c.step, done)
		done++
		if c.closed {
			c.busy.Add(-1)
			return
		}
		c.join(worker)
		c.busy.Add(-1)
	}
}

// await returns when step is no longer done.
func (h *helper) await(step *atomic.Uint64, done uint64) {
	for i := 0; step.Load() == done; i++ {
		switch {
		case i == patience:
			h.sleep(step, done)
		case i%64 == 63:
			runtime.Gosched()
		}
	}
}

// sleep returns when the helper is woken, or when the step has come before anybody could see that it sleeps.
func (h *helper) sleep(step *atomic.Uint64, done uint64) {
	h.asleep.Store(true)
	if step.Load() != done && h.asleep.CompareAndSwap(true, false) {
		return // it came just now, and nobody will wake us
	}
	<-h.wake
}

// close ends the helpers. It may be called more than once.
func (c *crew) close() {
	if c.closed {
		return
	}
	c.closed = true
	c.begin()
}
