package lora

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/lm/decoder"
	"github.com/docent-ml/docent/internal/lm/model"
)

// programs are the three graphs of training. The state they pass on, adapter parameters θ, first and second moments and
// the gradient, are vectors in the order of the layout.
type programs struct {
	accumulate *device.Program // one call of a step: loss and gradient
	apply      *device.Program // the end of a step: AdamW
	evaluate   *device.Program // loss alone
}

// batchInputs is the number of parameters that describe a call: tokens, positions, segments, parents, rows, labels, weights
// and the state of the dropout's random numbers.
const batchInputs = 8

func newPrograms(b *Base, l *layout, c Config) (p programs, err error) {
	loss := func(in []*Node, theta *Node, dropout float64) (sum, surrogate *Node, flat []*Node) {
		d := &decoder.Decoder{Config: b.model.Config, Weights: model.Nodes(b.model.Config, in[batchInputs:]), Transposed: b.model.Transposed}
		d.Adapter, flat = l.nodes(theta)
		if dropout > 0 {
			d.Dropout = decoder.NewDropout(in[7], dropout)
		}
		h := d.Hidden(in[0], in[1], in[2], in[3])
		sum, surrogate = d.CrossEntropy(h, decoder.Targets{Rows: in[4], Labels: in[5], Weights: in[6]})
		return sum, surrogate, flat
	}
	weights := len(b.model.Weights)
	p.accumulate, err = device.NewProgram(b.backend, "train step", func(in []*Node) []*Node {
		theta, gradient := in[batchInputs+weights], in[batchInputs+weights+1]
		sum, surrogate, flat := loss(in, theta, c.Dropout)
		return []*Node{sum, Add(gradient, l.join(Gradient(surrogate, flat...)))}
	})
	if err != nil {
		return p, err
	}
	p.evaluate, err = device.NewProgram(b.backend, "evaluate", func(in []*Node) []*Node {
		sum, _, _ := loss(in, in[batchInputs+weights], 0)
		return []*Node{sum}
	})
	if err != nil {
		return p, err
	}
	p.apply, err = device.NewProgram(b.backend, "update", adamW)
	return p, err
}

func (p programs) close() {
	p.accumulate.Close()
	p.apply.Close()
	p.evaluate.Close()
}

// The scalars of an update, in the order of its last input.
const (
	scalarRate    = iota // learning rate
	scalarBias1          // 1 − β₁ᵗ
	scalarBias2          // 1 − β₂ᵗ
	scalarTokens         // by which the summed gradient is divided
	scalarMaxNorm        // 0 = no clipping
	scalarDecay
	numScalars
)

// adamW is one update of θ with decoupled weight decay; every vector is [size] float32.
//
//	g ← g/tokens · min(1, maxNorm/(‖g/tokens‖ + 1e-6))
//	m ← β₁m + (1−β₁)g        v ← β₂v + (1−β₂)g²
//	θ ← θ(1 − rate·decay) − rate/(1−β₁ᵗ) · m / (√(v/(1−β₂ᵗ)) + ε)
//
// in: θ, m, v, summed gradient, scalars [numScalars]. out: θ, m, v, ‖g/tokens‖ before clipping.
// Source: Loshchilov and Hutter 2019, as torch.optim.AdamW and clip_grad_norm_ compute it.
func adamW(in []*Node) []*Node {
	theta, m, v, g := in[0], in[1], in[2], in[3]
	scalar := func(i int) *Node { return Reshape(Slice(in[4], AxisElem(i)), 1) } // [1], broadcasts
	g = Div(g, scalar(scalarTokens))
	norm := Reshape(Sqrt(ReduceAllSum(Square(g))), 1)
	limit := scalar(scalarMaxNorm)
	clip := Min(OnesLike(norm), Div(limit, AddScalar(norm, 1e-6)))
	g = Mul(g, Where(GreaterThan(limit, ZerosLike(limit)), clip, OnesLike(clip)))

	m = Add(MulScalar(m, beta1), MulScalar(g, 1-beta1))
	v = Add(MulScalar(v, beta2), MulScalar(Square(g), 1-beta2))
	theta = Mul(theta, OneMinus(Mul(scalar(scalarRate), scalar(scalarDecay))))
	denominator := AddScalar(Sqrt(Div(v, scalar(scalarBias2))), epsilon)
	theta = Sub(theta, Mul(Div(scalar(scalarRate), scalar(scalarBias1)), Div(m, denominator)))
	return []*Node{theta, m, v, norm}
}

// inputs turns the arrays of a call into arguments. seed feeds dropout and is ignored without it.
func (c call) inputs(a arrays, seed uint64) ([]any, error) {
	grid := func(x []int32) any { return tensors.FromFlatDataAndDimensions(x, c.shape.rows, c.shape.seq) }
	rng, err := RNGStateFromSeed(int64(seed))
	if err != nil {
		return nil, fmt.Errorf("dropout seed: %w", err)
	}
	return []any{
		grid(a.tokens), grid(a.positions), grid(a.segments), grid(a.parents),
		tensors.FromFlatDataAndDimensions(a.rows, len(a.rows)),
		tensors.FromFlatDataAndDimensions(a.labels, len(a.labels)),
		tensors.FromFlatDataAndDimensions(a.weights, len(a.weights)),
		rng,
	}, nil
}

// vector puts values on the device, or zeros for nil.
func (t *Trainer) vector(values []float32) (*tensors.Tensor, error) {
	return device.Fill(t.base.backend, dtypes.Float32, []int{t.layout.size}, false, func(dst []float32) error {
		clear(dst)
		copy(dst, values)
		return nil
	})
}
