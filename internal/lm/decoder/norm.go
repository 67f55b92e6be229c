package decoder

import (
	"strings"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm"
)

// norm normalises x by a part of layer i, which the family may not have.
func (d *Decoder) norm(i int, part lm.Part, x *Node) *Node {
	if !d.Config.Has(part) {
		return x
	}
	return d.normalize(d.Config.Path(i, part), x)
}

// finalNorm is that of the residual stream behind the layers.
func (d *Decoder) finalNorm(x *Node) *Node {
	return d.normalize(strings.TrimSuffix(lm.FinalNorm, ".weight"), x)
}

// normalize is root mean square normalisation over the last axis,
//
//	y = x / sqrt(mean(x²) + ε) · w      (gemma: · (1 + w))
//
// in float32 whatever the dtype of x. Source: Zhang and Sennrich 2019; transformers' LlamaRMSNorm, Gemma3RMSNorm.
func (d *Decoder) normalize(path string, x *Node) *Node {
	w := d.Weights[path+".weight"]
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
