package lora

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"time"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/docent-ml/docent/internal/device"
)

// Options are the effects of a Trainer.
type Options struct {
	Dir      string         // folder of checkpoints, such as "artifacts_tmp"; "" = none are written
	Init     *Adapter       // adapter to go on from, of the same rank, alpha and targets; nil = a new one
	Logger   *slog.Logger   // nil = discard
	Progress func(Progress) // after each step, evaluation and checkpoint; called synchronously, so it must be fast
}

// Progress tells how far something is.
type Progress struct {
	Stage       string // "download FILE" (bytes), "load" (weights), "train" (steps), "evaluate" (calls), "checkpoint"
	Done, Total int64
	Step        *Step  // stage "train"
	Eval        *Eval  // stage "evaluate", when it is complete
	Checkpoint  string // stage "checkpoint": its folder
}

// Step is one optimizer step.
type Step struct {
	N            int // counts from 1
	Total        int
	Epoch        int     // counts from 1
	Tokens       int     // computed in this step, without padding; a beginning that examples share counts once
	Loss         float64 // mean over the trained tokens, before the update
	GradNorm     float64 // L2 norm over all adapter gradients, before clipping
	LearningRate float64
	Elapsed      time.Duration
}

// Trainer trains one adapter on a base model.
type Trainer struct {
	base     *Base
	config   Config
	options  Options
	log      *slog.Logger
	layout   *layout
	programs programs

	theta, m, v *tensors.Tensor // [layout.size]
	zero        *tensors.Tensor // the gradient before the first call of a step
	step        int             // steps done
	data        string          // digest of the examples they were done on
	shapes      map[shape]bool  // seen, each a compiled graph
	closed      bool
}

