package decoder

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm"
)

// mlp is the gated feed-forward network of layer i, down(act(gate(x)) · up(x)), on x [rows, hidden].
func (d *Decoder) mlp(i int, x *Node) *Node {
	c := d.Config
	var gate, up *Node // [rows, inner]
	if c.Has(lm.GateUp) {
		gateUp := d.linear(c.Path(i, lm.GateUp), x) // [rows, 2·inner]
		n := c.IntermediateSize
		gate, up = columns(gateUp, 0, n), columns(gateUp, n, 2*n)
	} else {
		both := d.linears(x, c.Path(i, lm.Gate), c.Path(i, lm.Up))
		gate, up = both[0], both[1]
	}
	return d.linear(c.Path(i, lm.Down), Mul(activate(c.Activation, gate), up))
}

// activate applies the non-linearity. Source of both GELUs: Hendrycks and Gimpel 2016.
func activate(a lm.Activation, x *Node) *Node {
	switch a {
	case lm.GELU: // x·Φ(x)
		return MulScalar(Mul(x, AddScalar(Erf(MulScalar(x, math.Sqrt2/2)), 1)), 0.5)
	case lm.GELUTanh:
		inner := MulScalar(Add(x, MulScalar(Mul(x, Square(x)), 0.044715)), math.Sqrt(2/math.Pi))
		return MulScalar(Mul(x, AddScalar(Tanh(inner), 1)), 0.5)
	case lm.ReLU:
		return Max(x, ZerosLike(x))
	}
	return Mul(x, Sigmoid(x)) // SiLU
}

// columns is x[:, from:to].
func columns(x *Node, from, to int) *Node {
	return Slice(x, AxisRange(), AxisRange(from, to))
}
