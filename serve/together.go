package serve

import (
	"context"
	"sync"
)

// sideBySide is how many prompts of one request a model is asked at a time, so that one request does not fill the queue.
const sideBySide = 4

// together asks the model all that one request wants. Choices are numbered through, and the deltas with Start, one for
// each ask, come first.
func together(ctx context.Context, m Model, asks []Request) deltaSeq {
	if len(asks) == 1 {
		return m.Generate(ctx, asks[0])
	}
	return func(yield func(Delta, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()

		pieces := make(chan piece)
		free := make(chan struct{}, sideBySide)
		all.Go(func() {
			defer close(pieces)
			var running sync.WaitGroup
			defer running.Wait()
			for i, ask := range asks {
				select {
				case free <- struct{}{}:
				case <-ctx.Done():
					return
				}
				running.Go(func() {
					defer func() { <-free }()
					if err := forward(ctx, m, ask, i*ask.N, pieces); err != nil {
						send(ctx, pieces, piece{err: err})
					}
				})
			}
		})

		starting := len(asks)
		var held []Delta
		for p := range pieces {
			switch {
			case p.err != nil:
				yield(Delta{}, p.err)
				return
			case p.Start != nil:
				starting--
			case starting > 0:
				held = append(held, p.Delta)
				continue
			}
			if !yield(p.Delta, nil) {
				return
			}
			if starting == 0 {
				for _, d := range held {
					if !yield(d, nil) {
						return
					}
				}
				held = nil
			}
		}
		if ctx.Err() != nil {
			yield(Delta{}, context.Cause(ctx))
		}
	}
}

type piece struct {
	Delta
	err error
}

func send(ctx context.Context, to chan<- piece, p piece) bool {
	select {
	case to <- p:
		return true
	case <-ctx.Done():
		return false
	}
}

// forward passes the answer to one ask on. A panic becomes an error: no handler stands above this goroutine.
func forward(ctx context.Context, m Model, ask Request, offset int, to chan<- piece) (err error) {
	defer catch(&err)
	for d, err := range m.Generate(ctx, ask) {
		if err != nil {
			return err
		}
		d.Choice += offset
		if !send(ctx, to, piece{Delta: d}) {
			return nil
		}
	}
	return nil
}
