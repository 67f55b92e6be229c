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
	for _, in := range []input{inputInts, inputBytes} {
		if slices.ContainsFunc(products, func(p product) bool { return p.m.takes() == in }) {
			x.round(c, in)
		}
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
	c.run(tasks, func(worker, task int) {
		i, first := 0, 0
		for ; task >= ends[i]; i++ {
			first = ends[i]
		}
		from := (task - first) * piece
		products[i].compute(x, from, min(from+piece, products[i].m.out), &c.panels[worker])
	})
}

// piece is how many of rows, those of the matrices together, are one task: few enough for the workers to end together, and
// to stay in the cache for many vectors. It is whole tiles of any storage.
func (c *crew) piece(rows, vectors int) int {
	tile := max(c.k.floatRows, c.k.intRows)
	most := roundUp(256, tile)
	if vectors > vectorGroup {
		most = roundUp(48, tile)
	}
	return min(max(roundUp(rows/(8*c.workers()), tile), 2*tile), most)
}

// compute fills columns from to to; from is a multiple of the tile of the matrix. What fills no tile passes through the edge.
func (p *product) compute(x *vectors, from, to int, worker *panels) {
	m, tile := p.m, p.m.tile()
	for i := p.from; i < p.to; i += vectorGroup {
		n := min(vectorGroup, p.to-i)
		for o := from; o < to; o += tile {
			if p.bias == nil && o+tile <= m.out {
				m.product(worker, o, x, i, n, p.dst[i*p.stride+o:], p.stride)
				continue
			}
			m.product(worker, o, x, i, n, worker.edge, tile)
			p.store(worker.edge, i, n, o)
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
