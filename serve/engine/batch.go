package engine

import (
	"context"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/docent-ml/docent/internal/lm/grammar"
	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/serve"
)

// batch is an opened model on its device, its queue, and the goroutine that computes for all engines that share it.
type batch struct {
	opened   *model.Model
	borrowed bool // the model is another's to close
	slots    infer.Slots
	programs *infer.Programs // nil where docent's own code computes
	bytes    int64           // of the weights
	numerics string
	context  int
	log      *slog.Logger
	grammars grammar.Cache
	busy     *semaphore.Weighted // what is prepared for requests that wait, on at most half of the processors
	limits   grammar.Limits
	maxQueue int
	patience time.Duration
	noDrafts bool          // of tests, and of models that rotate longer texts in another way
	wake     chan struct{} // capacity 1: there is something new to look at

	attaching sync.Mutex // one at a time reads the files of the opened model

	mu      sync.Mutex
	waiting []*job // first come, first served
	engines int    // that share the batch; it ends with the last
	leaving []*Engine
}

// enter counts a further engine, unless the last one is leaving.
func (b *batch) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.engines == len(b.leaving) {
		return false
	}
	b.engines++
	return true
}

// leave tells the loop that an engine has been closed.
func (b *batch) leave(e *Engine) {
	b.mu.Lock()
	if !e.closed {
		e.closed = true
		b.leaving = append(b.leaving, e)
	}
	b.mu.Unlock()
	b.signal()
}

// left takes the engines that were closed and the jobs that wait for them. last tells whether no engine is left.
func (b *batch) left() (gone []*Engine, jobs []*job, last bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	gone, b.leaving = b.leaving, nil
	b.engines -= len(gone)
	b.waiting = slices.DeleteFunc(b.waiting, func(j *job) bool {
		if j.e.closed {
			jobs = append(jobs, j)
		}
		return j.e.closed
	})
	return gone, jobs, b.engines == 0
}

// attach is an engine that shares the batch, with the adapter of a folder on top. The caller has entered for it.
func (b *batch) attach(ctx context.Context, fsys fs.FS) (*Engine, error) {
	b.attaching.Lock()
	defer b.attaching.Unlock()
	began := time.Now()
	e := newEngine(b, b.opened)
	m, err := b.opened.With(fsys)
	if err == nil {
		e = newEngine(b, m)
		e.adapter, err = b.slots.Attach(m.OnTop)
		m.OnTop = nil // the slots have what they need of it
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		e.Close()
		return nil, err
	}
	e.info.Bytes = e.adapter.Bytes()
	b.log.Info("adapter attached", "base", b.opened.Ref.String(), "bytes", e.info.Bytes, "duration", time.Since(began))
	return e, nil
}

// dequeue takes the first job of the queue that is ready. Jobs that were cancelled leave the queue on the way.
func (b *batch) dequeue() *job {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := 0; i < len(b.waiting); {
		j := b.waiting[i]
		gone := j.ctx.Err() != nil
		if !gone && !j.ready {
			i++
			continue
		}
		b.waiting = slices.Delete(b.waiting, i, i+1)
		close(j.taken)
		if !gone {
			return j
		}
	}
	return nil
}

// release lets a job leave the queue.
func (b *batch) release(j *job) {
	b.mu.Lock()
	j.ready = true
	b.mu.Unlock()
	b.signal()
}

// queued tells whether anybody waits.
func (b *batch) queued() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.waiting, func(j *job) bool { return j.ready })
}

// enqueue puts a job in the line, if there is room.
func (b *batch) enqueue(j *job) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if j.e.closed {
		return serve.ErrClosed
	}
	if len(b.waiting) >= b.maxQueue { // cancelled jobs make room
		b.waiting = slices.DeleteFunc(b.waiting, func(j *job) bool { return j.ctx.Err() != nil })
	}
	if len(b.waiting) >= b.maxQueue {
		return serve.ErrBusy
	}
	b.waiting = append(b.waiting, j)
	b.signal()
	return nil
}

// abandon tells the loop that nobody listens any more.
func (b *batch) abandon(j *job) {
	j.cancel()
	b.signal()
}

func (b *batch) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// free frees the device memory.
func (b *batch) free() {
	b.slots.Close()
	if b.borrowed {
		return
	}
	if err := b.opened.Close(); err != nil {
		b.log.Warn("closing the model", "err", err)
	}
}
