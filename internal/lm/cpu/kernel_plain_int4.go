package cpu

import "math"

// fourAt is where the 4 bits of a row and column of a tile are: in which byte and how far to the left. Four columns of the first half
// of the rows lie side by side, in the low bits, with those of the second half in the high bits: a tile is [column/4, row%half, 4].
func fourAt(rows, r, c int) (at, shift int) {
	half := rows / 2
	return c/4*4*half + r%half*4 + c%4, r / half * 4
}

// fours is goTiles.ints for integers of 4 bits without sign, in the order of fourAt, and vectors of integers of 8 bits. The numbers of
// a block of rows are its scales and then its minima, d [block, 2, row]; those of a vector are the scale, and the scale times the
// sum of its integers, dx [vector, block, 2]: Σ (d·w + m)·(dx·x) = d·dx·Σ w·x + m·dx·Σ x.
func (g goTiles) fours(w []byte, d []float32, x []int8, dx []float32, xStride, width, n int, y []float32, yStride int) {
	rows := g.intRows
	for v := range n {
		for i := range rows {
			var sum float32
			for j := 0; j < width; j += block {
				ints := int32(0)
				for k, x := range x[v*xStride+j:][:block] {
					at, shift := fourAt(rows, i, j+k)
					ints += int32(w[at]>>shift&15) * int32(x)
				}
				d, dx := d[2*rows*j/block:], dx[2*(v*xStride+j)/block:]
				sum += float32(float32(ints)*float32(d[i]*dx[0])) + float32(d[rows+i]*dx[1])
			}
			y[v*yStride+i] = sum
		}
	}
}

// plainRoundBytes rounds x to integers of 8 bits, with two numbers for each block: see goTiles.fours.
func plainRoundBytes(dst []int8, d, x []float32) {
	for j := 0; j < len(x); j += block {
		top := float32(1e-30) // a block of zeros needs a scale too
		for _, v := range x[j : j+block] {
			top = max(top, v, -v)
		}
		scale, f, sum := top*float32(1.0/math.MaxInt8), math.MaxInt8/top, 0
		for k, v := range x[j : j+block] {
			dst[j+k] = int8(math.RoundToEven(float64(v * f)))
			sum += int(dst[j+k])
		}
		d[2*j/block], d[2*j/block+1] = scale, scale*float32(sum)
	}
}
