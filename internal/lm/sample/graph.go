package sample

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// build is the graph of a recipe.
//
//	in: logits [slots, vocab], reals, words, and when edited: masks, counts of each slot, bias of each slot
//	out: ids [slots], and when edited: counts of each slot
func (r recipe) build(in []*Node) []*Node {
	logits, reals, words := in[0], in[1], in[2]
	scores := logits
	var counts *Node
	if r.edited {
		scores, counts = edit(logits, reals, in[3:])
	}
	largest := ReduceAndKeep(scores, ReduceMax, 1) // [slots, 1]
	best := ArgMax(scores, 1)                      // [slots]

	t := column(reals, temperature)
	z := Div(Sub(scores, largest), Where(Equal(t, ZerosLike(t)), OnesLike(t), t)) // [slots, vocab]; 0 for the most likely
	kept := r.kept(scores, largest, z, reals, words)
	// Gumbel-max: what is largest after independent Gumbel noise was added is distributed like exp(z).
	noisy := Where(kept, Add(z, gumbel(z.Shape(), words)), lowest(z.Graph()))
	ids := Where(Squeeze(GreaterThan(t, ZerosLike(t)), 1), ArgMax(noisy, 1), best)

	top := Squeeze(largest, 1)
	ids = Where(Equal(top, lowest(top.Graph())), Scalar(top.Graph(), dtypes.Int32, NoToken), ids)
	ids = Where(Or(overflows(logits), overflows(scores)), Scalar(top.Graph(), dtypes.Int32, NonFinite), ids)
	out := []*Node{ids}
	if r.edited {
		out = append(out, recount(counts, ids)...)
	}
	return out
}

// kept tells which tokens may be drawn, [slots, vocab].
func (r recipe) kept(scores, largest, z, reals, words *Node) *Node {
	kept := And(GreaterThan(scores, lowest(z.Graph())), GreaterOrEqual(Sub(scores, largest), column(reals, floor)))
	if r.truncated {
		kept = And(kept, truncate(scores, z, reals, words))
	}
	return kept
}

// overflows tells which rows have a NaN or +Inf, neither of which is at most the largest number.
func overflows(x *Node) *Node {
	return LogicalAny(Not(LessOrEqual(x, Scalar(x.Graph(), dtypes.Float32, math.MaxFloat32))), 1) // [slots]
}

// gumbel is noise -log(-log(u)), of its own for each key and token. It comes of a hash instead of a generator's state, so
// that nothing has to be carried from step to step and no slot depends on another.
func gumbel(shape shapes.Shape, words *Node) *Node {
	g := words.Graph()
	id := Iota(g, shapes.Make(dtypes.Uint32, shape.Dimensions...), 1)
	h := mix(BitwiseXor(mix(Add(id, column(words, keyLow))), column(words, keyHigh)))
	// v = 1-u, as the largest noise decides: float32 is finest near zero. It is never 0, and less than 1.
	v := AddScalar(MulScalar(ConvertDType(h, dtypes.Float32), 0x1p-32), 0x1p-33)
	v = Min(v, Scalar(g, dtypes.Float32, 1-0x1p-24))
	return Neg(Log(Neg(Log1p(Neg(v)))))
}

// mix is the finalizer of MurmurHash3: each bit of x changes about half of the result's.
func mix(x *Node) *Node {
	g := x.Graph()
	x = BitwiseXor(x, BitwiseShiftRightLogicalScalar(x, uint32(16)))
	x = Mul(x, Const(g, uint32(0x85ebca6b)))
	x = BitwiseXor(x, BitwiseShiftRightLogicalScalar(x, uint32(13)))
	x = Mul(x, Const(g, uint32(0xc2b2ae35)))
	return BitwiseXor(x, BitwiseShiftRightLogicalScalar(x, uint32(16)))
}
