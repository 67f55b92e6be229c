package decoder

import (
	"strings"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm"
)

// norm normalises x by a part of layer i, which the family may not have.
func (d *Decoder) norm(i int, part lm.Part, x *Node) *Node {
	if !d.Config.Has(i, part) {
		return x
	}
	return d.normalize(d.Config.Path(i, part), x)
}

// finalNorm is that of the residual stream behind the layers, and the scale of the logits.
func (d *Decoder) finalNorm(x *Node) *Node {
	x = d.normalize(strings.TrimSuffix(lm.FinalNorm, ".weight"), x)
	return scaled(x, d.Config.LogitScale)
}

// normalize is root mean square normalisation over the last axis,
//
//	y = x / sqrt(mean(x²) + ε) · w + b      (gemma: · (1 + w))
//
// in float32 whatever the dtype of x, with w and b where there are any. A layer norm takes the mean of x off first.
// Source: Zhang and Sennrich 2019; transformers' LlamaRMSNorm, Gemma3RMSNorm, Cohere2LayerNorm.
func (d *Decoder) normalize(path string, x *Node) *Node {
	w, b := d.Weights[path+".weight"], d.Weights[path+".bias"]
	dtype := x.DType()
	x = f32(x)
	if d.Config.LayerNorm {
		x = Sub(x, ReduceAndKeep(x, ReduceMean, -1))
	}
	square := AddScalar(ReduceAndKeep(Square(x), ReduceMean, -1), d.Config.NormEps) // [..., 1]
	y := Div(x, Sqrt(square))                                                       // not Rsqrt, which has no gradient in gomlx
	switch {
	case w == nil:
		y = ConvertDType(y, dtype)
	case d.Config.UnitOffsetNorm:
		y = ConvertDType(Mul(y, ExpandLeftToRank(AddScalar(f32(w), 1), y.Rank())), dtype)
	default:
		y = Mul(ConvertDType(y, dtype), ExpandLeftToRank(w, y.Rank()))
	}
	if b != nil {
		y = Add(y, ExpandLeftToRank(b, y.Rank()))
	}
	return y
}

// scaled is x·s.
func scaled(x *Node, s float64) *Node {
	if s == 1 {
		return x
	}
	return MulScalar(x, s)
}

// f32 converts x to float32, where it is not.
func f32(x *Node) *Node { return ConvertDType(x, dtypes.Float32) }
