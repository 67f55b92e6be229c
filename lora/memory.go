package lora

import (
	"cmp"
	"fmt"
	"io/fs"
	"runtime"
	"slices"

	"github.com/docent-ml/docent/internal/lm/cpu"
	"github.com/docent-ml/docent/internal/room"
)

// ErrMemory is wrapped when a model or a run needs more memory than there is.
var ErrMemory = cpu.ErrMemory

// Memory is what a run takes at its peak, in bytes, as it is predicted before the first step: of this process, or of each device
// where that has memory of its own. Of XLA's programs it is what the compiler reports; what those of other backends take is not
// predicted, and 0.
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
	shape        // of the compiled form
	several bool // calls in some step
	size    cpu.Size
	rows    int // positions of all examples, which may be kept
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
		calls := p.calls(b)
		l.several = l.several || len(calls) > 1
		for _, c := range calls {
			l.packed = l.packed || c.shape.packed
			l.size.Tokens, l.size.Rows = max(l.size.Tokens, c.tokens()), max(l.size.Rows, c.count())
			l.targets = max(l.targets, c.shape.targets)
		}
	}
	m, err := t.computer.memory(l)
	if err != nil || m.fits() {
		return m, err
	}
	advice := "a smaller MicroTokens or MaxSeqLen, or a lower Precision"
	if !m.Recompute {
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

// host is what the process has, and what it may have in all; 0 = nothing tells.
func host(root fs.FS) (now, limit int64) {
	if now = room.Resident(root); now == 0 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		now = int64(stats.Sys - stats.HeapReleased)
	}
	if r, ok := room.Read(root); ok {
		limit = r.Left + now
	}
	return now, limit
}

// memory implements computer. It turns Recompute on where it has to.
func (o *onCPU) memory(l largest) (Memory, error) {
	held := int64(4 * 4 * o.layout.size) // θ, its gradient and the moments, which there are already
	m := Memory{Weights: o.base.cpu.Bytes(), Parameters: held, Recompute: o.recompute}
	if o.saves {
		m.Parameters += 3 * held / 4
	}
	if o.keep > 0 {
		m.Cache = min(o.keep, int64(4*l.rows*o.base.model.Config.HiddenSize))
	}
	m.Rest, m.Limit = host(o.root)
	m.Rest = max(0, m.Rest-m.Weights-held)
	m.Activations = o.tuner.Memory(l.size, m.Recompute)
	if !m.fits() && !m.Recompute {
		m.Recompute, o.recompute = true, true
		m.Activations = o.tuner.Memory(l.size, true)
		o.tuner.SetRecompute()
	}
	return m, nil
}

// memory implements computer. It compiles the program that takes most, which the first step then finds compiled.
func (g *graphs) memory(l largest) (Memory, error) {
	c := call{shape: l.shape}
	held := slices.Concat(g.theta, g.m, g.v, g.zero, g.rates, g.decays)
	program, vectors := g.stepProgram, []vector{g.theta, g.m, g.v}
	if l.several {
		program, vectors, held = g.gradientProgram, []vector{g.theta, g.zero}, append(held, g.zero...) // its sum
	}
	g.compiling("train", l.shape)
	in, err := g.inputs(&c, 0, vectors...)
	if err != nil {
		return Memory{}, err
	}
	if !l.several {
		in = g.with(update{}, in)
	}
	p, ok, err := program.Memory(slices.Concat(in...))
	if err != nil || !ok {
		return Memory{}, err
	}
	m := Memory{Activations: p.Temporary, Rest: p.Code, Limit: g.options.DeviceBytes, Recompute: g.recompute}
	n := int64(g.layout.devices)
	for _, w := range g.base.model.Weights {
		m.Weights += w.ByteSize()
	}
	for _, x := range held {
		m.Parameters += x.ByteSize() / n
	}
	if g.base.backend.HasSharedBuffers() { // with the process, all devices together
		now, limit := host(g.root)
		m.Limit = cmp.Or(m.Limit, limit)
		m.Weights, m.Parameters, m.Activations, p.Results = n*m.Weights, n*m.Parameters, n*m.Activations, n*p.Results
		m.Rest = max(0, now-m.Weights-m.Parameters)
	}
	m.Parameters += p.Results
	return m, nil
}

// keepBytes is Options.KeepBytes, 0 where rows do not come again.
func (c Config) keepBytes(o Options) int64 {
	if c.Epochs == 1 || c.FrozenLayers == 0 {
		return 0
	}
	return cmp.Or(o.KeepBytes, 512<<20)
}
