package lora

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/docent-ml/docent/internal/lm/adapter"
)

// Options say what a Trainer writes and reports, and how much memory it may take.
type Options struct {
	Dir  string   // folder of checkpoints, such as "artifacts_tmp"; "" = none are written
	Init *Adapter // adapter to go on from, of the same rank, alpha and targets; nil = a new one
	// Measure tells how good an adapter is, the higher the better, whenever Train evaluates; nil = minus the loss. See Trainer.Best.
	Measure  func(context.Context, *Adapter) (float64, error)
	Logger   *slog.Logger   // nil = discard
	Progress func(Progress) // after each step, evaluation and checkpoint; called synchronously, so it must be fast
	// KeepBytes bounds the cache of what the frozen layers (Config.FrozenLayers) compute, in docent's own code: what is in it is
	// computed in the first epoch only. 0 = 512 MB, negative = no cache.
	KeepBytes int64
	// Recompute has docent's own code keep of each layer only what went into it, and compute the rest again on the way back: the
	// same losses, bit for bit, in less memory and about a third more time. It does so unasked where memory would not suffice
	// otherwise. Graphs of XLA do so when asked, and round otherwise then.
	Recompute bool
	// AllDevices has all devices of the backend train together, each a share of every step, and evaluate so. The losses are those of
	// one device, rounded otherwise; dropout draws otherwise. Without it the first device trains alone.
	AllDevices bool
	// DeviceBytes is how much memory a device has for the run: more is refused before the first step. 0 = where a device shares the
	// host's memory what is left of that, and of others it is not known.
	DeviceBytes int64
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
	computer computer

	step     int    // steps done
	data     string // digest of the examples they were done on
	best     best
	closed   bool
	measured bool // what the run takes
	// several says that some step of the run takes more than one call. Then all go by gradient and update, for one large graph takes
	// long enough to compile.
	several bool
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
	if (c.DoRA || c.Start != "") && (b.precision == Int8 || b.precision == Int4) { // they begin with what the weights are
		return nil, &ConfigError{Field: "DoRA, Start", Reason: fmt.Sprintf("need weights of %s or %s, those of the base model are held as %s", F32, BF16, b.precision)}
	}
	l, err := newLayout(b, c)
	if err != nil {
		return nil, err
	}
	t := &Trainer{base: b, config: c, options: o, log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)), layout: l}
	var theta []float32
	if o.Init == nil {
		theta, err = l.initial(c.Seed)
	} else {
		var a *adapter.Adapter
		if a, err = b.model.Fit(o.Init.a); err == nil {
			theta, err = l.theta(a)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("initial adapter: %w", err)
	}
	if t.computer, err = t.compute(); err != nil {
		return nil, err
	}
	if err := t.computer.setState(theta, nil, nil); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// TrainableParameters is the number of weights that are trained: rank·(in + out) summed over the target modules, and what else the
// configuration names.
func (t *Trainer) TrainableParameters() int {
	n := t.layout.size
	for _, rate := range t.layout.rates {
		if rate == 0 {
			n--
		}
	}
	return n
}

// Step is the number of steps done, those before a resume included.
func (t *Trainer) Step() int { return t.step }

// Steps trains, one optimizer step for each turn of the caller's loop, from where the trainer stands to the end of the
// configured epochs or steps. A trainer that resumed skips what was done, given the same examples. The context is
// checked between device calls; a step that was interrupted leaves no trace. Leaving the loop early is fine: ranging
// again goes on.
func (t *Trainer) Steps(ctx context.Context, train *Examples) iter.Seq2[Step, error] {
	return func(yield func(Step, error) bool) {
		err := train.check()
		if err == nil && t.closed {
			err = errClosed
		}
		if err != nil {
			yield(Step{}, err)
			return
		}
		digest := train.digest()
		if t.step > 0 && t.data != digest {
			yield(Step{}, fmt.Errorf("checkpoint at step %d %w: it was trained on other examples", t.step, ErrMismatch))
			return
		}
		t.data = digest
		if err := t.measure(train); err != nil {
			yield(Step{}, err)
			return
		}
		batches, epochs, p := t.plan(train)
		t.log.Debug("plan", "steps", len(batches), "sequences", p.rows, "length", p.seq, "targets", p.targets)
		t.several = slices.ContainsFunc(batches, func(b []example) bool { return len(p.calls(b)) > 1 })
		for t.step < len(batches) {
			s := Step{N: t.step + 1, Total: len(batches), Epoch: epochs[t.step], LearningRate: t.config.learningRate(t.step, len(batches))}
			s, err := t.update(ctx, s, p.calls(batches[t.step]))
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// plan cuts the examples into steps, and picks the shape of their calls.
func (t *Trainer) plan(train *Examples) (batches [][]example, epochs []int, s shape) {
	batches, epochs = t.config.batches(train.rows)
	return batches, epochs, t.layout.newPlan(batches, t.config.MicroTokens)
}

// update is one optimizer step over the given calls.
func (t *Trainer) update(ctx context.Context, s Step, calls []call) (Step, error) {
	start := time.Now()
	defer t.computer.discard()
	n := float64(s.N)
	u := update{rate: s.LearningRate, bias1: 1 - math.Pow(beta1, n), bias2: 1 - math.Pow(beta2, n), maxNorm: t.config.MaxGradNorm, decay: t.config.WeightDecay}
	for _, c := range calls {
		u.tokens += float64(c.count())
		s.Tokens += c.tokens()
	}
	var loss float64
	var err error
	for i, c := range calls {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		seed := t.config.Seed ^ (uint64(s.N)<<16 + uint64(i))
		var sum float64
		if len(calls) == 1 && !t.several {
			sum, s.GradNorm, err = t.computer.step(c, seed, u)
		} else if sum, err = t.computer.gradient(c, seed); err == nil && i == len(calls)-1 {
			s.GradNorm, err = t.computer.update(u)
		}
		if err != nil {
			return s, fmt.Errorf("train step %d: %w", s.N, err)
		}
		loss += sum
	}
	s.Loss = loss / u.tokens
	if bad(s.Loss) || bad(s.GradNorm) {
		return s, &DivergedError{Step: s.N, Loss: s.Loss, GradNorm: s.GradNorm}
	}
	t.step++
	s.Elapsed = time.Since(start)
	return s, nil
}

func bad(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }

// Adapter is a copy of the adapter as it stands.
func (t *Trainer) Adapter() (*Adapter, error) {
	if t.closed {
		return nil, errClosed
	}
	theta, _, _, err := t.computer.state()
	if err != nil {
		return nil, err
	}
	return t.adapter(theta), nil
}

func (t *Trainer) adapter(theta []float32) *Adapter {
	return &Adapter{t.layout.adapter(theta, t.adapterConfig()), t.base.model}
}

var errClosed = errors.New("trainer is closed")

// Close frees the trainer's tensors and graphs, but not the base model. It may be called more than once.
func (t *Trainer) Close() error {
	if t.closed {
		return nil
	}
	t.closed = true
	t.computer.close()
	return nil
}
