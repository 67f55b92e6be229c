package decoder

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm"
)

// experts is the layer of experts in place of an MLP, on x [rows, hidden]: the sum over the chosen ones of their weights times
// down(act(gate(x)) · up(x)). A graph has one shape whichever are chosen, so all experts are computed, in two products as wide as
// all of them together, and those that are not chosen weigh nothing. Source: Shazeer et al. 2017, in the forms of transformers.
func (d *Decoder) experts(i int, x *Node) *Node {
	c, e := d.Config, d.Config.Experts
	rows := x.Shape().Dim(0)
	weights := d.route(f32(d.linear(c.Path(i, lm.Router), x))) // [rows, experts]

	path := c.Path(i, lm.ExpertsGateUp)
	gateUp := d.kept(contract(x, d.Weights[path+".weight"], 1)) // [rows, experts·2·inner]
	gateUp = Reshape(gateUp, rows, e.Count, 2*e.Size)
	if ab, ok := d.Adapter[path]; ok {
		z := Reshape(lowRank(f32(x), ab.A), rows, e.Count, -1) // [rows, experts, rank]
		z = MulScalar(d.used(z), ab.Scale)
		gateUp = Add(gateUp, ConvertDType(perExpert(z, ab.B, e.Count), gateUp.DType()))
	}
	if b := d.Weights[path+".bias"]; b != nil {
		gateUp = Add(gateUp, Reshape(b, 1, e.Count, 2*e.Size))
	}
	half := func(from int) *Node { return Slice(gateUp, AxisRange(), AxisRange(), AxisRange(from, from+e.Size)) }
	up := half(e.Size)
	if c.Activation == lm.Bounded {
		up = AddScalar(ClipScalar(up, -e.Limit, e.Limit), 1)
	}
	inner := Mul(d.activate(i, half(0)), up) // [rows, experts, inner]
	inner = Mul(inner, ConvertDType(InsertAxes(weights, -1), inner.DType()))

	path = c.Path(i, lm.ExpertsDown)
	w := Reshape(d.Weights[path+".weight"], e.Count, c.HiddenSize, e.Size)
	y := d.kept(product(inner, []int{1, 2}, nil, w, []int{0, 2}, nil)) // [rows, hidden]
	if ab, ok := d.Adapter[path]; ok {
		z := MulScalar(d.used(perExpert(f32(inner), ab.A, e.Count)), ab.Scale) // [rows, experts, rank]
		y = Add(y, ConvertDType(ReduceSum(perExpert(z, ab.B, e.Count), 1), y.DType()))
	}
	if b := d.Weights[path+".bias"]; b != nil {
		y = Add(y, contract(ConvertDType(weights, b.DType()), Reshape(b, e.Count, c.HiddenSize), 0))
	}
	return y
}

// used is z [rows, experts, rank] of the rows that have an adapter, and 0 for others.
func (d *Decoder) used(z *Node) *Node {
	if d.Adapted == nil {
		return z
	}
	return Mul(z, InsertAxes(d.Adapted, -1))
}

// route turns the router's scores [rows, experts] into weights of the same shape, 0 for experts that are not among the first.
func (d *Decoder) route(scores *Node) *Node {
	e := d.Config.Experts
	p := Softmax(scores, -1)
	_, best := TopK(StopGradient(p), e.Used, -1)                                     // [rows, used]
	at := Iota(p.Graph(), shape(dtypes.Int32, p.Shape().Dim(0), e.Used, e.Count), 2) // [rows, used, experts]
	hot := Equal(at, BroadcastToShape(InsertAxes(ConvertDType(best, dtypes.Int32), -1), at.Shape()))
	p = Mul(p, ReduceSum(f32(hot), 1))
	if e.Normalized {
		p = Div(p, ReduceAndKeep(p, ReduceSum, -1))
	}
	return p
}

// perExpert is x [rows, experts, n] times a matrix of each expert, w [experts·m, n], or [rows, experts·m, n] where they differ from
// row to row: [rows, experts, m].
func perExpert(x, w *Node, experts int) *Node {
	rows, n := x.Shape().Dim(0), x.Shape().Dim(2)
	if w.Rank() == 3 {
		return product(x, []int{2}, []int{0, 1}, Reshape(w, rows, experts, -1, n), []int{3}, []int{0, 1})
	}
	y := product(x, []int{2}, []int{1}, Reshape(w, experts, -1, n), []int{2}, []int{0}) // [experts, rows, m]
	return TransposeAllAxes(y, 1, 0, 2)
}
