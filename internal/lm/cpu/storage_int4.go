package cpu

import (
	"fmt"
	"math"
)

// int4s are integers of 4 bits with a scale and a minimum for each block, weight = scale·integer + minimum, as in GGUF's Q4_1. They lie
// in the order of fourAt, the rows of a tile together.
type int4s struct {
	k          *kernels
	in, stride int
	bits       []byte
	numbers    []float32 // scales and minima: see plainFours
}

func newInt4s(k *kernels, out, in int) fillable {
	stride := roundUp(in, block)
	size := roundUp(out, k.intRows) * stride
	return &int4s{k, in, stride, make([]byte, size/2), make([]float32, 2*size/block)}
}

func (m *int4s) set(r int, row []float32) error {
	var ints [block]byte
	for c := 0; c < m.in; c += block {
		clear(ints[:])
		scale, least := packInt4(ints[:], row[c:min(c+block, m.in)])
		if sum := float64(scale + least); math.IsInf(sum, 0) || math.IsNaN(sum) {
			return fmt.Errorf("column %d: the weights are not finite", c)
		}
		m.put(r, c, scale, least, &ints)
	}
	return nil
}

// put stores the block of row r that begins at column c. It is the first to write there.
func (m *int4s) put(r, c int, scale, least float32, ints *[block]byte) {
	bits, scales, minima := m.tileOf(r, c)
	*scales, *minima = scale, least
	for i, v := range ints {
		at, shift := fourAt(m.k.intRows, r%m.k.intRows, i)
		bits[at] |= v << shift
	}
}

// tileOf is where the block of row r, column c is: the bytes of its tile, its scale and its minimum.
func (m *int4s) tileOf(r, c int) (bits []byte, scale, least *float32) {
	rows := m.k.intRows
	at := (r/rows*m.stride + c/block*block) * rows // weights before
	n := m.numbers[2*at/block:]
	return m.bits[at/2:], &n[r%rows], &n[rows+r%rows]
}

// packInt4 rounds a block of weights to integers of 4 bits, from the least to the largest.
func packInt4(dst []byte, src []float32) (scale, least float32) {
	least = src[0]
	largest := least
	for _, v := range src {
		least, largest = min(least, v), max(largest, v) // NaN goes through
	}
	if scale = (largest - least) / 15; scale == 0 {
		return 0, least
	}
	for i, v := range src {
		dst[i] = byte(math.RoundToEven(float64((v - least) / scale)))
	}
	return scale, least
}

func (m *int4s) row(r int, dst []float32) { m.segment(dst, r, 0, m.in) }

// segment writes columns from to to of row r.
func (m *int4s) segment(dst []float32, r, from, to int) {
	rows := m.k.intRows
	for c := from; c < to; {
		bits, scale, least := m.tileOf(r, c)
		d, l := *scale, *least
		for end := min(to, c/block*block+block); c < end; {
			at, shift := fourAt(rows, r%rows, c%block)
			n := min(4-c%4, end-c) // they lie side by side
			for i, b := range bits[at:][:n] {
				dst[c-from+i] = float32(d*float32(b>>shift&15)) + l
			}
			c += n
		}
	}
}

func (m *int4s) bytes() int64 { return int64(len(m.bits) + 4*len(m.numbers)) }

func (m *int4s) tile() int { return m.k.intRows }

func (m *int4s) takes() input { return inputBytes }

func (m *int4s) product(_ *panels, r int, x *vectors, v, n int, y []float32, yStride int) {
	w, i := r*m.stride, v*x.stride
	m.k.dotFours(m.bits[w/2:], m.numbers[2*w/block:], x.bytes[i:], x.byteScales[2*i/block:], x.stride, m.stride, n, y, yStride)
}

func (m *int4s) pack(p *panels, dst []float32, turned bool, k, depth, j, n int) {
	p.packTiles(m, dst, turned, k, depth, j, n)
}

// unpack writes columns from to to of a tile, which are multiples of 8, one after the other.
func (m *int4s) unpack(_ *panels, dst []float32, stride, tile, from, to int) {
	rows := m.k.intRows
	for c := from; c < to; {
		end := min(to, c/block*block+block)
		at := (tile*m.stride + c) * rows
		m.k.unpackFours(dst[(c-from)*stride:], stride, m.bits[at/2:], m.numbers[2*(tile*m.stride/block+c/block)*rows:], end-c)
		c = end
	}
}
