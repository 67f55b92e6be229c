package decoder

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm"
)

// rotation holds the cosines and sines of one rotary embedding for the positions of a call: [batch, seq, 1, dim/2].
type rotation struct{ cos, sin *Node }

// rotate computes the rotation for positions [batch, seq].
func (d *Decoder) rotate(r lm.Rope, positions *Node) rotation {
	inv := Const(positions.Graph(), r.Frequencies(d.Config.RotaryDim)) // [dim/2]
	angle := Mul(InsertAxes(ConvertDType(positions, dtypes.Float32), -1), ExpandLeftToRank(inv, 3))
	dtype := d.Weights[lm.EmbedTokens].DType()
	angle = InsertAxes(angle, 2) // [batch, seq, 1, dim/2]
	return rotation{cos: ConvertDType(Cos(angle), dtype), sin: ConvertDType(Sin(angle), dtype)}
}

// apply rotates the leading dimensions of x [batch, seq, heads, headDim] pairwise, dimension i with i + dim/2:
//
//	(x₁, x₂) → (x₁·cos − x₂·sin, x₂·cos + x₁·sin)
//
// Source: Su et al. 2021, in the half-split layout of transformers.
func (r *rotation) apply(x *Node) *Node {
	if r == nil {
		return x
	}
	half := r.cos.Shape().Dim(-1)
	part := func(from, to int) *Node {
		return Slice(x, AxisRange(), AxisRange(), AxisRange(), AxisRange(from, to))
	}
	x1, x2 := part(0, half), part(half, 2*half)
	parts := []*Node{
		Sub(Mul(x1, r.cos), Mul(x2, r.sin)),
		Add(Mul(x2, r.cos), Mul(x1, r.sin)),
	}
	if dim := x.Shape().Dim(-1); 2*half < dim {
		parts = append(parts, part(2*half, dim))
	}
	return Concatenate(parts, -1)
}
