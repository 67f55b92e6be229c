package engine

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"github.com/docent-ml/docent/internal/lm"
)

// Loader loads models for a serve.Pool, and opens each once: an adapter goes on top of its base wherever that is loaded
// already, for another adapter or for itself, within a fraction of a second. It is safe for concurrent use.
//
//	loader := engine.NewLoader(engine.Options{})
//	pool, err := serve.NewPool(func(ctx context.Context, id string) (serve.Model, error) {
//		return loader.Load(ctx, folders[id])
//	}, serve.PoolOptions{List: list, MaxModels: 100})
type Loader struct {
	o Options

	mu     sync.Mutex
	bases  map[string]*base
	latest *Engine // whose compiled graphs the next model may use
}

// base is a model that is open, or was.
type base struct {
	turn chan struct{} // holds one while nobody opens it
	last *batch        // nil: never opened
}

// NewLoader returns a Loader that has loaded nothing. Options.Adapter and Options.Like must be nil; with Options.Merge adapters
// share no base.
func NewLoader(o Options) *Loader { return &Loader{o: o, bases: map[string]*base{}} }

// Load is the function [Load], but shares a base that is open already. Info.Bytes of an engine with an adapter on such a base
// counts the adapter alone.
func (l *Loader) Load(ctx context.Context, ref string) (*Engine, error) {
	return l.Attach(ctx, ref, nil)
}

// Attach is Load with the PEFT adapter of a folder on top, in place of any that ref has.
func (l *Loader) Attach(ctx context.Context, ref string, fsys fs.FS) (*Engine, error) {
	name, onTop, err := l.o.adapter(ref)
	if err == nil && fsys != nil && l.o.Merge {
		err = errors.New("adapters that are merged cannot be attached")
	}
	if err != nil {
		return nil, loadFault(ctx, ref, err)
	}
	if fsys != nil {
		onTop = fsys
	}
	b := l.base(canonical(name))
	select {
	case <-b.turn:
		defer func() { b.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if b.last == nil || !b.last.enter() {
		o := l.o
		l.mu.Lock()
		if l.latest != nil {
			o.Like = l.latest
		}
		l.mu.Unlock()
		e, err := o.open(ctx, name)
		if err != nil {
			return nil, loadFault(ctx, ref, err)
		}
		l.mu.Lock()
		l.latest = e
		l.mu.Unlock()
		b.last = e.batch
		if onTop == nil {
			return e, nil
		}
		e.enter()
		defer e.Close()
	}
	if onTop == nil {
		return newEngine(b.last, b.last.opened), nil
	}
	e, err := b.last.attach(ctx, onTop)
	if err != nil {
		return nil, loadFault(ctx, ref, err)
	}
	return e, nil
}

// canonical is one name for a model that can be written in several ways. What is none is opened to fail.
func canonical(ref string) string {
	if r, err := lm.ParseRef(ref); err == nil {
		return r.String()
	}
	return ref
}

func (l *Loader) base(name string) *base {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bases[name]
	if b == nil {
		b = &base{turn: make(chan struct{}, 1)}
		b.turn <- struct{}{}
		l.bases[name] = b
	}
	return b
}
