package cpu

import (
	"math"
	"slices"
)

// goTiles are sizes of tiles, for which there are kernels in plain Go.
type goTiles struct{ floatRows, intRows, panelWidth int }

// newPlain makes kernels in plain Go.
func newPlain(name string, floatRows, intRows, panelWidth int) *kernels {
	g := goTiles{floatRows, intRows, panelWidth}
	return &kernels{
		name: name, has: true,
		floatRows: floatRows, intRows: intRows, intColumns: 2,
		dotFloats: g.floats, dotInts: g.ints, round: plainRound, dotHalves: g.halves, widen: plainWiden, narrow: plainNarrow,
		dotFours: g.fours, roundBytes: plainRoundBytes,
		halves: g.wide, multiples: g.multiples, dotSixes: g.sixes, unpackFours: g.unpackFours, unpackSixes: g.unpackSixes,
		panelWidth: panelWidth, panelDepth: 320, panels: 6, rowBlock: 96, rowStep: 6, outer: g.outer, lift: g.lift, turn: g.turn,
		lanes: 8, largest: slices.Max[[]float32], exp: plainExp, silu: plainSiLU,
	}
}

// floats sets y[v·yStride+i] to the product of row i of w, rows wStride apart, and vector v of x, xStride apart, for n
// vectors.
func (g goTiles) floats(w []float32, wStride int, x []float32, xStride, width, n int, y []float32, yStride int) {
	rows := g.floatRows
	for v := range n {
		for i := range rows {
			y[v*yStride+i] = plainDot(w[i*wStride:][:width], x[v*xStride:][:width])
		}
	}
}

func plainDot(w, x []float32) float32 {
	var s [8]float32 // as the lanes of a vector
	for j := 0; j < len(x); j += 8 {
		a, b := w[j:j+8:j+8], x[j:j+8:j+8]
		s[0] += a[0] * b[0]
		s[1] += a[1] * b[1]
		s[2] += a[2] * b[2]
		s[3] += a[3] * b[3]
		s[4] += a[4] * b[4]
		s[5] += a[5] * b[5]
		s[6] += a[6] * b[6]
		s[7] += a[7] * b[7]
	}
	return (s[0] + s[1] + s[2] + s[3]) + (s[4] + s[5] + s[6] + s[7])
}

// ints is goTiles.floats for rows of integers of 8 bits and vectors of integers of 16 bits. Pairs of columns of the rows
// lie side by side: w is [block, pair, row, 2], so that memory is read from end to end and each lane of a vector has the sum of a
// row. The scales d are [block, row] and those of the vectors, dx, [vector, block], xStride/block apart. A sum of a block is
// exact: it is below 32·2⁷·2¹⁵.
func (g goTiles) ints(w []int8, d []float32, x []int16, dx []float32, xStride, width, n int, y []float32, yStride int) {
	rows := g.intRows
	var room [32]int32
	sums := room[:rows]
	for v := range n {
		y := y[v*yStride:][:rows]
		clear(y)
		for j := 0; j < width; j += block {
			clear(sums)
			for k, x := 0, x[v*xStride+j:][:block]; k < block; k += 2 {
				a, b, pairs := int32(x[k]), int32(x[k+1]), w[rows*(j+k):][:2*rows]
				for i := range sums {
					sums[i] += int32(pairs[2*i])*a + int32(pairs[2*i+1])*b
				}
			}
			for i, s := range sums {
				y[i] += float32(s) * (d[rows*j/block+i] * dx[(v*xStride+j)/block])
			}
		}
	}
}

// largestRound is the largest integer that vectors are rounded to: both its bytes, taken with a sign, are numbers of 8 bits.
const largestRound = 127<<8 + 127

// plainRound rounds x to integers of 16 bits with a scale for each block.
func plainRound(dst []int16, d, x []float32) {
	for j := 0; j < len(x); j += block {
		top := float32(1e-30) // a block of zeros needs a scale too
		for _, v := range x[j : j+block] {
			top = max(top, v, -v)
		}
		d[j/block] = top * float32(1.0/largestRound)
		f := largestRound / top
		for k, v := range x[j : j+block] {
			dst[j+k] = int16(math.RoundToEven(float64(v * f)))
		}
	}
}

// outer adds products of a, whose number of row i and step k is a[i·aRow + k·aStep], and the panel b [depth, panelWidth] to n
// rows of y.
func (g goTiles) outer(a []float32, aRow, aStep, depth int, b []float32, n int, y []float32, yStride int) {
	panelWidth := g.panelWidth
	var room [64]float32
	for i := range n {
		sums := room[:panelWidth]
		clear(sums)
		for k := range depth {
			x, row := a[i*aRow+k*aStep], b[k*panelWidth:][:len(sums)]
			for j, v := range row {
				sums[j] += x * v
			}
		}
		for j, v := range sums {
			y[i*yStride+j] += v
		}
	}
}

// lift copies panelWidth columns of n rows of src, stride apart, to dst [n, panelWidth].
func (g goTiles) lift(dst, src []float32, stride, n int) {
	panelWidth := g.panelWidth
	for r := range n {
		copy(dst[r*panelWidth:][:panelWidth], src[r*stride:])
	}
}

// turn writes n columns of panelWidth rows of src, stride apart, as the rows of dst [n, panelWidth]. n is a multiple of 8.
func (g goTiles) turn(dst, src []float32, stride, n int) {
	panelWidth := g.panelWidth
	for c := range panelWidth {
		for i, v := range src[c*stride:][:n] {
			dst[i*panelWidth+c] = v
		}
	}
}

// plainExp replaces x by exp(x-top) and returns the sum.
func plainExp(x []float32, top float32) (sum float32) {
	for i, v := range x {
		x[i] = float32(math.Exp(float64(v - top)))
		sum += x[i]
	}
	return sum
}

// plainSiLU replaces gate by silu(gate)·up.
func plainSiLU(gate, up []float32) {
	for i, g := range gate {
		gate[i] = g / (1 + float32(math.Exp(-float64(g)))) * up[i]
	}
}
