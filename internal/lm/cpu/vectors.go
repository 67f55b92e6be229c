package cpu

import "slices"

// vectors are inputs of a product: n rows, padded with zeros.
type vectors struct {
	n, width, stride int
	floats           []float32
	ints             []int16   // the floats rounded, for matrices of integers
	scales           []float32 // of the ints, one for a block
	bytes            []int8    // the same for matrices of 4 bits
	byteScales       []float32 // two for a block: see goTiles.fours
	routing          *routing  // of rows that lie by the expert that takes them; nil = all parts of a group take all rows
}

// input is what a matrix takes of vectors.
type input int

const (
	inputFloats input = iota
	inputInts
	inputBytes
)

// round fills the ints of all rows, or their bytes.
func (v *vectors) round(c *crew, in input) {
	n := len(v.floats)
	if in == inputBytes {
		v.bytes, v.byteScales = resized(v.bytes, n), resized(v.byteScales, 2*n/block)
	} else {
		v.ints, v.scales = resized(v.ints, n), resized(v.scales, n/block)
	}
	c.rows(v.n, func(i int) {
		from, to := i*v.stride, (i+1)*v.stride
		if in == inputBytes {
			c.k.roundBytes(v.bytes[from:to], v.byteScales[2*from/block:2*to/block], v.floats[from:to])
		} else {
			c.k.round(v.ints[from:to], v.scales[from/block:to/block], v.floats[from:to])
		}
	})
}

// resize makes room for n rows of a width. What the floats hold is undefined, but for the padding.
func (v *vectors) resize(n, width int) {
	v.n, v.width = n, width
	v.stride = roundUp(width, block)
	v.floats = resized(v.floats, n*v.stride)
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

// from is the floats from a row and a column on.
func (v *vectors) from(row, column int) []float32 { return v.floats[row*v.stride+column:] }

func (v *vectors) row(i int) []float32 { return v.floats[i*v.stride:][:v.width:v.width] }

// pick makes v the given rows of x.
func (v *vectors) pick(x *vectors, rows []int32) {
	v.resize(len(rows), x.width)
	for i, r := range rows {
		copy(v.row(i), x.row(int(r)))
	}
}

// spread is the inverse of pick, in place: row i becomes row rows[i] of n, which ascend, and the others zero.
func (v *vectors) spread(n int, rows []int32) {
	v.floats = slices.Grow(v.floats[:len(rows)*v.stride], (n-len(rows))*v.stride)[:n*v.stride]
	v.n = n
	end := n
	for i := len(rows) - 1; i >= 0; i-- {
		to := int(rows[i])
		clear(v.floats[(to+1)*v.stride : end*v.stride])
		copy(v.floats[to*v.stride:][:v.stride], v.floats[i*v.stride:])
		end = to
	}
	clear(v.floats[:end*v.stride])
}
