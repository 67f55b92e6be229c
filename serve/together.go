package serve

import (
	"context"

	"golang.org/x/sync/errgroup"
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
		all, ctx := errgroup.WithContext(ctx)
		all.SetLimit(sideBySide)
		deltas, failed := make(chan Delta), make(chan error, 1)
		go func() {
			for i, ask := range asks {
				all.Go(func() error { return forward(ctx, m, ask, i*ask.N, deltas) })
			}
			failed <- all.Wait()
			close(deltas)
		}()
		defer func() {
			cancel()
			for range deltas { // until nobody is left
			}
		}()

		starting := len(asks)
		var held []Delta
		for d := range deltas {
			if d.Start != nil {
				starting--
			} else if starting > 0 {
				held = append(held, d)
				continue
			}
			if !yield(d, nil) {
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
		if err := <-failed; err != nil {
			yield(Delta{}, err)
		}
	}
}

// forward passes the answer to one ask on. A panic becomes an error: no handler stands above this goroutine.
func forward(ctx context.Context, m Model, ask Request, offset int, to chan<- Delta) (err error) {
	defer catch(&err)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for d, err := range m.Generate(ctx, ask) {
		if err != nil {
			return err
		}
		d.Choice += offset
		select {
		case to <- d:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
