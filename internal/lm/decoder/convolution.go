package decoder

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm"
)

// convolution takes the place of attention: of x [rows, hidden] it makes two gates and what lies between them a causal convolution
// of each channel, C ∘ Σₖ tapsₖ·(B ∘ X)[t−k].
func (d *Decoder) convolution(i int, x *Node, at attender) *Node {
	c, n := d.Config, d.Config.HiddenSize
	in := d.linear(c.Path(i, lm.ConvIn), x) // [rows, 3·hidden]
	w := d.Weights[c.Path(i, lm.Conv)+".weight"]
	var y *Node
	for k, u := range at.back(i, Mul(columns(in, 0, n), columns(in, 2*n, 3*n)), c.ConvKernel) {
		tap := Reshape(columns(w, c.ConvKernel-1-k, c.ConvKernel-k), 1, n)
		if u = Mul(u, tap); y != nil {
			u = Add(y, u)
		}
		y = u
	}
	return d.linear(c.Path(i, lm.ConvOut), Mul(columns(in, n, 2*n), y))
}

// back finds what is before by masks, in one product with all of them: a segment goes on behind its parent.
func (s sequences) back(_ int, u *Node, n int) (out []*Node) {
	hidden := u.Shape().Dim(1)
	var all []*Node
	for k := range n {
		near := s.masks[k+1] // [batch, 1, 1, seq, seq]
		if k > 0 {
			near = And(near, Not(s.masks[k]))
		}
		all = append(all, ConvertDType(Reshape(near, -1, s.seq, s.seq), u.DType()))
	}
	near := Concatenate(all, 1)
	if near.Shape().Dim(0) != s.batch { // one mask for all
		near = BroadcastToDims(near, s.batch, n*s.seq, s.seq)
	}
	y := product(near, []int{2}, []int{0}, Reshape(u, s.batch, s.seq, hidden), []int{1}, []int{0}) // [batch, n·seq, hidden]
	for k := range n {
		out = append(out, Reshape(Slice(y, AxisRange(), AxisRange(k*s.seq, (k+1)*s.seq)), s.batch*s.seq, hidden))
	}
	return out
}

// back has the cache hold u as values, beside keys of zeros, and looks at the end of the past and the recent part.
func (a *cached) back(i int, u *Node, n int) (out []*Node) {
	c, g := a.d.Config, u.Graph()
	rows, dim := a.batch*c.KVHeads, c.HiddenSize/c.KVHeads
	own := a.extend(i, KV{K: Zeros(g, shape(u.DType(), rows, 1, a.seq)), V: a.values(Reshape(u, a.batch, a.seq, c.KVHeads, dim))})

	past := a.c.Past[i].V
	positions := past.Shape().Dim(1)
	index := func(axis int) *Node { return Iota(g, shape(dtypes.Int32, a.batch, c.KVHeads, n-1), axis) }
	at := Add(AddScalar(index(2), 1-n), BroadcastToDims(InsertAxes(a.c.Lengths, -1, -1), a.batch, c.KVHeads, n-1))
	valid := ConvertDType(GreaterOrEqual(at, ZerosLike(at)), u.DType())
	row := Add(MulScalar(index(0), c.KVHeads), index(1))
	at = Add(MaxScalar(at, 0), MulScalar(row, positions))
	end := Mul(Gather(Reshape(past, rows*positions, dim), Reshape(at, rows*(n-1), 1)), Reshape(valid, rows*(n-1), 1))
	all := Concatenate([]*Node{Reshape(end, rows, n-1, dim), own.V}, 1)
	for k := range n {
		var y *Node // [rows, seq, dim]
		if first := n - 1 - k; a.c.Recent == nil {
			y = Slice(all, AxisRange(), AxisRange(first, first+a.seq))
		} else {
			here := Iota(g, shape(dtypes.Int32, all.Shape().Dimensions...), 1)
			here = Equal(here, BroadcastToDims(AddScalar(a.c.Column, first), here.Shape().Dimensions...))
			y = ReduceSum(Where(here, all, ZerosLike(all)), 1)
		}
		y = TransposeAllAxes(Reshape(y, a.batch, c.KVHeads, a.seq, dim), 0, 2, 1, 3)
		out = append(out, Reshape(y, a.batch*a.seq, c.HiddenSize))
	}
	return out
}
