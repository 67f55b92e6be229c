package lora

import (
	"errors"
	"fmt"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/model"
)

var (
	// ErrArchitecture is wrapped when docent does not compute a base model's architecture or one of its features.
	ErrArchitecture = lm.ErrUnsupported
	// ErrNotFound is wrapped when a base model reference names nothing that is there.
	ErrNotFound = model.ErrNotFound
	// ErrFormat is wrapped when a folder is not an adapter that docent can use.
	ErrFormat = adapter.ErrFormat
	// ErrTarget is wrapped when Config.Targets names no module of the base model.
	ErrTarget = errors.New("no such target module")
	// ErrNoTokenizer is returned for rows and counts of text when the base model has no tokenizer.
	ErrNoTokenizer = errors.New("the base model has no tokenizer.json")
	// ErrNoExamples is returned when there is nothing to train or evaluate on.
	ErrNoExamples = errors.New("no examples with trained tokens")
	// ErrNoCheckpoint is wrapped when there is nothing to resume.
	ErrNoCheckpoint = errors.New("no checkpoint")
	// ErrMismatch is wrapped when a checkpoint or adapter belongs to another base model, configuration or data.
	ErrMismatch = errors.New("does not belong to this run")
)

// ConfigError names a field of Config that cannot be used.
type ConfigError struct{ Field, Reason string }

func (e *ConfigError) Error() string { return "lora config: " + e.Field + ": " + e.Reason }

// DivergedError ends a run whose loss or gradient stopped being a number. Adapter and checkpoints are those of the
// step before.
type DivergedError struct {
	Step           int
	Loss, GradNorm float64
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("training diverged at step %d (loss %g, gradient norm %g): lower the learning rate or clip gradients, then resume from the last checkpoint", e.Step, e.Loss, e.GradNorm)
}
