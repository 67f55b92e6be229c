package cpu

// Vectors go through a piece of a matrix in groups, each before the next, so that they stay in the nearest cache.
const (
	floatGroup = 8
	intGroup   = 4 // what the kernel for 8-bit weights takes at once
)

// product is one matrix for inputs that all products of a step share: dst[i·stride+o] = x[i]·m[o] + bias[o].
type product struct {
	m      *matrix
	dst    []float32
	stride int
}

// into makes the product that fills v.
func into(v *vectors, m *matrix) product { return product{m, v.floats, v.stride} }

// multiply computes at most three products of x in one step.
func (c *crew) multiply(x *vectors, products ...product) {
	total := 0
	for _, p := range products {
		total += p.m.out
	}
	piece := c.piece(total, x.n)
	tasks := 0
	var ends [3]int // of the tasks of each product
	for i, p := range products {
		tasks += (p.m.out + piece - 1) / piece
		ends[i] = tasks
	}
	c.run(tasks, func(worker, task int) {
		i, first := 0, 0
		for ; task >= ends[i]; i++ {
			first = ends[i]
		}
		from := (task - first) * piece
		products[i].compute(x, from, min(from+piece, products[i].m.out), &c.buffers[worker])
	})
}

// piece is how many of rows, those of the matrices together, are one task: few enough for the workers to end together, and
// to stay in the cache for many vectors.
func (c *crew) piece(rows, vectors int) int {
	most := 256
	if vectors > floatGroup {
		most = 48
	}
	return min(max(roundUp(rows/(8*c.workers()), rowTile), 4*rowTile), most)
}

// compute fills columns from to to. Weights of 8 bits that many vectors go through become floats first, in buffer.
func (p product) compute(x *vectors, from, to int, buffer *[]float32) {
	m := p.m
	var floats []float32 // from row from on
	group := floatGroup
	switch {
	case m.floats != nil:
		floats = m.floats[from*m.stride:]
	case x.n > floatGroup:
		floats = m.unpack(buffer, from, to)
	default:
		group = intGroup
	}
	var part [floatGroup * rowTile]float32
	for i := 0; i < x.n; i += group {
		n := min(group, x.n-i)
		vectors := x.floats[i*x.stride:]
		for o := from; o < to; o += rowTile {
			y, yStride := p.dst[i*p.stride+o:], p.stride
			whole := m.bias == nil && o+rowTile <= m.out
			if !whole {
				y, yStride = part[:], rowTile
			}
			if floats != nil {
				dotFloats(floats[(o-from)*m.stride:], m.stride, vectors, x.stride, m.stride, n, y, yStride)
			} else {
				w, d := m.tileInts(o)
				dotInts(w, d, vectors, x.stride, m.stride, n, y, yStride)
			}
			if !whole {
				p.store(part[:], i, n, o)
			}
		}
	}
}

// store writes columns from o on of n rows, as far as the matrix has them, and adds the bias.
func (p product) store(y []float32, row, n, o int) {
	for i := range n {
		dst := p.dst[(row+i)*p.stride+o:]
		for j := range min(rowTile, p.m.out-o) {
			dst[j] = y[i*rowTile+j]
			if p.m.bias != nil {
				dst[j] += p.m.bias[o+j]
			}
		}
	}
}
