package decoder

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm"
)

// mlp is the gated feed-forward network, down(act(gate(x)) · up(x)), on x [rows, hidden].
func (d *Decoder) mlp(layer string, x *Node) *Node {
	var gate, up *Node // [rows, inner]
	if d.Config.Fused {
		gateUp := d.linear(layer+".mlp.gate_up_proj", x) // [rows, 2·inner]
		n := d.Config.IntermediateSize
		gate, up = columns(gateUp, 0, n), columns(gateUp, n, 2*n)
	} else {
		both := d.linears(x, layer+".mlp.gate_proj", layer+".mlp.up_proj")
		gate, up = both[0], both[1]
	}
	return d.linear(layer+".mlp.down_proj", Mul(activate(d.Config.Activation, gate), up))
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
