package decoder

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm"
)

// rotation holds the cosines and sines of one rotary embedding for the positions of a call: [batch, seq, 1, dim/2].
type rotation struct {
	cos, sin    *Node
	interleaved bool
}

// rotate computes the rotation for positions [batch, seq] of texts of lengths [batch, 1] or [1, 1].
func (d *Decoder) rotate(r lm.Rope, positions, lengths *Node) rotation {
	inv := ExpandLeftToRank(d.frequencies(r, lengths), 3)
	angle := Mul(InsertAxes(ConvertDType(positions, dtypes.Float32), -1), inv)
	dtype := d.Weights[lm.EmbedTokens].DType()
	angle = InsertAxes(angle, 2) // [batch, seq, 1, dim/2]
	part := func(x *Node) *Node { return ConvertDType(scaled(x, r.Scale()), dtype) }
	return rotation{part(Cos(angle)), part(Sin(angle)), d.Config.Interleaved}
}

// frequencies of a rotation: [dim/2] or, where they depend on lengths, [batch, 1, dim/2] or [1, 1, dim/2].
func (d *Decoder) frequencies(r lm.Rope, lengths *Node) *Node {
	g, dim := lengths.Graph(), d.Config.RotaryDim
	inv := Const(g, r.Frequencies(dim, 1))
	if r.Border() == 0 {
		return inv
	}
	inv, lengths = ExpandLeftToRank(inv, 3), InsertAxes(lengths, -1)
	if r.Type == lm.RopeDynamic { // lm.Rope.Stretch
		stretch := MulScalar(MaxScalar(DivScalar(f32(lengths), float64(r.OriginalContext)), 1), r.Factor)
		exponents := MulScalar(Iota(g, shape(dtypes.Float32, 1, 1, dim/2), 2), -2/float64(dim-2))
		return Mul(inv, Exp(Mul(Log(AddScalar(stretch, 1-r.Factor)), exponents)))
	}
	long := ExpandLeftToRank(Const(g, r.Frequencies(dim, r.Border()+1)), 3)
	return Add(inv, Mul(Sub(long, inv), f32(GreaterThan(lengths, Scalar(g, dtypes.Int32, r.Border())))))
}

// apply rotates the leading dimensions of x [batch, seq, heads, headDim] pairwise, dimension i with i + dim/2 or, when
// they are interleaved, 2i with 2i+1:
//
//	(x₁, x₂) → (x₁·cos − x₂·sin, x₂·cos + x₁·sin)
//
// Source: Su et al. 2021, in the layouts of transformers.
func (r *rotation) apply(x *Node) *Node {
	if r == nil {
		return x
	}
	half, dim := r.cos.Shape().Dim(-1), x.Shape().Dim(-1)
	part := func(from, to int) *Node {
		return Slice(x, AxisRange(), AxisRange(), AxisRange(), AxisRange(from, to))
	}
	turned := part(0, 2*half)
	if r.interleaved {
		dims := turned.Shape().Dimensions
		pairs := Reshape(turned, dims[0], dims[1], dims[2], half, 2)
		each := func(i int) *Node {
			return Squeeze(Slice(pairs, AxisRange(), AxisRange(), AxisRange(), AxisRange(), AxisElem(i)), -1)
		}
		x1, x2 := r.turn(each(0), each(1))
		turned = Reshape(Concatenate([]*Node{InsertAxes(x1, -1), InsertAxes(x2, -1)}, -1), dims...)
	} else {
		x1, x2 := r.turn(part(0, half), part(half, 2*half))
		turned = Concatenate([]*Node{x1, x2}, -1)
	}
	if 2*half == dim {
		return turned
	}
	return Concatenate([]*Node{turned, part(2*half, dim)}, -1)
}

func (r *rotation) turn(x1, x2 *Node) (*Node, *Node) {
	return Sub(Mul(x1, r.cos), Mul(x2, r.sin)), Add(Mul(x2, r.cos), Mul(x1, r.sin))
}
