package cpu

import "github.com/docent-ml/docent/internal/lm/weights"

// wide makes two numbers of each row of n blocks, dst [block, 2, row]: the first of the row's halves, and the last of them
// times second. Blocks are step halves, [1 or 2, row].
func (g goTiles) wide(dst []float32, src []uint16, step int, second float32, n int) {
	rows := g.intRows
	for b := range n {
		for i := range rows {
			dst[2*b*rows+i] = weights.FromHalf(src[b*step+i])
			dst[(2*b+1)*rows+i] = second * weights.FromHalf(src[(b+1)*step-rows+i])
		}
	}
}

// multiples does so of integers, times the units [2, row].
func (g goTiles) multiples(dst []float32, src []int8, step int, unit []float32, n int) {
	rows := g.intRows
	for b := range n {
		for i := range rows {
			dst[2*b*rows+i] = unit[i] * float32(src[b*step+i])
			dst[(2*b+1)*rows+i] = unit[rows+i] * float32(src[(b+1)*step-rows+i])
		}
	}
}

// sixAt is the integer of 6 bits of row i, column c of a tile: see fourAt and twoShift.
func sixAt(rows int, low, high []byte, i, c int) byte {
	at, shift := fourAt(rows, i, c)
	return low[at]>>shift&15 | high[c/8*2*rows+i%(rows/2)*4+c%4]>>twoShift(rows, i, c)&3<<4
}

// sixes is goTiles.fours for integers of 6 bits with two numbers, d, for each sub columns: 16 or 32.
func (g goTiles) sixes(low, high []byte, d []float32, sub int, x []int8, dx []float32, xStride, width, n int, y []float32, yStride int) {
	rows := g.intRows
	for v := range n {
		for i := range rows {
			var sum float32
			for j := 0; j < width; j += 16 {
				ints, all := int32(0), int32(0)
				for k, x := range x[v*xStride+j:][:16] {
					ints += int32(sixAt(rows, low, high, i, j+k)) * int32(x)
					all += int32(x)
				}
				d, dx := d[j/sub*2*rows:], dx[(v*xStride+j)/block*2]
				sum += float32(float32(ints)*float32(d[i]*dx)) + float32(d[rows+i]*float32(dx*float32(all)))
			}
			y[v*yStride+i] = sum
		}
	}
}

// unpackFours writes n columns of a tile of integers of 4 bits as numbers, dst [n, row], stride apart. d [2, row] is theirs.
func (g goTiles) unpackFours(dst []float32, stride int, w []byte, d []float32, n int) {
	rows := g.intRows
	for c := range n {
		for i := range rows {
			at, shift := fourAt(rows, i, c)
			dst[c*stride+i] = float32(float64(w[at]>>shift&15)*float64(d[i]) + float64(d[rows+i]))
		}
	}
}

// unpackSixes is that for 6 bits.
func (g goTiles) unpackSixes(dst []float32, stride int, low, high []byte, d []float32, n int) {
	rows := g.intRows
	for c := range n {
		for i := range rows {
			dst[c*stride+i] = float32(float64(sixAt(rows, low, high, i, c))*float64(d[i]) + float64(d[rows+i]))
		}
	}
}
