package lora

import (
	"cmp"
	"fmt"
	"runtime"

	"github.com/docent-ml/docent/internal/lm/cpu"
	"github.com/docent-ml/docent/internal/room"
)

// ErrMemory is wrapped when a model or a run needs more memory than there is.
var ErrMemory = cpu.ErrMemory

// Memory is what a run takes at its peak, in bytes, as it is predicted before the first step.
type Memory struct {
	Weights     int64 // of the base model, as they are held
	Activations int64 // what the backward pass needs of the forward pass, and the gradients on its way
	Parameters  int64 // what is trained, its gradient, the optimizer's moments, and the copy that a checkpoint is written from
	Cache       int64 // of what frozen layers make of the rows: Options.KeepBytes
	Rest        int64 // everything else: tokenizer, examples, compiled programs, the Go runtime
	Limit       int64 // what there may be in all, on the machine, in its container or on the device; 0 = nothing tells
	Recompute   bool  // whether activations are computed again: Options.Recompute, or chosen because memory would not suffice
}

// Total is the peak.
func (m Memory) Total() int64 { return m.Weights + m.Activations + m.Parameters + m.Cache + m.Rest }

func (m Memory) String() string {
	text := fmt.Sprintf("%s: weights %s, activations %s, parameters and moments %s, kept rows %s, the rest %s", mega(m.Total()),
		mega(m.Weights), mega(m.Activations), mega(m.Parameters), mega(m.Cache), mega(m.Rest))
	if m.Recompute {
		text += "; layers are computed again on the way back"
	}
	return text
}

func mega(bytes int64) string { return fmt.Sprintf("%.0f MB", float64(bytes)/1e6) }

// fits tells whether there is enough, as far as anything tells.
func (m Memory) fits() bool { return m.Limit == 0 || m.Total() <= m.Limit }

// largest is what of the calls of a run decides its memory.
type largest struct {
	shape // of the compiled form
	size  cpu.Size
	rows  int // positions of all examples, which may be kept
}

// Memory predicts the peak of training on these examples. It is for before the first step: what the process has by then counts as
// it is. Where memory would not suffice otherwise, the trainer's docent code computes layers again (Options.Recompute), and the
// prediction is that of the run so. An error wraps ErrMemory and says what to change.
func (t *Trainer) Memory(train *Examples) (Memory, error) {
	if err := train.check(); err != nil {
		return Memory{}, err
	}
	batches, _, p := t.plan(train)
	l := largest{shape: p}
	for _, x := range train.rows {
		l.rows += len(x.ids)
		l.size.Longest = max(l.size.Longest, len(x.ids))
	}
	for _, b := range batches {
		for _, c := range p.calls(b) {
			l.size.Tokens, l.size.Rows = max(l.size.Tokens, c.tokens()), max(l.size.Rows, c.count())
			l.targets = max(l.targets, c.shape.targets)
		}
	}
	m := t.computer.memory(l)
	if m.fits() {
		return m, nil
	}
	advice := "a smaller MicroTokens or MaxSeqLen, or a lower Precision"
	if !m.Recompute && t.base.cpu != nil {
		advice = "Recompute, " + advice
	}
	return m, fmt.Errorf("%w: training takes %s, and there are %s: take %s", ErrMemory, m, mega(m.Limit), advice)
}

// measure refuses a run for which there is not enough memory, once.
func (t *Trainer) measure(train *Examples) error {
	if t.measured {
		return nil
	}
	m, err := t.Memory(train)
	if err == nil {
		t.measured = true
		t.log.Info("memory", "peak", mega(m.Total()), "limit", mega(m.Limit), "recompute", m.Recompute)
	}
	return err
}

// memory implements computer. It turns Recompute on where it has to.
func (o *onCPU) memory(l largest) Memory {
	now := room.Resident(o.root)
	if now == 0 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		now = int64(stats.Sys - stats.HeapReleased)
	}
	held := int64(4 * 4 * o.layout.size) // θ, its gradient and the moments, which there are already
	m := Memory{Weights: o.base.cpu.Bytes(), Parameters: held, Recompute: o.recompute}
	if o.saves {
		m.Parameters += 3 * held / 4
	}
	if o.keep > 0 {
		m.Cache = min(o.keep, int64(4*l.rows*o.base.model.Config.HiddenSize))
	}
	m.Rest = max(0, now-m.Weights-held)
	if r, ok := room.Read(o.root); ok {
		m.Limit = r.Left + now
	}
	m.Activations = o.tuner.Memory(l.size, m.Recompute)
	if !m.fits() && !m.Recompute {
		m.Recompute, o.recompute = true, true
		m.Activations = o.tuner.Memory(l.size, true)
		o.tuner.SetRecompute()
	}
	return m
}

// keepBytes is Options.KeepBytes, 0 where rows do not come again.
func (c Config) keepBytes(o Options) int64 {
	if c.Epochs == 1 || c.FrozenLayers == 0 {
		return 0
	}
	return cmp.Or(o.KeepBytes, 512<<20)
}
