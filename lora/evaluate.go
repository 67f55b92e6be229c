package lora

import (
	"context"
	"fmt"
	"math"
)

// Eval is the quality of the adapted model on examples.
type Eval struct {
	Loss       float64 // mean over all trained tokens, natural logarithm
	Perplexity float64 // e^Loss
	Tokens     int     // trained tokens
	Rows       int     // examples, each counted once
}

// Evaluate computes the loss on examples, without dropout and without training. The mean is over tokens, not over
// rows or batches. The context is checked between device calls.
func (t *Trainer) Evaluate(ctx context.Context, e *Examples) (Eval, error) {
	if err := e.check(); err != nil {
		return Eval{}, err
	}
	if t.closed {
		return Eval{}, errClosed
	}
	calls := t.layout.newPlan([][]example{e.rows}, t.config.MicroTokens).calls(e.rows)
	out := Eval{Rows: len(e.rows)}
	for i, c := range calls {
		if err := ctx.Err(); err != nil {
			return Eval{}, err
		}
		loss, err := t.computer.loss(c)
		if err != nil {
			return Eval{}, fmt.Errorf("evaluate: %w", err)
		}
		out.Loss += loss
		out.Tokens += c.count()
		if i+1 < len(calls) {
			t.progress(Progress{Stage: "evaluate", Done: int64(i + 1), Total: int64(len(calls))})
		}
	}
	out.Loss /= float64(out.Tokens)
	out.Perplexity = math.Exp(out.Loss)
	t.progress(Progress{Stage: "evaluate", Done: int64(len(calls)), Total: int64(len(calls)), Eval: &out})
	return out, nil
}

func (t *Trainer) progress(p Progress) {
	if t.options.Progress != nil {
		t.options.Progress(p)
	}
}
