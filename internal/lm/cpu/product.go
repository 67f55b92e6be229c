package cpu

// rowBlock is how many vectors go through a piece of a matrix before the next ones, so that they stay in the cache.
const rowBlock = 8

// product is one matrix for inputs that all products of a step share: dst[i·stride+o] = x[i]·m[o] + bias[o].
type product struct {
	m      *matrix
	dst    []float32
	stride int
}

// into makes the product that fills v.
func into(v *vectors, m *matrix) product { return product{m, v.floats, v.stride} }

// multiply computes at most three products of x in one step. Integers of x are there if the matrices want them.
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
	if vectors > rowBlock {
		most = 48
	}
	return min(max(roundUp(rows/(8*c.workers()), rowTile), 4*rowTile), most)
}

// compute fills columns from to to.
func (p product) compute(x *vectors, from, to int) {
	width := roundUp(x.width, block)
	for i := 0; i < x.n; i += rowBlock {
		end := min(i+rowBlock, x.n)
		for o := from; o < to; o += rowTile {
			if p.m.bias != nil || o+rowTile > p.m.out {
				p.part(x, width, i, end, o)
			} else {
				p.tile(x, width, i, end, o)
			}
		}
	}
}

// tile fills rowTile columns, from o on, of some rows.
func (p product) tile(x *vectors, width, from, to, o int) {
	i := from
	for ; i+1 < to; i += 2 {
		at, dst := i*x.stride, p.dst[i*p.stride+o:]
		y, z := (*[rowTile]float32)(dst), (*[rowTile]float32)(dst[p.stride:])
		if m := p.m; m.floats != nil {
			dotFloats(m.floats[o*m.stride:], m.stride, x.floats[at:at+width], x.floats[at+x.stride:at+x.stride+width], y, z)
		} else {
			w, d := m.tileInts(o)
			dotInt8s(w, d, x.ints[at:at+width], x.ints[at+x.stride:at+x.stride+width], &x.scales[i], &x.scales[i+1], y, z)
		}
	}
	if i < to {
		p.one(x, width, i, o, (*[rowTile]float32)(p.dst[i*p.stride+o:]))
	}
}

func (p product) one(x *vectors, width, i, o int, y *[rowTile]float32) {
	at := i * x.stride
	if m := p.m; m.floats != nil {
		dotFloat(m.floats[o*m.stride:], m.stride, x.floats[at:at+width], y)
	} else {
		w, d := m.tileInts(o)
		dotInt8(w, d, x.ints[at:at+width], &x.scales[i], y)
	}
}

// part is tile where the matrix ends within it, or has a bias.
func (p product) part(x *vectors, width, from, to, o int) {
	for i := from; i < to; i++ {
		var y [rowTile]float32
		p.one(x, width, i, o, &y)
		dst := p.dst[i*p.stride+o:]
		for j := range min(rowTile, p.m.out-o) {
			dst[j] = y[j]
			if p.m.bias != nil {
				dst[j] += p.m.bias[o+j]
			}
		}
	}
}
