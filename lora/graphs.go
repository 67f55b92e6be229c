package lora

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/lm/decoder"
	"github.com/docent-ml/docent/internal/lm/model"
)

// graphs is a computer of a backend. The vectors are tensors there, which the programs pass on.
type graphs struct {
	base            *Base
	layout          *layout
	log             *slog.Logger
	shapes          map[shape]bool          // that were computed, each a compiled form
	stepProgram     *device.Program         // a step of one call: loss, gradient, AdamW
	gradientProgram *device.Program         // one call of a step of several: loss and gradient
	updateProgram   *device.Program         // the end of a step of several: AdamW
	lossProgram     *device.Program         // loss alone
	proposals       map[int]*device.Program // the k likeliest tokens of the base model
	theta, m, v     *tensors.Tensor         // [layout.size]
	zero, sum       *tensors.Tensor         // the gradient before the first call of a step, and as it stands
	rates, decays   *tensors.Tensor         // of the layout, or [1]
	dropout         float64
	recompute       bool
}

// batchInputs is the number of parameters that describe a call: tokens, positions, segments, parents, rows, labels, weights
// and the state of the dropout's random numbers.
const batchInputs = 8

func newGraphs(b *Base, l *layout, c Config, recompute bool, log *slog.Logger) (*graphs, error) {
	g := &graphs{base: b, layout: l, log: log, shapes: map[shape]bool{}, proposals: map[int]*device.Program{}, dropout: c.Dropout}
	g.recompute = recompute && b.backend.Capabilities().Operations[compute.OpTypeOptimizationBarrier] // gomlx's Go backend has none
	weights := len(b.model.Weights)
	var errs [7]error
	g.stepProgram, errs[6] = device.NewProgram(b.backend, "train step", g.buildStep)
	g.gradientProgram, errs[0] = device.NewProgram(b.backend, "gradient", func(in []*Node) []*Node {
		theta, gradient := in[batchInputs+weights], in[batchInputs+weights+1]
		sum, surrogate, flat := g.buildLoss(in, theta, c.Dropout)
		return []*Node{sum, Add(gradient, l.join(Gradient(surrogate, flat...)))}
	})
	g.lossProgram, errs[1] = device.NewProgram(b.backend, "evaluate", func(in []*Node) []*Node {
		sum, _, _ := g.buildLoss(in, in[batchInputs+weights], 0)
		return []*Node{sum}
	})
	g.updateProgram, errs[2] = device.NewProgram(b.backend, "update", adamW)
	g.zero, errs[3] = g.vector(l.size, nil)
	one := func(x []float32) (*tensors.Tensor, error) {
		if x == nil {
			x = []float32{1}
		}
		return g.vector(len(x), x)
	}
	g.rates, errs[4] = one(l.rates)
	g.decays, errs[5] = one(l.decays)
	g.sum = g.zero
	if err := errors.Join(errs[:]...); err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

// buildLoss returns the summed loss, the surrogate whose gradient is that of the loss, and the parts of θ.
func (g *graphs) buildLoss(in []*Node, theta *Node, dropout float64) (sum, surrogate *Node, flat []*Node) {
	m := g.base.model
	d := &decoder.Decoder{Config: m.Config, Weights: model.Nodes(m.Config, in[batchInputs:]), Transposed: m.Transposed, Recompute: g.recompute, Packed: packed(g.base.precision) != ""}
	flat = g.layout.nodes(d, theta)
	if dropout > 0 {
		d.Dropout = decoder.NewDropout(in[7], dropout)
	}
	h := d.Hidden(in[0], in[1], in[2], in[3])
	sum, surrogate = d.CrossEntropy(h, decoder.Targets{Rows: in[4], Labels: in[5], Weights: in[6]})
	return sum, surrogate, flat
}

// buildStep is adamW of the gradient of a call, whose summed loss is before the norm in what comes out.
func (g *graphs) buildStep(in []*Node) []*Node {
	state := in[batchInputs+len(g.base.model.Weights):] // θ, m, v, scalars, rates, decays
	sum, surrogate, flat := g.buildLoss(in, state[0], g.dropout)
	gradient := g.layout.join(Gradient(surrogate, flat...))
	out := adamW(slices.Insert(slices.Clone(state), 3, gradient))
	out[3] = Concatenate([]*Node{Reshape(sum, 1), out[3]}, 0)
	return out
}

func (g *graphs) close() {
	g.discard()
	device.Free(g.theta, g.m, g.v, g.zero, g.rates, g.decays)
	g.stepProgram.Close()
	g.gradientProgram.Close()
	g.updateProgram.Close()
	g.lossProgram.Close()
	for _, p := range g.proposals {
		p.Close()
	}
}

// memory implements computer. What a backend's programs take is not predicted.
func (g *graphs) memory(largest) Memory { return Memory{} }

func (g *graphs) gradient(c call, seed uint64) (float64, error) {
	in, err := c.inputs(seed)
	if err != nil {
		return 0, err
	}
	g.compiling("gradient", c.shape)
	out, err := g.gradientProgram.Run(append(append(in, g.base.model.Inputs()...), g.theta, g.sum))
	if err != nil {
		return 0, err
	}
	g.discard()
	g.sum = out[1]
	return scalar(out[0])
}

func (g *graphs) loss(c call) (float64, error) {
	in, err := c.inputs(0)
	if err != nil {
		return 0, err
	}
	g.compiling("evaluate", c.shape)
	out, err := g.lossProgram.Run(append(append(in, g.base.model.Inputs()...), g.theta))
	if err != nil {
		return 0, err
	}
	return scalar(out[0])
}

func (g *graphs) propose(c call, k int) (tokens []int32, probabilities []float32, err error) {
	p := g.proposals[k]
	if p == nil {
		p, err = device.NewProgram(g.base.backend, "propose", func(in []*Node) []*Node {
			d := &decoder.Decoder{Config: g.base.model.Config, Weights: model.Nodes(g.base.model.Config, in[batchInputs:]), Transposed: g.base.model.Transposed}
			h := d.Hidden(in[0], in[1], in[2], in[3])
			h = Gather(Reshape(h, -1, h.Shape().Dim(-1)), ExpandAxes(in[4], -1))
			values, indices := TopK(Softmax(d.Logits(h), -1), k, -1)
			return []*Node{ConvertDType(indices, dtypes.Int32), values}
		})
		if err != nil {
			return nil, nil, err
		}
		g.proposals[k] = p
	}
	in, err := c.inputs(0)
	if err != nil {
		return nil, nil, err
	}
	out, err := p.Run(append(in, g.base.model.Inputs()...))
	if err != nil {
		return nil, nil, err
	}
	defer device.Free(out...)
	if probabilities, err = device.Floats(out[1]); err != nil {
		return nil, nil, err
	}
	tokens, err = tensors.CopyFlatData[int32](out[0])
	n := c.count() * k // the surplus is padding
	return tokens[:n], probabilities[:n], err
}

// scalar reads a tensor of one number, and frees it.
func scalar(x *tensors.Tensor) (float64, error) {
	defer device.Free(x)
	value, err := device.Floats(x)
	if err != nil {
		return 0, err
	}
	return float64(value[0]), nil
}

// compiling notes a shape that is computed for the first time.
func (g *graphs) compiling(what string, s shape) {
	if !g.shapes[s] {
		g.shapes[s] = true
		g.log.Info("compiling", "graph", what, "sequences", s.rows, "length", s.seq, "targets", s.targets)
	}
}

func (g *graphs) discard() {
	if g.sum != g.zero {
		device.Free(g.sum)
	}
	g.sum = g.zero
}

func (g *graphs) update(u update) (float64, error) {
	defer g.discard()
	out, err := g.updateProgram.Run([]any{g.theta, g.m, g.v, g.sum, u.scalars(), g.rates, g.decays})
	if err != nil {
		return 0, err
	}
	numbers, err := g.advance(out)
	if err != nil {
		return 0, err
	}
	return numbers[0], nil
}

// step reads two numbers back. That it waits for them costs nothing: go-xla waits for the end of every program by itself.
func (g *graphs) step(c call, seed uint64, u update) (loss, norm float64, err error) {
	in, err := c.inputs(seed)
	if err != nil {
		return 0, 0, err
	}
	g.compiling("train step", c.shape)
	out, err := g.stepProgram.Run(append(append(in, g.base.model.Inputs()...), g.theta, g.m, g.v, u.scalars(), g.rates, g.decays))
	if err != nil {
		return 0, 0, err
	}
	numbers, err := g.advance(out)
	if err != nil {
		return 0, 0, err
	}
	return numbers[0], numbers[1], nil
}

// advance takes over θ, m and v of an update, if the numbers behind them, which it returns, are finite.
func (g *graphs) advance(out []*tensors.Tensor) ([]float64, error) {
	defer device.Free(out[3])
	floats, err := device.Floats(out[3])
	if err != nil {
		device.Free(out[:3]...)
		return nil, err
	}
	numbers := make([]float64, len(floats))
	for i, x := range floats {
		numbers[i] = float64(x)
	}
	if slices.ContainsFunc(numbers, bad) {
		device.Free(out[:3]...)
		return numbers, nil
	}
	device.Free(g.theta, g.m, g.v)
	g.theta, g.m, g.v = out[0], out[1], out[2]
	return numbers, nil
}

func (g *graphs) state() (theta, m, v []float32, err error) {
	var out [3][]float32
	for i, x := range []*tensors.Tensor{g.theta, g.m, g.v} {
		if out[i], err = device.Floats(x); err != nil {
			return nil, nil, nil, fmt.Errorf("read from the device: %w", err)
		}
	}
	return out[0], out[1], out[2], nil
}

func (g *graphs) setState(theta, m, v []float32) error {
	var fresh [3]*tensors.Tensor
	for i, values := range [][]float32{theta, m, v} {
		x, err := g.vector(g.layout.size, values)
		if err != nil {
			device.Free(fresh[:]...)
			return err
		}
		fresh[i] = x
	}
	device.Free(g.theta, g.m, g.v)
	g.theta, g.m, g.v = fresh[0], fresh[1], fresh[2]
	return nil
}

// The numbers of an update, in the order of its last input.
const (
	scalarRate = iota
	scalarBias1
	scalarBias2
	scalarTokens
	scalarMaxNorm
	scalarDecay
)

func (u update) scalars() []float32 {
	return []float32{
		scalarRate: float32(u.rate), scalarBias1: float32(u.bias1), scalarBias2: float32(u.bias2),
		scalarTokens: float32(u.tokens), scalarMaxNorm: float32(u.maxNorm), scalarDecay: float32(u.decay),
	}
}

// adamW is an update; every vector is [size] float32. in: θ, m, v, summed gradient, scalars, and the layout's rates
// and decays, [size] or [1]. out: θ, m, v, ‖g/tokens‖ before
// clipping.
func adamW(in []*Node) []*Node {
	theta, m, v, g := in[0], in[1], in[2], in[3]
	scalar := func(i int) *Node { return Reshape(Slice(in[4], AxisElem(i)), 1) } // [1], broadcasts
	rates, decays := in[5], in[6]
	g = Mul(Div(g, scalar(scalarTokens)), Sign(rates)) // nothing of what is frozen
	norm := Reshape(Sqrt(ReduceAllSum(Square(g))), 1)
	limit := scalar(scalarMaxNorm)
	clip := Min(OnesLike(norm), Div(limit, AddScalar(norm, 1e-6)))
	g = Mul(g, Where(GreaterThan(limit, ZerosLike(limit)), clip, OnesLike(clip)))

	m = Add(MulScalar(m, beta1), MulScalar(g, 1-beta1))
	v = Add(MulScalar(v, beta2), MulScalar(Square(g), 1-beta2))
	theta = Mul(theta, OneMinus(Mul(Mul(scalar(scalarRate), scalar(scalarDecay)), Mul(rates, decays))))
	denominator := AddScalar(Sqrt(Div(v, scalar(scalarBias2))), epsilon)
	theta = Sub(theta, Mul(Mul(Div(scalar(scalarRate), scalar(scalarBias1)), rates), Div(m, denominator)))
	return []*Node{theta, m, v, norm}
}

// inputs are the arguments of a call. seed feeds dropout and is ignored without it.
func (c call) inputs(seed uint64) ([]any, error) {
	a := c.arrays()
	grid := func(x []int32) any { return tensors.FromFlatDataAndDimensions(x, c.shape.rows, c.shape.seq) }
	rng, err := RNGStateFromSeed(int64(seed))
	if err != nil {
		return nil, fmt.Errorf("dropout seed: %w", err)
	}
	segments, parents := grid(a.segments), grid(a.parents)
	if !c.shape.packed {
		one := tensors.FromFlatDataAndDimensions(make([]int32, c.shape.rows), c.shape.rows, 1)
		segments, parents = one, one
	}
	return []any{
		grid(a.tokens), grid(a.positions), segments, parents,
		tensors.FromFlatDataAndDimensions(a.rows, len(a.rows)),
		tensors.FromFlatDataAndDimensions(a.labels, c.shape.targets, c.shape.choices),
		tensors.FromFlatDataAndDimensions(a.weights, c.shape.targets, c.shape.choices),
		rng,
	}, nil
}

// vector puts values on the device, or zeros for nil.
func (g *graphs) vector(size int, values []float32) (*tensors.Tensor, error) {
	return device.Fill(g.base.backend, dtypes.Float32, []int{size}, false, func(dst []float32) error {
		clear(dst)
		copy(dst, values)
		return nil
	})
}