// NewTrainer checks the configuration against the base model and prepares an adapter: a new one, or options.Init.
// Graphs are compiled when the first step needs them.
func NewTrainer(b *Base, c Config, o Options) (*Trainer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if limit := b.model.Config.MaxPositions; c.MaxSeqLen > limit {
		return nil, &ConfigError{Field: "MaxSeqLen", Reason: fmt.Sprintf("%d is beyond the base model's context of %d tokens", c.MaxSeqLen, limit)}
	}
	if n := b.model.Config.Layers; c.FrozenLayers >= n {
		return nil, &ConfigError{Field: "FrozenLayers", Reason: fmt.Sprintf("%d leaves none of the base model's %d layers", c.FrozenLayers, n)}
	}
	l, err := newLayout(b, c)
	if err != nil {
		return nil, err
	}
	t := &Trainer{base: b, config: c, options: o, log: o.Logger, layout: l, shapes: map[shape]bool{}}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	theta := l.initial(c.Seed)
	if o.Init != nil {
		if theta, err = l.theta(o.Init.a); err != nil {
			return nil, fmt.Errorf("initial adapter: %w", err)
		}
	}
	if t.programs, err = newPrograms(b, l, c); err != nil {
		return nil, err
	}
	if err := t.setState(theta, nil, nil); err != nil {
		t.Close()
		return nil, err
	}
	if t.zero, err = t.vector(nil); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// TrainableParameters is the number of weights that are trained: rank·(in + out) summed over the target modules.
func (t *Trainer) TrainableParameters() int { return t.layout.size }

// setState replaces adapter and moments; nil moments are zero.
func (t *Trainer) setState(theta, m, v []float32) error {
	var fresh [3]*tensors.Tensor
	for i, values := range [][]float32{theta, m, v} {
		x, err := t.vector(values)
		if err != nil {
			device.Free(fresh[:]...)
			return err
		}
		fresh[i] = x
	}
	device.Free(t.theta, t.m, t.v)
	t.theta, t.m, t.v = fresh[0], fresh[1], fresh[2]
	return nil
}

// Steps trains, one optimizer step for each turn of the caller's loop, from where the trainer stands to the end of the
// configured epochs or steps. A trainer that resumed skips what was done, given the same examples. The context is
// checked between device calls; a step that was interrupted leaves no trace. Leaving the loop early is fine: ranging
// again goes on.
func (t *Trainer) Steps(ctx context.Context, train *Examples) iter.Seq2[Step, error] {
	return func(yield func(Step, error) bool) {
		if err := train.check(); err != nil {
			yield(Step{}, err)
			return
		}
		digest := train.digest()
		if t.step > 0 && t.data != digest {
			yield(Step{}, fmt.Errorf("checkpoint at step %d %w: it was trained on other examples", t.step, ErrMismatch))
			return
		}
		t.data = digest
		batches, epochs := t.config.batches(train.rows)
		p := t.layout.newPlan(batches, t.config.MicroTokens)
		t.log.Debug("plan", "steps", len(batches), "sequences", p.rows, "length", p.seq, "targets", p.targets)
		for t.step < len(batches) {
			s := Step{N: t.step + 1, Total: len(batches), Epoch: epochs[t.step], LearningRate: t.config.learningRate(t.step, len(batches))}
			s, err := t.update(ctx, s, p.calls(batches[t.step]))
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// update is one optimizer step over the given calls.
func (t *Trainer) update(ctx context.Context, s Step, calls []call) (Step, error) {
	start := time.Now()
	gradient := t.zero
	defer func() {
		if gradient != t.zero {
			device.Free(gradient)
		}
	}()
	var loss float64
	count := 0
	for i, c := range calls {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		a := c.arrays()
		sum, next, err := t.gradient(c, a, gradient, uint64(s.N)<<16+uint64(i))
		if err != nil {
			return s, fmt.Errorf("train step %d: %w", s.N, err)
		}
		if gradient != t.zero {
			device.Free(gradient)
		}
		gradient = next
		loss += sum
		count += a.count
		s.Tokens += c.tokens()
	}
	s.Loss = loss / float64(count)
	n := float64(s.N)
	scalars := make([]float32, numScalars)
	scalars[scalarRate] = float32(s.LearningRate)
	scalars[scalarBias1] = float32(1 - math.Pow(beta1, n))
	scalars[scalarBias2] = float32(1 - math.Pow(beta2, n))
	scalars[scalarTokens] = float32(count)
	scalars[scalarMaxNorm] = float32(t.config.MaxGradNorm)
	scalars[scalarDecay] = float32(t.config.WeightDecay)
	out, err := t.programs.apply.Run([]any{t.theta, t.m, t.v, gradient, scalars})
	if err != nil {
		return s, fmt.Errorf("train step %d: %w", s.N, err)
	}
	norm, err := device.Floats(out[3])
	device.Free(out[3])
	if err == nil {
		s.GradNorm = float64(norm[0])
		if bad(s.Loss) || bad(s.GradNorm) {
			err = &DivergedError{Step: s.N, Loss: s.Loss, GradNorm: s.GradNorm}
		}
	}
	if err != nil {
		device.Free(out[:3]...)
		return s, err
	}
	device.Free(t.theta, t.m, t.v)
	t.theta, t.m, t.v = out[0], out[1], out[2]
	t.step++
	s.Elapsed = time.Since(start)
	return s, nil
}

func bad(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }

// gradient runs one call: its summed loss, and the gradient added to the given one.
func (t *Trainer) gradient(c call, a arrays, gradient *tensors.Tensor, seed uint64) (loss float64, sum *tensors.Tensor, err error) {
	in, err := c.inputs(a, t.config.Seed^seed)
	if err != nil {
		return 0, nil, err
	}
	t.compiling("train step", c.shape)
	out, err := t.programs.accumulate.Run(append(append(in, t.base.model.Inputs()...), t.theta, gradient))
	if err != nil {
		return 0, nil, err
	}
	value, err := device.Floats(out[0])
	device.Free(out[0])
	if err != nil {
		device.Free(out[1])
		return 0, nil, err
	}
	return float64(value[0]), out[1], nil
}

// compiling notes a shape that is computed for the first time.
func (t *Trainer) compiling(what string, s shape) {
	if !t.shapes[s] {
		t.shapes[s] = true
		t.log.Info("compiling", "graph", what, "sequences", s.rows, "length", s.seq, "targets", s.targets)
	}
}

// Adapter is a copy of the adapter as it stands.
func (t *Trainer) Adapter() (*Adapter, error) {
	if t.closed {
		return nil, errClosed
	}
	theta, err := device.Floats(t.theta)
	if err != nil {
		return nil, fmt.Errorf("read adapter from the device: %w", err)
	}
	return &Adapter{t.layout.adapter(theta, t.adapterConfig())}, nil
}

var errClosed = errors.New("trainer is closed")

// Close frees the trainer's tensors and graphs, but not the base model. It may be called more than once.
func (t *Trainer) Close() error {
	if t.closed {
		return nil
	}
	t.closed = true
	device.Free(t.theta, t.m, t.v, t.zero)
	t.programs.close()
	return nil
}
