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
	Best       Eval // lowest loss of all evaluations; Trainer.Best has the adapter that is best by Options.Measure
	BestStep   int  // of Trainer.Best
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
	saved := -1
	save := func(ctx context.Context) (err error) {
		if t.options.Dir != "" && t.step > saved {
			r.Checkpoint, err = t.Save(ctx)
			saved = t.step
		}
		return err
	}
	err := t.run(ctx, train, eval, r, save)
	if err != nil && ctx.Err() != nil {
		if saveErr := save(context.WithoutCancel(ctx)); saveErr != nil {
			err = fmt.Errorf("%w; and the checkpoint was not saved: %w", err, saveErr)
		}
	}
	r.Elapsed = time.Since(start)
	return r, err
}

func (t *Trainer) run(ctx context.Context, train, eval *Examples, r *Result, save func(context.Context) error) (err error) {
	evaluate := func() (e Eval, err error) {
		if eval != nil {
			if e, err = t.Evaluate(ctx, eval); err != nil {
				return e, err
			}
			if r.Best.Rows == 0 || e.Loss < r.Best.Loss {
				r.Best = e
			}
		}
		err = t.judge(ctx, e)
		r.BestStep = t.best.Step
		return e, err
	}
	if err := t.measure(train); err != nil {
		return err
	}
	if r.Base, err = evaluate(); err != nil {
		return err
	}
	steps := t.Steps(ctx, train)
	if t.stale() { // as it was when it was stopped
		steps = func(func(Step, error) bool) {}
	}
	for step, err := range steps {
		if err != nil {
			return err
		}
		r.Steps = step.N
		r.Tokens += step.Tokens
		t.progress(Progress{Stage: "train", Done: int64(step.N), Total: int64(step.Total), Step: &step})
		if step.N == step.Total {
			break
		}
		if t.config.EvalEvery > 0 && step.N%t.config.EvalEvery == 0 {
			if r.Final, err = evaluate(); err != nil {
				return err
			}
			if t.stale() {
				t.log.Info("stopped early", "step", t.step, "best_step", t.best.Step, "evaluations_without_a_better_one", t.config.Patience)
				return save(ctx)
			}
		}
		if t.config.SaveEvery > 0 && step.N%t.config.SaveEvery == 0 {
			if err := save(ctx); err != nil {
				return err
			}
		}
	}
	if r.Final, err = evaluate(); err != nil {
		return err
	}
	return save(ctx)
}
