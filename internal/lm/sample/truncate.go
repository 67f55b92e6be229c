package sample

import (
	"math"
	"math/bits"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// truncate tells which tokens top-k and then top-p leave, [slots, vocab]. Nothing is sorted: the score at the border is
// found digit by digit. Ties at the border of top-k all stay; of those at the border of top-p the lowest ids, as many as
// it takes. In bfloat16 there are many.
func truncate(scores, z, reals, words *Node) *Node {
	g, vocab := scores.Graph(), scores.Shape().Dim(1)
	key := ordered(scores)     // [slots, vocab]
	keys := InsertAxes(key, 1) // [slots, 1, vocab]

	k := ConvertDType(column(words, topK), dtypes.Int32) // [slots, 1]
	border := largest(k, 32, func(candidates *Node) *Node {
		return GreaterOrEqual(ReduceSum(ConvertDType(GreaterOrEqual(keys, candidates), dtypes.Int32), -1), k)
	})
	stay := GreaterOrEqual(key, border)

	weights := Where(stay, Exp(z), ZerosLike(z)) // [slots, vocab]; 1 for the most likely
	each := InsertAxes(weights, 1)
	sum := func(which *Node) *Node { return ReduceSum(Mul(ConvertDType(which, dtypes.Float32), each), -1) } // [slots, candidates]
	// The most likely token always stays: its weight is 1, so that half of it asks for no other.
	enough := Max(Mul(column(reals, topP), ReduceAndKeep(weights, ReduceSum, 1)), Scalar(g, dtypes.Float32, 0.5)) // [slots, 1]
	border = largest(enough, 32, func(candidates *Node) *Node {
		return GreaterOrEqual(sum(GreaterOrEqual(keys, candidates)), enough)
	})
	above, at := GreaterThan(key, border), Equal(key, border)
	missing := Sub(enough, sum(InsertAxes(above, 1))) // [slots, 1], of weights at the border

	id := Iota(g, shapes.Make(dtypes.Uint32, key.Shape().Dimensions...), 1)
	ids, tied := InsertAxes(id, 1), InsertAxes(at, 1)
	last := largest(missing, bits.Len(uint(vocab-1)), func(candidates *Node) *Node {
		return LessThan(sum(And(tied, LessThan(ids, candidates))), missing)
	})
	return And(stay, Or(above, And(at, LessOrEqual(id, last))))
}

// digit is how many bits of a number are found in one pass over the vocabulary: few passes are what a GPU wants, as
// starting one takes it longer than comparing with fifteen numbers instead of one.
const digit = 4

// largest is, for each slot, the largest number of so many bits, rounded up to digits, for which holds: [slots, 1]. It
// must hold for all that are smaller, and does for zero unasked. candidates are [slots, n, 1], the answer [slots, n].
func largest(like *Node, numBits int, holds func(candidates *Node) *Node) *Node {
	g, slots := like.Graph(), like.Shape().Dim(0)
	const n = 1<<digit - 1
	found := Zeros(g, shapes.Make(dtypes.Uint32, slots, 1))
	steps := AddScalar(Iota(g, shapes.Make(dtypes.Uint32, slots, n), 1), 1)
	for shift := (numBits+digit-1)/digit*digit - digit; shift >= 0; shift -= digit {
		candidates := Add(found, BitwiseShiftLeftScalar(steps, uint32(shift)))
		d := ReduceAndKeep(ConvertDType(holds(InsertAxes(candidates, -1)), dtypes.Uint32), ReduceSum, 1) // [slots, 1]
		found = Add(found, BitwiseShiftLeftScalar(d, uint32(shift)))
	}
	return found
}

// ordered maps float32 to numbers that are in the same order: negative ones have all bits turned, others the sign.
func ordered(x *Node) *Node {
	g := x.Graph()
	x = Where(Equal(x, ZerosLike(x)), ZerosLike(x), x) // -0 is 0
	b := Bitcast(x, dtypes.Uint32)
	negative := LessThan(x, ZerosLike(x))
	return BitwiseXor(b, Where(negative, Const(g, uint32(math.MaxUint32)), Const(g, uint32(1<<31))))
}
