package lora

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/lm/decoder"
	"github.com/docent-ml/docent/internal/lm/model"
)

// graphs is a computer of a backend. The vectors are tensors there, which the programs pass on. Several devices each compute a part
// of a call, of which they add the gradients up, and each updates parameters of its own, which stay alike.
type graphs struct {
	base            *Base
	layout          *layout
	options         Options
	log             *slog.Logger
	root            fs.FS                   // of the system, which tells how much memory there is
	shapes          map[shape]bool          // that were computed, each a compiled form
	stepProgram     *device.Program         // a step of one call: loss, gradient, AdamW
	gradientProgram *device.Program         // one call of a step of several: loss and gradient
	updateProgram   *device.Program         // the end of a step of several: AdamW
	lossProgram     *device.Program         // loss alone
	proposals       map[int]*device.Program // the k likeliest tokens of the base model
	weights         []vector                // of the base model, by device behind the first, which has the model's own
	theta, m, v     vector                  // [layout.size]
	zero, sum       vector                  // the gradient before the first call of a step, and as it stands on each device
	rates, decays   vector                  // of the layout, or [1]
	dropout         float64
	recompute       bool
}

// vector is tensors of one shape, one on each device.
type vector []*tensors.Tensor

// batchInputs is the number of parameters that describe a call: tokens, positions, segments, parents, rows, labels, weights
// and the state of the dropout's random numbers.
const batchInputs = 8

