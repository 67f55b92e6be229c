package cpu

import "slices"

// kernels is the kernels for an instruction set, and the sizes of the tiles that they take: layouts in memory follow them. Every
// row of weights and every vector is padded with zeros to a multiple of block.
//
// A sum is taken in one order whatever else is computed beside it, so that a sequence's numbers do not depend on how many
// others are in the batch. What the functions compute, newPlain says in plain Go.
type kernels struct {
	name string
	has  bool // the processor has the instructions

	// Products of a matrix and few vectors: how many rows are read side by side. The larger of them is a multiple of the other.
	// Of rows of integers of 8 bits, so many columns of a row lie side by side: 2, or 4 for tiles.
	floatRows, intRows, intColumns int
	dotFloats                      func(w []float32, wStride int, x []float32, xStride, width, n int, y []float32, yStride int)
	dotInts                        func(w []int8, d []float32, x []int16, dx []float32, xStride, width, n int, y []float32, yStride int)
	round                          func(dst []int16, d, x []float32)
	dotHalves                      func(w []uint16, wStride int, x []float32, xStride, width, n int, y []float32, yStride int)
	widen                          func(dst []float32, src []uint16)
	narrow                         func(dst []uint16, src []float32)
	dotFours                       func(w []byte, d []float32, x []int8, dx []float32, xStride, width, n int, y []float32, yStride int)
	roundBytes                     func(dst []int8, d, x []float32)

	// The blocks of GGUF: numbers, products of 6 bits, and columns as floats.
	halves      func(dst []float32, src []uint16, step int, second float32, n int)
	multiples   func(dst []float32, src []int8, step int, unit []float32, n int)
	dotSixes    func(low, high []byte, d []float32, sub int, x []int8, dx []float32, xStride, width, n int, y []float32, yStride int)
	unpackFours func(dst []float32, stride int, w []byte, d []float32, n int)
	unpackSixes func(dst []float32, stride int, low, high []byte, d []float32, n int)

	// Sums of outer products, for many vectors: columns of a panel, how deep it is at most to stay in the nearest cache, how many
	// are packed together, and how many rows go through them together, in whole steps.
	panelWidth, panelDepth, panels int
	rowBlock, rowStep              int
	outer                          func(a []float32, aRow, aStep, depth int, b []float32, n int, y []float32, yStride int)
	lift, turn                     func(dst, src []float32, stride, n int)

	// The same in bfloat16, in tiles, for panels and steps of rows of whole tiles; nil = the set has none, and no tiles for integers.
	outerHalves func(a []uint16, aRow, depth int, b []float32, n int, y []float32, yStride int)
	braid       func(dst []float32, a, b []uint16)

	// Functions of vectors, whose lengths are multiples of lanes. There is no NaN in x, and top is at least its largest.
	lanes   int
	largest func(x []float32) float32
	exp     func(x []float32, top float32) (sum float32)
	silu    func(gate, up []float32)
}

// block is how many weights share a scale, and what widths are padded to.
const block = 32

// plain runs everywhere.
var plain = newPlain("go", 4, 16, 16)

// best is the first set that the processor has.
var best = func() *kernels {
	for _, k := range vectorSets {
		if k.has {
			return k
		}
	}
	return plain
}()

// sets are all, the best first.
func sets() []*kernels {
	all := append(slices.Clone(vectorSets), plain)
	if k, _ := tiled(); k != nil {
		all = slices.Insert(all, 0, k)
	}
	return all
}

// Tiles is nil where processor and system multiply bfloat16 and integers in tiles (AMX), bfloat16 many times faster than float32, and
// otherwise says why not.
func Tiles() error {
	_, err := tiled()
	return err
}

// dotAll is dotFloats for any number of rows of w; w and y have room for whole tiles.
func (k *kernels) dotAll(w []float32, wStride, rows int, x []float32, xStride, width, n int, y []float32, yStride int) {
	for o := 0; o < rows; o += k.floatRows {
		k.dotFloats(w[o*wStride:], wStride, x, xStride, width, n, y[o:], yStride)
	}
}
