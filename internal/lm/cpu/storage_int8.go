package cpu

import (
	"fmt"
	"math"

	"github.com/docent-ml/docent/internal/lm/weights"
)

// int8s are integers of 8 bits with a scale for each block, weight = scale·integer, as in GGUF's Q8_0. They lie in the order of
// goTiles.ints, the rows of a tile together.
type int8s struct {
	k          *kernels
	in, stride int
	ints       []int8
	scales     []float32
}

func newInt8s(k *kernels, out, in int) fillable {
	stride := roundUp(in, block)
	size := roundUp(out, k.intRows) * stride
	return &int8s{k, in, stride, make([]int8, size), make([]float32, size/block)}
}

func (m *int8s) set(r int, row []float32) error {
	var ints [block]int8
	for c := 0; c < m.in; c += block {
		clear(ints[:])
		scale := packInt8(ints[:], row[c:min(c+block, m.in)])
		if math.IsInf(float64(scale), 0) || math.IsNaN(float64(scale)) {
			return fmt.Errorf("column %d: the weights are not finite", c)
		}
		*m.scale(r, c) = scale
		dst, rows, wide := m.ints[m.at(r, c):], m.k.intRows, m.k.intColumns
		for i := 0; i < block; i += wide {
			copy(dst[i*rows:][:wide], ints[i:])
		}
	}
	return nil
}

// put stores block b of row r, whose integers have a sign.
func (m *int8s) put(r, b int, u *blockParts) {
	*m.scale(r, b*block) = weights.FromHalf(u.half[0])
	dst, rows, wide := m.ints[m.at(r, b*block):], m.k.intRows, m.k.intColumns
	for i := 0; i < block; i += 2 {
		at := i&^(wide-1)*rows + i&(wide-1)
		dst[at], dst[at+1] = int8(u.q[i]), int8(u.q[i+1])
	}
}

// at is where the integer of row r, column c is.
func (m *int8s) at(r, c int) int {
	rows, wide := m.k.intRows, m.k.intColumns
	return r/rows*rows*m.stride + c&^(wide-1)*rows + r%rows*wide + c&(wide-1)
}

// scale is where the scale of row r, column c is.
func (m *int8s) scale(r, c int) *float32 {
	rows := m.k.intRows
	return &m.scales[(r/rows*m.stride/block+c/block)*rows+r%rows]
}

// packInt8 rounds a block of weights to integers of 8 bits and returns their scale.
func packInt8(dst []int8, src []float32) (scale float32) {
	for _, v := range src {
		if a := float32(math.Abs(float64(v))); a > scale || a != a { //nolint:gocritic // NaN
			scale = a
		}
	}
	if scale /= 127; scale == 0 {
		return 0
	}
	for i, v := range src {
		dst[i] = int8(math.RoundToEven(float64(v / scale)))
	}
	return scale
}

func (m *int8s) row(r int, dst []float32) { m.segment(dst, r, 0, m.in) }

// segment writes columns from to to of row r.
func (m *int8s) segment(dst []float32, r, from, to int) {
	src, rows, wide := m.ints[m.at(r, 0):], m.k.intRows, m.k.intColumns
	for c := from; c < to; {
		end := min(to, c/block*block+block)
		for scale := *m.scale(r, c); c < end; c++ {
			dst[c-from] = float32(src[c&^(wide-1)*rows+c&(wide-1)]) * scale
		}
	}
}

func (m *int8s) bytes() int64 { return int64(len(m.ints) + 4*len(m.scales)) }

func (m *int8s) tile() int { return m.k.intRows }

func (m *int8s) takes() input { return inputInts }

func (m *int8s) product(_ *panels, r int, x *vectors, v, n int, y []float32, yStride int) {
	w, i := r*m.stride, v*x.stride
	m.k.dotInts(m.ints[w:], m.scales[w/block:], x.ints[i:], x.scales[i/block:], x.stride, m.stride, n, y, yStride)
}

func (m *int8s) pack(p *panels, dst []float32, turned bool, k, depth, j, n int) {
	p.packSegments(m, dst, turned, k, depth, j, n)
}
