package cpu

import "math"

// The kernels in plain Go: what the vector forms compute, and what runs where those cannot. Every row of weights and every
// vector is padded with zeros to a multiple of block.
//
// A sum is taken in one order whatever else is computed beside it, so that a sequence's numbers do not depend on how many
// others are in the batch.

// block is how many weights share a scale, and what widths are padded to.
const block = 32

// rowTile is how many rows of a matrix a kernel reads side by side; matrices are padded to a multiple of it.
const rowTile = 4

// plainFloats sets y[v·yStride+i] to the product of row i of w, rows wStride apart, and vector v of x, xStride apart, for n
// vectors and rowTile rows.
func plainFloats(w []float32, wStride int, x []float32, xStride, width, n int, y []float32, yStride int) {
	for v := range n {
		for i := range rowTile {
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

// plainInts is plainFloats for weights of 8 bits. Their rows lie side by side: w is [block, row, 32] and d, the scales, [block,
// row], so that memory is read from end to end.
func plainInts(w []int8, d, x []float32, xStride, width, n int, y []float32, yStride int) {
	tile := make([]float32, rowTile*width)
	plainUnpack(tile, w, d, width)
	plainFloats(tile, width, x, xStride, width, n, y, yStride)
}

// plainUnpack makes the weights of plainInts floats: dst is [row, width].
func plainUnpack(dst []float32, w []int8, d []float32, width int) {
	for j := 0; j < width; j += block {
		for i := range rowTile {
			scale := d[rowTile*j/block+i]
			for k, v := range w[rowTile*j+i*block:][:block] {
				dst[i*width+j+k] = float32(v) * scale
			}
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
