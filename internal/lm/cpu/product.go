package cpu

import "slices"

// vectorGroup is how many vectors go through a piece of a matrix before the next, so that they stay in the nearest cache.
const vectorGroup = 16

// product is one matrix for some of the inputs that all products of a step share: dst[i·stride+o] = x[i]·m[o] + bias[o] for rows
// from to to.
type product struct {
	m        *matrix
	bias     []float32 // nil = none
	from, to int
	dst      []float32
	stride   int
}

// multiply computes products of x in one step.
func (c *crew) multiply(x *vectors, products ...product) {
	if products[0].m.ints != nil {
		x.ints = slices.Grow(x.ints[:0], len(x.floats))[:len(x.floats)]
		x.scales = slices.Grow(x.scales[:0], len(x.floats)/block)[:len(x.floats)/block]
		c.rows(x.n, x.round)
	}
	total := 0
	for _, p := range products {
		total += p.m.out
	}
	piece := c.piece(total, x.n)
	tasks := 0
	ends := c.ends[:0] // of the tasks of each product
	for _, p := range products {
		tasks += pieces(p.m.out, piece)
		ends = append(ends, tasks)
	}
	c.ends = ends
	c.run(tasks, func(_, task int) {
		i, first := 0, 0
		for ; task >= ends[i]; i++ {
			first = ends[i]
		}
		from := (task - first) * piece
		products[i].compute(x, from, min(from+piece, products[i].m.out))
	})
}

// piece is how many of rows, those of the matrices together, are one task: few enough for the workers to end together, and
// to stay in the cache for many vectors.
func (c *crew) piece(rows, vectors int) int {
	most := 256
	if vectors > vectorGroup {
		most = 48
	}
	return min(max(roundUp(rows/(8*c.workers()), intRows), 2*intRows), most)
}

// compute fills columns from to to; from is a multiple of the tile of the matrix.
func (p *product) compute(x *vectors, from, to int) {
	m, tile := p.m, p.m.tile()
	var part [vectorGroup * intRows]float32
	for i := p.from; i < p.to; i += vectorGroup {
		n := min(vectorGroup, p.to-i)
		for o := from; o < to; o += tile {
			y, yStride := p.dst[i*p.stride+o:], p.stride
			whole := p.bias == nil && o+tile <= m.out
			if !whole {
				y, yStride = part[:], tile
			}
			w, v := o*m.stride, i*x.stride
			if m.floats != nil {
				dotFloats(m.floats[w:], m.stride, x.floats[v:], x.stride, m.stride, n, y, yStride)
			} else {
				dotInts(m.ints[w:], m.scales[w/block:], x.ints[v:], x.scales[v/block:], x.stride, m.stride, n, y, yStride)
			}
			if !whole {
				p.store(part[:], i, n, o)
			}
		}
	}
}

// store writes columns from o on of n rows, as far as the matrix has them, and adds the bias.
func (p *product) store(y []float32, row, n, o int) {
	tile := p.m.tile()
	for i := range n {
		dst := p.dst[(row+i)*p.stride+o:]
		for j := range min(tile, p.m.out-o) {
			dst[j] = y[i*tile+j]
			if p.bias != nil {
				dst[j] += p.bias[o+j]
			}
		}
	}
}
