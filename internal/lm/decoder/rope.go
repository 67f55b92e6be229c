package decoder

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm"
)

// rotation holds the cosines and sines of one rotary embedding for the positions of a call: [batch, seq, 1, dim/2].
type rotation struct{ cos, sin *Node }

// rotate computes the rotation for positions [batch, seq].
func (d *Decoder) rotate(r lm.Rope, positions *Node) rotation {
	inv := Const(positions.Graph(), frequencies(r, d.Config.RotaryDim)) // [dim/2]
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
func (r rotation) apply(x *Node) *Node {
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

// frequencies returns the dim/2 angular frequencies, in radians a position: theta^(-2i/dim), scaled as r says.
// Source: transformers' modeling_rope_utils (linear, llama3).
func frequencies(r lm.Rope, dim int) []float32 {
	out := make([]float32, dim/2)
	for i := range out {
		f := math.Pow(r.Theta, -float64(2*i)/float64(dim))
		switch r.Type {
		case lm.RopeLinear:
			f /= r.Factor
		case lm.RopeLlama3:
			f = llama3(r, f)
		}
		out[i] = float32(f)
	}
	return out
}

// llama3 keeps high frequencies, divides low ones by the factor, and blends linearly between.
func llama3(r lm.Rope, f float64) float64 {
	context := float64(r.OriginalContext)
	wavelength := 2 * math.Pi / f
	switch {
	case wavelength < context/r.HighFreq:
		return f
	case wavelength > context/r.LowFreq:
		return f / r.Factor
	}
	smooth := (context/wavelength - r.LowFreq) / (r.HighFreq - r.LowFreq)
	return (1-smooth)*f/r.Factor + smooth*f
}
