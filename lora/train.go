package lora

import (
	"context"
	"fmt"
	"time"
)

// Result sums a run up.
type Result struct {
	Steps      int  // done, those before a resume included
	Tokens     int  // computed by this call
	Base       Eval // before step 1; of a resumed run, at the resumed step
	Final      Eval
	Best       Eval // lowest loss of all evaluations
	Elapsed    time.Duration
	Checkpoint string // the last one written; "" without Options.Dir
}

// Train runs Steps to the end, evaluating and saving as the configuration says, and saves at the end. Without eval
// examples the evaluations are zero. A cancelled context saves a checkpoint before the error is returned, so that
// Resume goes on from there.
//
// It is made of the other methods alone: copy it where a different loop is wanted.
func (t *Trainer) Train(ctx context.Context, train, eval *Examples) (*Result, error) {
	start := time.Now()
	r := &Result{Steps: t.step}
	evaluate := func() (Eval, error) {
		if eval == nil {
			return Eval{}, nil
		}
		e, err := t.Evaluate(ctx, eval)
		if err == nil && (r.Best.Rows == 0 || e.Loss < r.Best.Loss) {
			r.Best = e
		}
		return e, err
	}
	save := func(ctx context.Context) (err error) {
		if t.options.Dir != "" {
			r.Checkpoint, err = t.Save(ctx)
		}
		return err
	}
	var err error
	if r.Base, err = evaluate(); err != nil {
		return r, err
	}
	saved := -1
	for step, err := range t.Steps(ctx, train) {
		if err != nil {
			if ctx.Err() != nil && t.step > saved {
				if saveErr := save(context.WithoutCancel(ctx)); saveErr != nil {
					err = fmt.Errorf("%w; and the checkpoint was not saved: %w", err, saveErr)
				}
			}
			return r, err
		}
		r.Steps = step.N
		r.Tokens += step.Tokens
		t.progress(Progress{Stage: "train", Done: int64(step.N), Total: int64(step.Total), Step: &step})
		last := step.N == step.Total
		if !last && t.config.EvalEvery > 0 && step.N%t.config.EvalEvery == 0 {
			if _, err := evaluate(); err != nil {
				return r, err
			}
		}
		if !last && t.config.SaveEvery > 0 && step.N%t.config.SaveEvery == 0 {
			if err := save(ctx); err != nil {
				return r, err
			}
			saved = step.N
		}
	}
	if r.Final, err = evaluate(); err != nil {
		return r, err
	}
	r.Elapsed = time.Since(start)
	return r, save(ctx)
}
