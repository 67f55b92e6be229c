package decoder

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// LoRA is the low-rank update of one projection. A and B are float32 whatever the precision of the base.
type LoRA struct {
	A     *Node   // [rank, in], or [rows, rank, in]: one for each row of the call
	B     *Node   // [out, rank], or [rows, out, rank]
	Scale float64 // alpha/rank
}

// linear applies the projection at path to x [rows, in], and its low-rank update when the adapter has one:
//
//	y = x·Wᵀ + b + alpha/rank · (drop(x)·Aᵀ)·Bᵀ      [rows, out]
//
// Source: Hu et al. 2021, "LoRA", as in PEFT. No other file knows about adapters.
func (d *Decoder) linear(path string, x *Node) *Node { return d.linears(x, path)[0] }

// linears applies several projections to the same x.
func (d *Decoder) linears(x *Node, paths ...string) []*Node {
	reduced := d.reduce(x, paths)
	ys := make([]*Node, len(paths))
	for i, path := range paths {
		y := contract(x, d.Weights[path+".weight"], 1, d.inAxis()) // [rows, out]
		if b, ok := d.Weights[path+".bias"]; ok {
			y = Add(y, ExpandLeftToRank(b, 2))
		}
		if z, ok := reduced[path]; ok {
			ab := d.Adapter[path]
			y = Add(y, ConvertDType(lowRank(MulScalar(z, ab.Scale), ab.B), y.DType()))
		}
		ys[i] = y
	}
	return ys
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
			out[path] = contract(d.Dropout(f32(x)), ab.A, 1, 1)
		default:
			adapted, stack = append(adapted, path), append(stack, ab.A)
		}
	}
	if len(stack) == 0 {
		return out
	}
	z := contract(f32(x), Concatenate(stack, 0), 1, 1) // [rows, Σ rank]
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
		return DotGeneral(x, []int{1}, []int{0}, w, []int{2}, []int{0})
	}
	return contract(x, w, 1, 1)
}

// contract is the matrix product of two matrices over one axis of each, the other axes of x first.
func contract(x, w *Node, xAxis, wAxis int) *Node {
	return DotGeneral(x, []int{xAxis}, nil, w, []int{wAxis}, nil)
}
