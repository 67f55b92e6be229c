package decoder

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// norm is root mean square normalisation over the last axis,
//
//	y = x / sqrt(mean(x²) + ε) · w      (gemma: · (1 + w))
//
// in float32 whatever the dtype of x. Source: Zhang and Sennrich 2019; transformers' LlamaRMSNorm, Gemma3RMSNorm.
func (d *Decoder) norm(name string, x *Node) *Node {
	w := d.Weights[name]
	dtype := x.DType()
	x = f32(x)
	square := AddScalar(ReduceAndKeep(Square(x), ReduceMean, -1), d.Config.NormEps) // [..., 1]
	y := Div(x, Sqrt(square))                                                       // not Rsqrt, which has no gradient in gomlx
	if d.Config.UnitOffsetNorm {
		y = Mul(y, ExpandLeftToRank(AddScalar(f32(w), 1), y.Rank()))
		return ConvertDType(y, dtype)
	}
	return Mul(ConvertDType(y, dtype), ExpandLeftToRank(w, y.Rank()))
}

// f32 converts x to float32, where it is not.
func f32(x *Node) *Node { return ConvertDType(x, dtypes.Float32) }
