package decoder

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// LoRA is the low-rank update of one projection. A and B are float32 whatever the precision of the base.
type LoRA struct {
	A     *Node   // [rank, in]
	B     *Node   // [out, rank]
	Scale float64 // alpha/rank
}

// linear applies the projection at path to x [rows, in], and its low-rank update when the adapter has one:
//
//	y = x·Wᵀ + b + alpha/rank · (drop(x)·Aᵀ)·Bᵀ      [rows, out]
//
// Source: Hu et al. 2021, "LoRA", as in PEFT. No other file knows about adapters.
func (d *Decoder) linear(path string, x *Node) *Node {
	y := contract(x, d.Weights[path+".weight"], 1, d.inAxis()) // [rows, out]
	if b, ok := d.Weights[path+".bias"]; ok {
		y = Add(y, ExpandLeftToRank(b, 2))
	}
	ab, ok := d.Adapter[path]
	if !ok {
		return y
	}
	xa := f32(x)
	if d.Dropout != nil {
		xa = d.Dropout(xa)
	}
	z := contract(xa, ab.A, 1, 1)                      // [rows, rank]
	dy := contract(MulScalar(z, ab.Scale), ab.B, 1, 1) // [rows, out]
	return Add(y, ConvertDType(dy, y.DType()))
}

// contract is the matrix product of two matrices over one axis of each, the other axes of x first.
func contract(x, w *Node, xAxis, wAxis int) *Node {
	return DotGeneral(x, []int{xAxis}, nil, w, []int{wAxis}, nil)
}
