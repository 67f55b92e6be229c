package cpu

import "math"

// halfBlock is how many columns of a row in bfloat16 lie together: column i of the first half at 2i, column i of the second at 2i+1.
const halfBlock = 16

// halfAt is where column c of a row is.
func halfAt(c int) int { return c/halfBlock*halfBlock + c%(halfBlock/2)*2 + c/(halfBlock/2)%2 }

// half is the value of some bits of bfloat16.
func half(bits uint16) float32 { return math.Float32frombits(uint32(bits) << 16) }

// halves is goTiles.floats for rows in bfloat16.
func (g goTiles) halves(w []uint16, wStride int, x []float32, xStride, width, n int, y []float32, yStride int) {
	rows := g.floatRows
	for v := range n {
		for i := range rows {
			w, x := w[i*wStride:][:width], x[v*xStride:][:width]
			var s [halfBlock / 2]float32
			for j := 0; j < width; j += halfBlock {
				a, b := w[j:j+halfBlock:j+halfBlock], x[j:j+halfBlock:j+halfBlock]
				for l := range s {
					s[l] += half(a[2*l]) * b[l]
					s[l] += half(a[2*l+1]) * b[len(s)+l]
				}
			}
			y[v*yStride+i] = (s[0] + s[1] + s[2] + s[3]) + (s[4] + s[5] + s[6] + s[7])
		}
	}
}

// plainWiden writes whole blocks of columns as floats, in order.
func plainWiden(dst []float32, src []uint16) {
	for c := range src {
		dst[c] = half(src[halfAt(c)])
	}
}
