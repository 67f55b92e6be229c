package decoder

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// LoRA is the low-rank update of one projection. A and B are float32 whatever the precision of the base; what is computed with them
// is rounded as the base's activations are, but for adapters that differ from row to row.
type LoRA struct {
	A     *Node   // [rank, in], or [rows, rank, in]: one for each row of the call
	B     *Node   // [out, rank], or [rows, out, rank]
	Scale float64 // alpha/rank
	// Of DoRA, [out]: lengths of the rows of W + scale·BA; nil = those that they have.
	Magnitude *Node
	Bias      *Node // [out], times Scale; nil = none
}

// linear applies the projection at path to x [rows, in], and its low-rank update when the adapter has one:
//
//	y = c·(x·Wᵀ + alpha/rank · (drop(x)·Aᵀ)·Bᵀ) + b      [rows, out]
//
// with the factors c of DoRA, otherwise 1. Source: Hu et al. 2021, "LoRA", as in PEFT.
func (d *Decoder) linear(path string, x *Node) *Node { return d.linears(x, path)[0] }

// linears applies several projections to the same x.
func (d *Decoder) linears(x *Node, paths ...string) []*Node {
	reduced := d.reduce(x, paths)
	ys := make([]*Node, len(paths))
	for i, path := range paths {
		y := d.kept(contract(x, d.Weights[path+".weight"], d.inAxis())) // [rows, out]
		bias := d.Weights[path+".bias"]
		if z, ok := reduced[path]; ok {
			ab := d.Adapter[path]
			y = Add(y, ConvertDType(lowRank(MulScalar(z, ab.Scale), ConvertDType(ab.B, z.DType())), y.DType()))
			if ab.Magnitude != nil {
				y = Mul(y, ConvertDType(ExpandLeftToRank(d.factors(path), 2), y.DType()))
			}
			if ab.Bias != nil {
				bias = Add(bias, ConvertDType(MulScalar(ab.Bias, ab.Scale), bias.DType()))
			}
		}
		if bias != nil {
			y = Add(y, ExpandLeftToRank(bias, 2))
		}
		ys[i] = y
	}
	return ys
}

// kept takes the mark of packed weights off their product.
func (d *Decoder) kept(y *Node) *Node {
	if d.Packed && !d.Recompute {
		return y.StopCheckpoint()
	}
	return y
}

// factors are the magnitudes of DoRA over the lengths of the rows of W + scale·BA, which count as constants in the gradient:
// [out]. Source: Liu et al. 2024, as in PEFT.
func (d *Decoder) factors(path string) *Node {
	ab, w := d.Adapter[path], f32(d.Weights[path+".weight"])
	if d.Transposed {
		w = Transpose(w, 0, 1)
	}
	sum := Add(w, MulScalar(contract(ab.B, ab.A, 0), ab.Scale)) // [out, in]
	return Div(ab.Magnitude, StopGradient(Sqrt(ReduceSum(Square(sum), -1))))
}

// reduce returns drop(x)·Aᵀ [rows, rank] for every path with an update. Without dropout, which differs from one update to
// the next, the matrices A are stacked: x is large and they are thin, so it is reading x that takes the time, here and in
// both products of the backward pass.
func (d *Decoder) reduce(x *Node, paths []string) map[string]*Node {
	out := map[string]*Node{}
	var adapted []string
	var stack []*Node
	for _, path := range paths {
		ab, ok := d.Adapter[path]
		switch {
		case !ok:
		case d.Adapted != nil:
			out[path] = Mul(lowRank(f32(x), ab.A), d.Adapted)
		case d.Dropout != nil:
			out[path] = contract(d.Dropout(x), ConvertDType(ab.A, x.DType()), 1)
		default:
			adapted, stack = append(adapted, path), append(stack, ab.A)
		}
	}
	if len(stack) == 0 {
		return out
	}
	z := contract(x, ConvertDType(Concatenate(stack, 0), x.DType()), 1) // [rows, Σ rank]
	from := 0
	for i, path := range adapted {
		to := from + stack[i].Shape().Dim(0)
		out[path] = columns(z, from, to)
		from = to
	}
	return out
}

// lowRank is x [rows, n] times a matrix [m, n], or one of [rows, m, n] for each row: [rows, m].
func lowRank(x, w *Node) *Node {
	if w.Rank() == 3 {
		return product(x, []int{1}, []int{0}, w, []int{2}, []int{0})
	}
	return contract(x, w, 1)
}

// contract is the matrix product of x [rows, n] and a matrix over its axis wAxis, which is n long: [rows, other axis of w].
func contract(x, w *Node, wAxis int) *Node {
	return product(x, []int{1}, nil, w, []int{wAxis}, nil)
}

// product contracts axes of x with axes of w; the first axes of the result are the batch axes. Backends add products of bfloat16
// up in float32 without being told so. Told so, as DotGeneral does it, gomlx computes the way back in float32 altogether: on copies of
// the weights of twice their size, at a twelfth of a GPU's speed.
func product(x *Node, xAxes, xBatch []int, w *Node, wAxes, wBatch []int) *Node {
	return Dot(x, w).WithAccumulatorDType(dtypes.InvalidDType).General(xAxes, xBatch, wAxes, wBatch)
}
