package lora

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/docent-ml/docent/internal/atomicfile"
	"github.com/docent-ml/docent/internal/lm/adapter"
)

// best is the best evaluation of a run so far, best.json in the folder of that name among the checkpoints.
type best struct {
	Step    int              `json:"step"` // 0 = there is none
	Score   float64          `json:"score"`
	adapter *adapter.Adapter // as it was then
}

const (
	bestFolder = "best"
	bestFile   = "best.json"
)

// Best is a copy of the adapter that was best when Train evaluated, by Options.Measure or the lowest loss, and the step that it
// had done. Without an evaluation after the first step it is the adapter as it stands. With Options.Dir it lies in the folder
// "best" there, so that a run that is resumed knows it.
func (t *Trainer) Best() (a *Adapter, step int, err error) {
	if t.best.Step > 0 {
		return &Adapter{t.best.adapter, t.base.model}, t.best.Step, nil
	}
	a, err = t.Adapter()
	return a, t.step, err
}

// judge compares the adapter as it stands with the best.
func (t *Trainer) judge(ctx context.Context, e Eval) error {
	if t.step == 0 || e.Rows == 0 && t.options.Measure == nil {
		return nil
	}
	a, err := t.Adapter()
	if err != nil {
		return err
	}
	score := -e.Loss
	if t.options.Measure != nil {
		if score, err = t.options.Measure(ctx, a); err != nil {
			return fmt.Errorf("measure: %w", err)
		}
	}
	t.log.Info("measured", "step", t.step, "score", score, "best", t.best.Score, "best_step", t.best.Step)
	if t.best.Step > 0 && score <= t.best.Score {
		return nil
	}
	t.best = best{t.step, score, a.a}
	if t.options.Dir == "" {
		return nil
	}
	dir := filepath.Join(t.options.Dir, bestFolder)
	data, err := json.Marshal(t.best)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil { // a process that is killed in between has no best
		err = os.RemoveAll(filepath.Join(dir, bestFile))
	}
	if err == nil {
		err = a.Save(ctx, dir)
	}
	if err == nil {
		err = atomicfile.Write(filepath.Join(dir, bestFile), data)
	}
	if err != nil {
		return fmt.Errorf("save the best adapter: %w", err)
	}
	return nil
}

// readBest takes the best of the run that is resumed.
func (t *Trainer) readBest() error {
	fsys := os.DirFS(filepath.Join(t.options.Dir, bestFolder))
	data, err := fs.ReadFile(fsys, bestFile)
	if errors.Is(err, fs.ErrNotExist) || t.options.Dir == "" {
		return nil
	}
	var b best
	if err == nil {
		err = json.Unmarshal(data, &b)
	}
	if err == nil {
		if b.adapter, err = adapter.Load(fsys); err == nil {
			_, err = t.layout.theta(b.adapter)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", bestFolder, err)
	}
	t.best = b
	return nil
}

// stale tells whether training has gone on for too long without a better evaluation.
func (t *Trainer) stale() bool {
	return t.config.Patience > 0 && t.best.Step > 0 && t.step-t.best.Step >= t.config.Patience*t.config.EvalEvery
}
