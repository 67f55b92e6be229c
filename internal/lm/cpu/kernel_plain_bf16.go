package cpu

import (
	"errors"
	"math"
	"slices"

	"github.com/docent-ml/docent/internal/lm/weights"
)

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

// plainNarrow rounds x, in the order of halfAt.
func plainNarrow(dst []uint16, x []float32) {
	for c, v := range x {
		dst[halfAt(c)] = weights.ToBFloat16(v)
	}
}

// tileSize is how many vectors, and how many columns, go through tiles together.
const tileSize = 32

// withTiles adds tiles in plain Go to a set.
func (k *kernels) withTiles() *kernels {
	k.rowStep, k.outerHalves, k.braid = k.rowBlock, plainOuterHalves, plainBraid
	k.intColumns, k.dotInts, k.round = 4, goTiles{intRows: k.intRows}.tiledInts, plainRoundSplit
	return k
}

// plainBraid writes tileSize columns of two rows as pairs, in order.
func plainBraid(dst []float32, a, b []uint16) {
	for c := range tileSize {
		dst[c] = math.Float32frombits(uint32(a[halfAt(c)]) | uint32(b[halfAt(c)])<<16)
	}
}

// plainOuterHalves adds products of n vectors of a, aRow apart, and a panel b [depth/2, tileSize] of pairs to y. n is whole tiles, depth whole
// blocks. The order is that of AMX's TDPBF16PS: a product of two numbers is exact, and a block adds up the first numbers of all pairs,
// the second ones, and then both.
func plainOuterHalves(a []uint16, aRow, depth int, b []float32, n int, y []float32, yStride int) {
	for i := range n {
		for from := 0; from < depth; from += block {
			var first, second [tileSize]float32
			for k := from; k < from+block; k += 2 {
				u, v := half(a[i*aRow+k]), half(a[i*aRow+k+1])
				for j, pair := range b[k/2*tileSize:][:tileSize] {
					bits := math.Float32bits(pair)
					first[j] += u * half(uint16(bits))
					second[j] += v * half(uint16(bits>>16))
				}
			}
			for j := range tileSize {
				y[i*yStride+j] += first[j] + second[j]
			}
		}
	}
}

// plainRoundSplit is plainRound for tiles: of a block, the low bytes and then the high ones, both with a sign.
func plainRoundSplit(dst []int16, d, x []float32) {
	plainRound(dst, d, x)
	for ; len(dst) > 0; dst = dst[block:] {
		all := [block]int16(dst)
		for k := 0; k < block; k += 2 {
			low := func(v int16) int16 { return int16(int8(v)) }
			high := func(v int16) int16 { return (v - low(v)) >> 8 }
			dst[k/2], dst[block/2+k/2] = low(all[k])&0xff|all[k+1]<<8, high(all[k])&0xff|high(all[k+1])<<8
		}
	}
}

// tiledInts is goTiles.ints for what plainRoundSplit makes of vectors, and for w of [block, column/4, row, 4].
func (g goTiles) tiledInts(w []int8, d []float32, x []int16, dx []float32, xStride, width, n int, y []float32, yStride int) {
	rows := g.intRows
	for v := range n {
		for i := range rows {
			var sum float32
			for j := 0; j < width; j += block {
				var low, high int32
				for k, x := 0, x[v*xStride+j:][:block]; k < block; k++ {
					w := int32(w[rows*(j+k&^3)+4*i+k&3])
					low += w * int32(int8(x[k/2]>>(k%2*8)))
					high += w * int32(int8(x[(block+k)/2]>>(k%2*8)))
				}
				sum += float32(float32(low+high<<8) * float32(d[rows*j/block+i]*dx[(v*xStride+j)/block]))
			}
			y[v*yStride+i] = sum
		}
	}
}

// checkTiles tells whether tiles compute what they should: sums that are exact in any order.
func (k *kernels) checkTiles() error {
	const n, depth = 2 * tileSize, 2 * block
	a, b := make([]uint16, n*depth), make([]float32, depth/2*tileSize)
	number := func(i int) uint32 { return uint32(weights.ToBFloat16(float32(i*i%31 - 15))) }
	for i := range a {
		a[i] = uint16(number(i))
	}
	for i := range b {
		b[i] = math.Float32frombits(number(3*i+1) | number(5*i+2)<<16)
	}
	want, got := make([]float32, n*tileSize), make([]float32, n*tileSize)
	for i := range want {
		want[i], got[i] = float32(i), float32(i)
	}
	plainOuterHalves(a, depth, depth, b, n, want, tileSize)
	k.outerHalves(a, depth, depth, b, n, got, tileSize)
	ints, few := make([]int8, k.intRows*depth), n/4
	for i := range ints {
		ints[i] = int8(i*i%251 - 125)
	}
	vectors, ones := make([]int16, few*depth), slices.Repeat([]float32{1}, depth)
	for i := range vectors {
		vectors[i] = int16(i * i * 7)
	}
	like := goTiles{intRows: k.intRows}
	like.tiledInts(ints, ones, vectors, ones, depth, depth, few, want, tileSize)
	k.dotInts(ints, ones, vectors, ones, depth, depth, few, got, tileSize)
	if !slices.Equal(want, got) {
		return errors.New("the processor's AMX multiplies wrongly")
	}
	return nil
}
