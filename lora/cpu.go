package lora

import (
	"io/fs"
	"math"
	"os"
	"slices"

	"github.com/docent-ml/docent/internal/lm/cpu"
)

// onCPU is a computer of docent's own code for CPUs. It compiles nothing and takes calls of any shape, so there is no padding.
type onCPU struct {
	tuner            *cpu.Tuner
	base             *Base
	recompute, saves bool
	keep             int64     // bytes
	root             fs.FS     // of the system, which tells how much memory there is
	theta, m, v, sum []float32 // sum: the gradient of the step
	layout           *layout
	untuned          []float32 // the theta with which it is the base model; nil = not needed yet
	batch            cpu.Batch
}

func newOnCPU(b *Base, l *layout, c Config, options Options) *onCPU {
	o := cpu.TunerOptions{Dropout: c.Dropout, Recompute: options.Recompute, Weights: map[string]int{}}
	for _, m := range l.modules {
		o.Updates = append(o.Updates, cpu.Update{Path: m.path, Rank: m.rank, Scale: m.scale, A: m.a, B: m.b, Magnitude: m.magnitude, Bias: m.bias})
	}
	for _, p := range l.weights {
		o.Weights[p.Name] = p.at
	}
	if len(l.tokens) > 0 {
		o.Rows = []cpu.Rows{{Name: l.rows.Name, Tokens: tokenIDs(l.tokens), At: l.rows.at}}
	}
	tuner := cpu.NewTuner(b.model.Config, b.cpu, o)
	keep := c.keepBytes(options)
	tuner.Keep(keep)
	return &onCPU{
		layout: l, tuner: tuner, base: b, recompute: options.Recompute, saves: options.Dir != "", keep: keep, root: os.DirFS("/"),
		sum: make([]float32, l.size),
	}
}

// lay fills the batch with a call.
func (o *onCPU) lay(c call) cpu.Batch {
	c.lay(&o.batch, 0)
	return o.batch
}

func (o *onCPU) gradient(c call, seed uint64) (float64, error) {
	return o.tuner.Gradient(o.lay(c), o.theta, o.sum, seed), nil
}

func (o *onCPU) step(c call, seed uint64, u update) (loss, norm float64, err error) {
	if loss, err = o.gradient(c, seed); err != nil {
		return 0, 0, err
	}
	norm, err = o.update(u)
	return loss, norm, err
}

func (o *onCPU) loss(c call) (float64, error) { return o.tuner.Loss(o.lay(c), o.theta), nil }

func (o *onCPU) propose(c call, k int) (tokens []int32, probabilities []float32, err error) {
	if o.untuned == nil {
		if o.untuned, err = o.layout.untuned(); err != nil {
			return nil, nil, err
		}
	}
	tokens, probabilities = o.tuner.Propose(o.lay(c), o.untuned, k)
	return tokens, probabilities, nil
}

func (o *onCPU) update(u update) (float64, error) {
	defer o.discard()
	var squares float64
	for i, g := range o.sum {
		if o.layout.rates != nil && o.layout.rates[i] == 0 {
			o.sum[i] = 0
			continue
		}
		squares += float64(g) * float64(g)
	}
	norm := math.Sqrt(squares) / u.tokens
	if bad(norm) {
		return norm, nil
	}
	factor := float32(1 / u.tokens)
	if u.maxNorm > 0 {
		factor *= float32(min(1, u.maxNorm/(norm+1e-6)))
	}
	bias2 := float32(1 / math.Sqrt(u.bias2))
	o.tuner.Each(len(o.theta), func(from, to int) {
		theta, m, v := o.theta[from:to], o.m[from:to], o.v[from:to]
		shrink, rate := float32(1-u.rate*u.decay), float32(u.rate/u.bias1)
		for i, g := range o.sum[from:to] {
			if o.layout.rates != nil {
				shrink, rate = float32(1-u.rate*u.decay*float64(o.layout.rates[from+i]*o.layout.decays[from+i])), float32(u.rate/u.bias1)*o.layout.rates[from+i]
			}
			g *= factor
			m[i] = beta1*m[i] + (1-beta1)*g
			v[i] = beta2*v[i] + (1-beta2)*g*g
			root := float32(math.Sqrt(float64(v[i]))) // one instruction
			theta[i] = shrink*theta[i] - rate*m[i]/(root*bias2+epsilon)
		}
	})
	return norm, nil
}

func (o *onCPU) discard() { clear(o.sum) }

func (o *onCPU) state() (theta, m, v []float32, err error) {
	return slices.Clone(o.theta), slices.Clone(o.m), slices.Clone(o.v), nil
}

func (o *onCPU) setState(theta, m, v []float32) error {
	copied := func(x []float32) []float32 { return append(make([]float32, 0, len(o.sum)), x...)[:len(o.sum)] }
	o.theta, o.m, o.v = copied(theta), copied(m), copied(v)
	return nil
}

func (o *onCPU) close() { o.tuner.Close() }
