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

// plainFloat sets y[i] to the product of row i of w, rows stride apart, and x.
func plainFloat(w []float32, stride int, x []float32, y *[rowTile]float32) {
	for i := range y {
		row := w[i*stride:][:len(x)]
		var s [8]float32 // as the lanes of a vector
		for j := 0; j < len(x); j += 8 {
			a, b := row[j:j+8:j+8], x[j:j+8:j+8]
			s[0] += a[0] * b[0]
			s[1] += a[1] * b[1]
			s[2] += a[2] * b[2]
			s[3] += a[3] * b[3]
			s[4] += a[4] * b[4]
			s[5] += a[5] * b[5]
			s[6] += a[6] * b[6]
			s[7] += a[7] * b[7]
		}
		y[i] = (s[0] + s[4] + s[1] + s[5]) + (s[2] + s[6] + s[3] + s[7])
	}
}

// plainInt8 is plainFloat for weights of 8 bits and x of 16, whose scale is given. The rows lie side by side: w is [block, row, 32] and d, the
// scales, [block, row], so that memory is read from end to end.
func plainInt8(w []int8, d []float32, x []int16, scale float32, y *[rowTile]float32) {
	*y = [rowTile]float32{}
	for j := 0; j < len(x); j += block {
		b := x[j : j+block : j+block]
		for i := range y {
			a := w[rowTile*j+i*block:][:block]
			var t int32
			for k := range a {
				t += int32(a[k]) * int32(b[k])
			}
			y[i] += float32(t) * d[rowTile*j/block+i]
		}
	}
	for i := range y {
		y[i] *= scale
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

// plainLargest is the largest absolute value.
func plainLargest(x []float32) (largest float32) {
	for _, v := range x {
		largest = max(largest, v, -v)
	}
	return largest
}

// plainRound writes x·scale, rounded to even.
func plainRound(dst []int16, x []float32, scale float32) {
	for i, v := range x {
		dst[i] = int16(math.RoundToEven(float64(v * scale)))
	}
}