func newGraphs(b *Base, l *layout, c Config, o Options, log *slog.Logger) (*graphs, error) {
	g := &graphs{base: b, layout: l, options: o, log: log, root: os.DirFS("/"), shapes: map[shape]bool{}, proposals: map[int]*device.Program{}, dropout: c.Dropout}
	g.recompute = o.Recompute && b.backend.Capabilities().Operations[compute.OpTypeOptimizationBarrier] // gomlx's Go backend has none
	if l.devices = 1; o.AllDevices {
		l.devices = b.backend.NumDevices()
	}
	weights := len(b.model.Weights)
	var errs []error
	program := func(name string, build func(in []*Node) []*Node) *device.Program {
		p, err := device.NewParallel(b.backend, l.devices, name, build)
		errs = append(errs, err)
		return p
	}
	filled := func(values []float32) vector {
		if values == nil {
			values = []float32{1}
		}
		v, err := g.vector(values)
		errs = append(errs, err)
		return v
	}
	g.stepProgram = program("train step", g.buildStep)
	g.gradientProgram = program("gradient", func(in []*Node) []*Node {
		theta, gradient := in[batchInputs+weights], in[batchInputs+weights+1]
		sum, surrogate, flat := g.buildLoss(in, theta, c.Dropout)
		return []*Node{sum, Add(gradient, l.join(Gradient(surrogate, flat...)))}
	})
	g.lossProgram = program("evaluate", func(in []*Node) []*Node {
		sum, _, _ := g.buildLoss(in, in[batchInputs+weights], 0)
		return []*Node{sum}
	})
	g.updateProgram = program("update", adamW)
	g.zero, g.rates, g.decays = filled(make([]float32, l.size)), filled(l.rates), filled(l.decays)
	g.sum = g.zero
	for to := 1; to < l.devices; to++ {
		g.weights = append(g.weights, nil)
		for _, w := range b.model.Weights {
			x, err := device.Copy(b.backend, w, to)
			if err != nil {
				errs = append(errs, err)
				break
			}
			g.weights[to-1] = append(g.weights[to-1], x)
		}
	}
	if err := errors.Join(errs...); err != nil {
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
	for _, v := range append(g.weights, g.theta, g.m, g.v, g.zero, g.rates, g.decays) {
		device.Free(v...)
	}
	for _, p := range append(slices.Collect(maps.Values(g.proposals)), g.stepProgram, g.gradientProgram, g.updateProgram, g.lossProgram) {
		p.Close()
	}
}

// inputs are the arguments of a program, by device: its part of a call, if there is one, the base model's weights, and vectors.
func (g *graphs) inputs(c *call, seed uint64, vectors ...vector) ([][]any, error) {
	out := make([][]any, g.layout.devices)
	for d := range out {
		if c != nil {
			var err error
			if out[d], err = c.on(d).inputs(seed ^ uint64(d)<<48); err != nil {
				return nil, err
			}
			out[d] = append(out[d], g.base.model.Inputs()...)
			if d > 0 {
				for i, w := range g.weights[d-1] {
					out[d][batchInputs+i] = w
				}
			}
		}
		for _, v := range vectors {
			out[d] = append(out[d], v[d])
		}
	}
	return out, nil
}

// run returns the results of a program, by their place and then by device.
func (g *graphs) run(p *device.Program, in [][]any) ([]vector, error) {
	flat, err := p.Run(slices.Concat(in...))
	out := make([]vector, len(flat)/len(in))
	for i, x := range flat {
		out[i%len(out)] = append(out[i%len(out)], x)
	}
	return out, err
}

// compute runs a program on a call. Its first result is the summed loss, of which each device has a part.
func (g *graphs) compute(p *device.Program, what string, c call, seed uint64, vectors ...vector) (loss float64, out []vector, err error) {
	g.compiling(what, c.shape)
	in, err := g.inputs(&c, seed, vectors...)
	if err != nil {
		return 0, nil, err
	}
	if out, err = g.run(p, in); err != nil {
		return 0, nil, err
	}
	numbers, err := read(out[0])
	for _, x := range numbers {
		loss += x
	}
	return loss, out[1:], err
}

func (g *graphs) gradient(c call, seed uint64) (float64, error) {
	loss, out, err := g.compute(g.gradientProgram, "gradient", c, seed, g.theta, g.sum)
	if len(out) > 0 {
		g.discard()
		g.sum = out[0]
	}
	return loss, err
}

func (g *graphs) loss(c call) (float64, error) {
	loss, _, err := g.compute(g.lossProgram, "evaluate", c, 0, g.theta)
	return loss, err
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
	in, err := g.inputs(&c, 0)
	if err != nil {
		return nil, nil, err
	}
	out, err := p.Run(in[0]) // the first device alone
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

// read takes the numbers of a small vector, device after device, and frees it.
func read(v vector) (numbers []float64, err error) {
	defer device.Free(v...)
	for _, x := range v {
		floats, err := device.Floats(x)
		if err != nil {
			return nil, err
		}
		for _, y := range floats {
			numbers = append(numbers, float64(y))
		}
	}
	return numbers, nil
}

// compiling notes a shape that is computed for the first time.
func (g *graphs) compiling(what string, s shape) {
	if !g.shapes[s] {
		g.shapes[s] = true
		g.log.Info("compiling", "graph", what, "sequences", s.rows, "length", s.seq, "targets", s.targets, "devices", g.layout.devices)
	}
}

func (g *graphs) discard() {
	if len(g.sum) > 0 && g.sum[0] != g.zero[0] {
		device.Free(g.sum...)
	}
	g.sum = g.zero
}

func (g *graphs) update(u update) (float64, error) {
	defer g.discard()
	in, err := g.inputs(nil, 0, g.theta, g.m, g.v, g.sum)
	if err != nil {
		return 0, err
	}
	_, norm, err := g.advance(g.updateProgram, g.with(u, in))
	return norm, err
}

// step reads two numbers back. That it waits for them costs nothing: go-xla waits for the end of every program by itself.
func (g *graphs) step(c call, seed uint64, u update) (loss, norm float64, err error) {
	g.compiling("train step", c.shape)
	in, err := g.inputs(&c, seed, g.theta, g.m, g.v)
	if err != nil {
		return 0, 0, err
	}
	return g.advance(g.stepProgram, g.with(u, in))
}

// with appends what an update takes beside vectors.
func (g *graphs) with(u update, in [][]any) [][]any {
	for d := range in {
		in[d] = append(in[d], u.scalars(), g.rates[d], g.decays[d])
	}
	return in
}

// advance runs a program that ends with an update. It takes θ, m and v over, if the numbers behind them, which it returns, are
// finite: the loss of each device, where that is in the program, and the norm.
func (g *graphs) advance(p *device.Program, in [][]any) (loss, norm float64, err error) {
	out, err := g.run(p, in)
	if err != nil {
		return 0, 0, err
	}
	old := slices.Concat(out[:3]...) // unless it is taken over
	defer func() { device.Free(old...) }()
	numbers, err := read(out[3])
	if err != nil {
		return 0, 0, err
	}
	each := len(numbers) / len(in) // loss and norm, or norm
	for i, x := range numbers {
		if (i+1)%each != 0 {
			loss += x
		}
	}
	norm = numbers[each-1]
	if !slices.ContainsFunc(numbers, bad) {
		old = slices.Concat(g.theta, g.m, g.v)
		g.theta, g.m, g.v = out[0], out[1], out[2]
	}
	return loss, norm, nil
}

func (g *graphs) state() (theta, m, v []float32, err error) {
	var out [3][]float32
	for i, x := range []vector{g.theta, g.m, g.v} {
		if out[i], err = device.Floats(x[0]); err != nil {
			return nil, nil, nil, fmt.Errorf("read from the device: %w", err)
		}
	}
	return out[0], out[1], out[2], nil
}

func (g *graphs) setState(theta, m, v []float32) error {
	var fresh [3]vector
	for i, values := range [][]float32{theta, m, v} {
		full := make([]float32, g.layout.size)
		copy(full, values)
		x, err := g.vector(full)
		if fresh[i] = x; err != nil {
			device.Free(slices.Concat(fresh[:]...)...)
			return err
		}
	}
	device.Free(slices.Concat(g.theta, g.m, g.v)...)
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

// adamW is an update; every vector is [size] float32. in: θ, m, v, the device's part of the summed gradient, scalars, and the
// layout's rates and decays, [size] or [1]. out: θ, m, v, ‖g/tokens‖ before clipping.
func adamW(in []*Node) []*Node {
	theta, m, v, g := in[0], in[1], in[2], device.Sum(in[3])
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

// vector puts values on every device. What it made before an error is in it.
func (g *graphs) vector(values []float32) (vector, error) {
	x, err := device.Fill(g.base.backend, dtypes.Float32, []int{len(values)}, false, func(dst []float32) error {
		copy(dst, values)
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := vector{x}
	for to := 1; to < g.layout.devices; to++ {
		if x, err = device.Copy(g.base.backend, out[0], to); err != nil {
			return out, err
		}
		out = append(out, x)
	}
	return out, nil
}
