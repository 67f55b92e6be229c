package lora

import (
	"math"
	"slices"

	"github.com/docent-ml/docent/internal/lm/cpu"
)

// own is a computer of docent's own code for CPUs. It compiles nothing and takes calls of any shape, so padding is left out.
type own struct {
	tuner            *cpu.Tuner
	theta, m, v, sum []float32 // sum: the gradient of the step
	batch            cpu.Batch
	places           []int32 // where in the batch a position of the call is
}

func newOwn(b *Base, l *layout, c Config) *own {
	o := cpu.TunerOptions{Rank: l.rank, Scale: l.scale, Dropout: c.Dropout}
	for _, m := range l.modules {
		o.Updates = append(o.Updates, cpu.Update{Path: m.path, A: m.a, B: m.b})
	}
	return &own{tuner: cpu.NewTuner(b.model.Config, b.own, o), sum: make([]float32, l.size)}
}

// lay fills the batch with the positions of a call that are not padding.
func (o *own) lay(s shape, a arrays) cpu.Batch {
	b := &o.batch
	b.Tokens, b.Segments = b.Tokens[:0], b.Segments[:0]
	o.places = slices.Grow(o.places[:0], len(a.tokens))[:len(a.tokens)]
	first := 0 // segment of the row
	for i, segment := range a.segments {
		if i%s.seq == 0 {
			first = len(b.Segments)
		}
		if segment == 0 {
			continue
		}
		at := len(b.Tokens)
		o.places[i] = int32(at)
		b.Tokens = append(b.Tokens, a.tokens[i])
		if number := first + int(segment) - 1; number == len(b.Segments) { // segments are numbered as they come
			b.Segments = append(b.Segments, cpu.Segment{From: at, Position: int(a.positions[i]), Parent: first + int(a.parents[i]) - 1})
		}
		b.Segments[len(b.Segments)-1].To = at + 1
	}
	targets := a.count * s.choices
	b.Rows, b.Labels, b.Weights = b.Rows[:0], a.labels[:targets], a.weights[:targets]
	for _, row := range a.rows[:a.count] {
		b.Rows = append(b.Rows, o.places[row])
	}
	return *b
}

func (o *own) gradient(c call, a arrays, seed uint64) (float64, error) {
	return o.tuner.Gradient(o.lay(c.shape, a), o.theta, o.sum, seed), nil
}

func (o *own) loss(c call, a arrays) (float64, error) {
	return o.tuner.Loss(o.lay(c.shape, a), o.theta), nil
}

func (o *own) update(u update) (float64, error) {
	defer o.discard()
	var squares float64
	for _, g := range o.sum {
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
	shrink, rate := float32(1-u.rate*u.decay), float32(u.rate/u.bias1)
	bias2 := float32(1 / math.Sqrt(u.bias2))
	o.tuner.Each(len(o.theta), func(from, to int) {
		theta, m, v := o.theta[from:to], o.m[from:to], o.v[from:to]
		for i, g := range o.sum[from:to] {
			g *= factor
			m[i] = beta1*m[i] + (1-beta1)*g
			v[i] = beta2*v[i] + (1-beta2)*g*g
			root := float32(math.Sqrt(float64(v[i]))) // one instruction
			theta[i] = shrink*theta[i] - rate*m[i]/(root*bias2+epsilon)
		}
	})
	return norm, nil
}

func (o *own) discard() { clear(o.sum) }

func (o *own) state() (theta, m, v []float32, err error) {
	return slices.Clone(o.theta), slices.Clone(o.m), slices.Clone(o.v), nil
}

func (o *own) setState(theta, m, v []float32) error {
	for _, x := range []struct {
		dst *[]float32
		src []float32
	}{{&o.theta, theta}, {&o.m, m}, {&o.v, v}} {
		*x.dst = make([]float32, len(o.sum))
		copy(*x.dst, x.src)
	}
	return nil
}

func (o *own) close() { o.tuner.Close() }
