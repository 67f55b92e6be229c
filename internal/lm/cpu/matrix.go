package cpu

import (
	"fmt"
	"math"
	"slices"
)

// matrix is the weight [out, in] of a projection, in rows that are padded with zeros.
type matrix struct {
	out, in int
	stride  int // of a row: in, rounded up
	// Either floats, or integers of 8 bits with a scale for each block: weight = scale·integer, as in GGUF's Q8_0. These lie in
	// the order of plainInts, intRows rows together.
	floats []float32
	ints   []int8
	scales []float32
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// newMatrix takes its values from read, which writes as many of the rows that follow as there is room for. Rows that are not
// kept as they are pass through buffer, which grows to what the largest matrix needs.
func newMatrix(out, in int, int8s bool, buffer *[]float32, read func(dst []float32) error) (*matrix, error) {
	m := &matrix{out: out, in: in, stride: roundUp(in, block)}
	rows := out + floatRows - 1 // whole tiles from any row on
	if !int8s && m.stride == in {
		m.floats = make([]float32, rows*in)
		return m, read(m.floats[:out*in])
	}
	if int8s {
		rows = roundUp(out, intRows)
		m.ints, m.scales = make([]int8, rows*m.stride), make([]float32, rows*m.stride/block)
	} else {
		m.floats = make([]float32, rows*m.stride)
	}
	const few = 256 // rows are in memory as they are stored: whole heads, which a file may hold in another order
	*buffer = slices.Grow((*buffer)[:0], min(few, out)*in)
	for first := 0; first < out; first += few {
		part := (*buffer)[:min(few, out-first)*in]
		if err := read(part); err != nil {
			return nil, err
		}
		for r := first; len(part) > 0; r, part = r+1, part[in:] {
			if err := m.set(r, part[:in]); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

// set stores row r.
func (m *matrix) set(r int, row []float32) error {
	if m.floats != nil {
		copy(m.floats[r*m.stride:], row)
		return nil
	}
	var ints [block]int8
	for c := 0; c < m.in; c += block {
		clear(ints[:])
		scale := packInt8(ints[:], row[c:min(c+block, m.in)])
		if math.IsInf(float64(scale), 0) || math.IsNaN(float64(scale)) {
			return fmt.Errorf("row %d, column %d: the weights are not finite", r, c)
		}
		*m.scale(r, c) = scale
		for i, v := range ints {
			*m.int(r, c+i) = v
		}
	}
	return nil
}

// int is where the integer of row r, column c is.
func (m *matrix) int(r, c int) *int8 {
	return &m.ints[r/intRows*intRows*m.stride+c/2*2*intRows+r%intRows*2+c%2]
}

// scale is where the scale of row r, column c is.
func (m *matrix) scale(r, c int) *float32 {
	return &m.scales[(r/intRows*m.stride/block+c/block)*intRows+r%intRows]
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

// tile is how many rows from a multiple of it on a kernel computes together.
func (m *matrix) tile() int {
	if m.floats != nil {
		return floatRows
	}
	return intRows
}

// row writes row r, as the lookup of a token in an embedding.
func (m *matrix) row(r int, dst []float32) {
	if m.floats != nil {
		copy(dst, m.floats[r*m.stride:][:m.in])
		return
	}
	for c := range m.in {
		dst[c] = float32(*m.int(r, c)) * *m.scale(r, c)
	}
}

func (m *matrix) bytes() int64 {
	return int64(4*len(m.floats) + len(m.ints) + 4*len(m.scales))
}

// vectors are inputs of a product: n rows, padded with zeros.
type vectors struct {
	n, width, stride int
	floats           []float32
	ints             []int16   // the floats as plainRound rounds them, for matrices of integers
	scales           []float32 // of the ints
}

// round fills the ints of row i.
func (v *vectors) round(i int) {
	from, to := i*v.stride, (i+1)*v.stride
	round(v.ints[from:to], v.scales[from/block:to/block], v.floats[from:to])
}

// resize makes room for n rows of a width. What the floats hold is undefined, but for the padding.
func (v *vectors) resize(n, width int) {
	v.n, v.width = n, width
	v.stride = roundUp(width, block)
	if size := n * v.stride; cap(v.floats) < size {
		v.floats = make([]float32, size)
	} else {
		v.floats = v.floats[:size]
	}
	if v.stride != width {
		for i := range n {
			clear(v.floats[i*v.stride+width : (i+1)*v.stride])
		}
	}
}

// zero is v with n rows of zeros.
func (v *vectors) zero(n, width int) *vectors {
	v.resize(n, width)
	clear(v.floats)
	return v
}

// slice is rows from to to.
func (v *vectors) slice(from, to int) vectors {
	return vectors{n: to - from, width: v.width, stride: v.stride, floats: v.floats[from*v.stride : to*v.stride]}
}

func (v *vectors) row(i int) []float32 { return v.floats[i*v.stride:][:v.width:v.width] }
