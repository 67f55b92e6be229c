package cpu

import (
	"math"

	"github.com/gomlx/compute/dtypes/float16"
)

// wide is a number of half precision.
func wide(bits uint16) float32 { return float16.FromBits(bits).Float32() }

// narrow rounds to the nearest number of half precision, to even between two; what is beyond them becomes the largest.
func narrow(v float32) uint16 {
	bits := math.Float32bits(v)
	sign, size := uint16(bits>>16)&0x8000, math.Float32frombits(bits&0x7fffffff)
	switch {
	case size >= 65504:
		return sign | 0x7bff
	case size < 1.0/(1<<14): // below the normal numbers
		return sign | uint16(math.RoundToEven(float64(size)*(1<<24)))
	case size != size: //nolint:gocritic // NaN
		return sign | 0x7e00
	}
	bits = bits&0x7fffffff + 0xfff + bits>>13&1
	return sign | uint16((bits-112<<23)>>13)
}

// plainWide makes two numbers of each row of n blocks, dst [block, 2, row]: the first of the row's halves, and the last of them
// times second. Blocks are step halves, [1 or 2, row].
func plainWide(rows int, dst []float32, src []uint16, step int, second float32, n int) {
	for b := range n {
		for i := range rows {
			dst[2*b*rows+i] = wide(src[b*step+i])
			dst[(2*b+1)*rows+i] = second * wide(src[(b+1)*step-rows+i])
		}
	}
}

// plainMultiples does so of integers, times the units [2, row].
func plainMultiples(rows int, dst []float32, src []int8, step int, unit []float32, n int) {
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

// plainSixes is plainFours for integers of 6 bits with two numbers, d, for each sub columns: 16 or 32.
func plainSixes(rows int, low, high []byte, d []float32, sub int, x []int8, dx []float32, xStride, width, n int, y []float32, yStride int) {
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

// plainUnpackFours writes n columns of a tile of integers of 4 bits as numbers, dst [n, row], stride apart. d [2, row] is theirs.
func plainUnpackFours(rows int, dst []float32, stride int, w []byte, d []float32, n int) {
	for c := range n {
		for i := range rows {
			at, shift := fourAt(rows, i, c)
			dst[c*stride+i] = float32(float64(w[at]>>shift&15)*float64(d[i]) + float64(d[rows+i]))
		}
	}
}

// plainUnpackSixes is that for 6 bits.
func plainUnpackSixes(rows int, dst []float32, stride int, low, high []byte, d []float32, n int) {
	for c := range n {
		for i := range rows {
			dst[c*stride+i] = float32(float64(sixAt(rows, low, high, i, c))*float64(d[i]) + float64(d[rows+i]))
		}
	}
}
