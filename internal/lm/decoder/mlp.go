package decoder

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm"
)

// mlp is the feed-forward network of layer i on x [rows, hidden]: down(act(gate(x)) · up(x)), or without a gate
// down(act(up(x))).
func (d *Decoder) mlp(i int, x *Node) *Node {
	c := d.Config
	var gate, up *Node // [rows, inner]
	switch {
	case c.Has(i, lm.Router):
		return d.experts(i, x)
	case c.Has(i, lm.GateUp):
		gateUp := d.linear(c.Path(i, lm.GateUp), x) // [rows, 2·inner]
		n := c.IntermediateSize
		gate, up = columns(gateUp, 0, n), columns(gateUp, n, 2*n)
	case c.Has(i, lm.Gate):
		both := d.linears(x, c.Path(i, lm.Gate), c.Path(i, lm.Up))
		gate, up = both[0], both[1]
	default:
		return d.linear(c.Path(i, lm.Down), d.activate(i, d.linear(c.Path(i, lm.Up), x)))
	}
	return d.linear(c.Path(i, lm.Down), Mul(d.activate(i, gate), up))
}

// activate applies the non-linearity of layer i. Source of both GELUs: Hendrycks and Gimpel 2016.
func (d *Decoder) activate(i int, x *Node) *Node {
	switch d.Config.Activation {
	case lm.GELU: // x·Φ(x)
		return MulScalar(Mul(x, AddScalar(Erf(MulScalar(x, math.Sqrt2/2)), 1)), 0.5)
	case lm.GELUTanh:
		inner := MulScalar(Add(x, MulScalar(Mul(x, Square(x)), 0.044715)), math.Sqrt(2/math.Pi))
		return MulScalar(Mul(x, AddScalar(Tanh(inner), 1)), 0.5)
	case lm.ReLU:
		return Max(x, ZerosLike(x))
	case lm.ReLU2:
		return Square(Max(x, ZerosLike(x)))
	case lm.Bounded:
		x = MinScalar(x, d.Config.Experts.Limit)
		return Mul(x, Sigmoid(MulScalar(x, d.Config.Experts.Slope)))
	case lm.XIELU:
		return d.xielu(d.Config.Path(i, lm.Act), x)
	}
	return Mul(x, Sigmoid(x)) // SiLU
}

// xielu is α₊x² + βx for positive x and α₋(expm1(min(x, ε)) − x) + βx for others; the checkpoint has the α before a
// softplus, of the second without β. Source: Huang and Schlag 2024, as in transformers.
func (d *Decoder) xielu(path string, x *Node) *Node {
	number := func(name string) *Node { return Reshape(f32(d.Weights[path+name]), 1, 1) }
	softplus := func(x *Node) *Node { return Log1P(Exp(x)) }
	beta := number(".beta")
	plus, minus := softplus(number(".alpha_p")), Add(beta, softplus(number(".alpha_n")))
	dtype := x.DType()
	x = f32(x)
	shape := x.Shape()
	above := Mul(plus, Square(x))
	below := Mul(minus, Sub(AddScalar(Exp(Min(x, BroadcastToShape(number(".eps"), shape))), -1), x)) // gomlx's Expm1 has no gradient
	y := Add(Where(GreaterThan(x, ZerosLike(x)), above, below), Mul(beta, x))
	return ConvertDType(y, dtype)
}

// columns is x[:, from:to].
func columns(x *Node, from, to int) *Node {
	return Slice(x, AxisRange(), AxisRange(from, to))
}
