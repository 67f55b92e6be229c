package serve

import (
	"context"
	"errors"
	"runtime/debug"
	"time"
)

// fly loads one model for all that wait for it.
func (p *Pool) fly(id string, f *flight) {
	began := time.Now()
	var m Model
	err := p.room(f)
	promised := err == nil
	if promised {
		m, err = p.callLoad(p.ctx, id)
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.flights, id)
	if promised {
		p.reserved--
	}
	if err == nil {
		h := p.adopt(id, m)
		if p.closed {
			p.retire(h) // Close came while the load ended
			err = ErrClosed
		} else {
			h.refs = f.waiters
			f.model = h
			delete(p.failures, id)
			p.trim()
			p.log.Info("model loaded", "model", id, "bytes", h.info.Bytes, "duration", time.Since(began))
		}
	}
	switch {
	case err == nil:
	case p.closed:
		f.err = ErrClosed
	case errors.Is(err, errAbandoned), errors.Is(err, ErrQueueTimeout) && !promised:
		f.err = err // says nothing about the model
	default:
		p.failures[id] = failure{err, time.Now()}
		f.err = &loadError{id, err, failureMemory}
	}
	close(f.done)
	p.changed()
}

// room waits until one more model may be loaded, unloading idle ones.
func (p *Pool) room(f *flight) error {
	timeout := time.NewTimer(roomTimeout)
	defer timeout.Stop()
	for {
		p.mu.Lock()
		switch {
		case p.closed:
			p.mu.Unlock()
			return ErrClosed
		case p.alive+p.reserved < p.o.MaxModels:
			p.reserved++
			p.mu.Unlock()
			return nil
		case f.waiters == 0: // nothing has been done for them yet
			p.mu.Unlock()
			return errAbandoned
		case p.alive-p.leaving+p.reserved >= p.o.MaxModels:
			if h := p.idlest(nil); h != nil {
				p.retire(h)
			}
		}
		c := p.change
		p.mu.Unlock()
		select {
		case <-c:
		case <-timeout.C:
			return ErrQueueTimeout
		}
	}
}

// adopt makes m the pool's model for id. p.mu is held.
func (p *Pool) adopt(id string, m Model) *loaded {
	h := &loaded{id: id, model: m, info: m.Info(), at: time.Now()}
	p.alive++
	p.models[id] = h
	p.touch(h)
	return h
}

// callLoad contains the host's function: a panic in it would end the process, since no handler stands above.
func (p *Pool) callLoad(ctx context.Context, id string) (m Model, err error) {
	began := time.Now()
	defer func() {
		p.mu.Lock()
		tell := p.onLoad
		p.mu.Unlock()
		if tell != nil {
			tell(id, time.Since(began), err)
		}
	}()
	defer catch(&err)
	m, err = p.load(ctx, id)
	if err == nil && m == nil {
		err = errors.New("serve: the load function returned no model and no error")
	}
	return m, err
}

// catch turns a panic into a *panicError.
func catch(err *error) {
	if v := recover(); v != nil {
		*err = &panicError{v, debug.Stack()}
	}
}

// Unload takes a model out of memory once the requests that have it have ended. As long as it is listed, the next request for it
// loads it again.
func (p *Pool) Unload(ctx context.Context, id string) error {
	if err := p.landed(ctx, id); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.failures, id)
	if h := p.models[id]; h != nil {
		p.retire(h)
		p.changed()
	}
	return nil
}

// landed waits for the load of a model, if it is being loaded.
func (p *Pool) landed(ctx context.Context, id string) error {
	p.mu.Lock()
	f := p.flights[id]
	p.mu.Unlock()
	if f == nil {
		return nil
	}
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Reload loads id again and then swaps: requests that run finish on the old model, new ones get the new one. Until the
// last of them ends both hold memory. If the load fails, the old model stays and the error is returned. If id is not
// loaded, nothing happens: the next request loads it.
func (p *Pool) Reload(ctx context.Context, id string) error {
	select {
	case p.reloading <- struct{}{}:
		defer func() { <-p.reloading }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return ErrClosed
	}
	p.tasks.Add(1)
	defer p.tasks.Done()
	delete(p.failures, id)
	p.mu.Unlock()
	if err := p.landed(ctx, id); err != nil { // it may be loading what was there before
		return err
	}
	p.mu.Lock()
	here := p.models[id] != nil
	p.mu.Unlock()
	if !here {
		return nil
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	m, err := p.callLoad(ctx, id)
	if err != nil {
		return &loadError{id: id, err: err}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.models[id]
	h := p.adopt(id, m)
	switch {
	case p.closed:
		p.retire(h)
		return ErrClosed
	case old == nil: // unloaded in the meantime: it is not wanted in memory, and the next load gets what is new
		p.retire(h)
		return nil
	}
	p.retire(old)
	p.trim()
	p.changed()
	p.log.Info("model replaced", "model", id)
	return nil
}
