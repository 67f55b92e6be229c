package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/docent-ml/docent/dataset"
)

const historyFile = "history.jsonl"

// point is a line of history.jsonl: a step, or with EvalRows an evaluation after that step.
type point struct {
	Step         int     `json:"step"`
	Epoch        int     `json:"epoch,omitempty"`
	Tokens       int     `json:"tokens,omitempty"`
	Loss         float64 `json:"loss,omitempty"`
	GradNorm     float64 `json:"grad_norm,omitempty"`
	LearningRate float64 `json:"learning_rate,omitempty"`
	Seconds      float64 `json:"seconds,omitempty"`
	EvalLoss     float64 `json:"eval_loss,omitempty"`
	Perplexity   float64 `json:"perplexity,omitempty"`
	EvalRows     int     `json:"eval_rows,omitempty"`
}

// history is the course of the training, also of the part before a resume.
type history struct {
	points []point
	file   *os.File
	from   int   // steps that were done before
	err    error // the first failed write: training goes on, and the run fails at its end
}

// openHistory forgets what came after the step that training goes on from: it will be done again.
func openHistory(name string, step int) (*history, error) {
	h := &history{from: step}
	for x, err := range lines[point](name) {
		if _, item := errors.AsType[*dataset.LineError](err); item {
			continue // a line that a killed process left unfinished
		}
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("history: %w", err)
		}
		if step > 0 && (x.Step < step || x.Step == step && x.EvalRows == 0) {
			h.points = append(h.points, x)
		}
	}
	if err := writeAll(name, h.points); err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	var err error
	if h.file, err = os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	return h, nil
}

func (h *history) add(x point) {
	h.points = append(h.points, x)
	line, err := json.Marshal(x)
	if err == nil {
		_, err = h.file.Write(append(line, '\n'))
	}
	if h.err == nil && err != nil {
		h.err = fmt.Errorf("history: %w", err)
	}
}

func (h *history) close() error {
	if err := h.file.Close(); !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}

// steps are the points that are steps, evals those that are evaluations.
func (h *history) steps() []point {
	return slices.DeleteFunc(slices.Clone(h.points), func(x point) bool { return x.EvalRows > 0 })
}

func (h *history) evals() []point {
	return slices.DeleteFunc(slices.Clone(h.points), func(x point) bool { return x.EvalRows == 0 })
}

// step is the number of steps done.
func (h *history) step() int {
	if len(h.points) == 0 {
		return h.from
	}
	return h.points[len(h.points)-1].Step
}

const recentSteps = 20

// recentLoss is the mean loss of the last steps, which jumps about less than that of one.
func (h *history) recentLoss() float64 {
	sum, recent := 0.0, h.recent()
	for _, x := range recent {
		sum += x.Loss
	}
	return sum / float64(max(1, len(recent)))
}

func (h *history) recent() []point {
	steps := h.steps()
	return steps[max(0, len(steps)-recentSteps):]
}
