package cpu

// Matrix products for many vectors at a time, as training has them. A piece of the second matrix is packed once, in panels of
// some columns that lie in the nearest cache, and all rows of the first go through it.

// term is a product of two matrices, a [n, depth] and depth rows of b from row from on.
type term struct {
	a           []float32 // a[i·aRow + k·aStep]
	aRow, aStep int
	depth       int
	bits        []uint16 // a in bfloat16, for tiles, which take it instead: see rounder
	b           source
	from        int
	turned      bool // b is stored as [width, depth]; from is a column
}

// source is a matrix that panels are packed from.
type source interface {
	// pack writes rows k to k+depth of columns j to j+n, at most the width of a panel, to dst [depth, width], and zeros beside
	// them. Turned, they are columns k to k+depth of rows j to j+n.
	pack(p *panels, dst []float32, turned bool, k, depth, j, n int)
}

// panels is the memory that a worker packs into.
type panels struct {
	k    *kernels
	b    [][]float32
	edge []float32 // of columns that fill no panel or no tile
	rows []float32 // [panelWidth, panelDepth]

	numbers []float32 // scales and minima of a tile: see blocks
	rounder rounder
}

func newPanels(k *kernels) panels {
	p := panels{
		k: k, rows: make([]float32, k.panelWidth*k.panelDepth),
		edge: make([]float32, max(k.rowBlock*k.panelWidth, vectorGroup*k.floatRows, vectorGroup*k.intRows)),
	}
	for range k.panels {
		p.b = append(p.b, make([]float32, k.panelDepth*k.panelWidth))
	}
	return p
}

// sum is products that are added to y [n, width].
type sum struct {
	y        []float32
	yStride  int
	n, width int
	terms    []term
}

// add computes sums side by side, in tasks of some rows and columns. Each number is added up in one order, whatever the number
// of workers.
func (c *crew) add(sums ...sum) {
	const tasksOfWorker = 6
	c.rounder.round(c.k, c.rows, sums...)
	panelWidth := c.k.panelWidth
	columns := 0 // in panels
	for _, s := range sums {
		columns += pieces(s.width, panelWidth)
	}
	if columns == 0 {
		return
	}
	enough := tasksOfWorker * c.workers()
	wide := min(max(1, columns/enough), c.k.panels) * panelWidth
	high := func(s sum) int { return max(c.k.rowBlock, roundUp(pieces(s.n, max(1, enough/columns)), c.k.rowStep)) }
	tasks := 0
	ends := make([]int, len(sums))
	for i, s := range sums {
		tasks += pieces(s.width, wide) * pieces(s.n, high(s))
		ends[i] = tasks
	}
	c.run(tasks, func(worker, task int) {
		i, first := 0, 0
		for ; task >= ends[i]; i++ {
			first = ends[i]
		}
		s := sums[i]
		across := pieces(s.width, wide)
		row, column := (task-first)/across*high(s), (task-first)%across*wide
		c.panels[worker].part(s, row, min(row+high(s), s.n), column, min(column+wide, s.width))
	})
}

// pieces is n/size, rounded up.
func pieces(n, size int) int { return (n + size - 1) / size }

// add is crew.add of one worker.
func (p *panels) add(s sum) {
	p.rounder.round(p.k, inTurn, s)
	wide := p.k.panels * p.k.panelWidth
	for j := 0; j < s.width; j += wide {
		p.part(s, 0, s.n, j, min(j+wide, s.width))
	}
}

// part is rows from to to and columns left to right of a sum, at most as many as are packed together.
func (p *panels) part(s sum, from, to, left, right int) {
	panelWidth, rowBlock := p.k.panelWidth, p.k.rowBlock
	for _, t := range s.terms {
		unit, most, rows := 8, p.k.panelDepth, 1
		if t.bits != nil {
			unit, most, rows = block, 2*p.k.panelDepth, tileSize
		}
		step := roundUp(pieces(t.depth, pieces(t.depth, most)), unit) // evenly, for y is read and written at each
		for k := 0; k < t.depth; k += step {
			depth := min(step, t.depth-k)
			for j := left; j < right; j += panelWidth {
				dst, n := p.b[(j-left)/panelWidth], min(panelWidth, right-j)
				if t.bits != nil {
					halvesOf(t.b).packPairs(p, dst, t.turned, t.from+k, depth, j, n)
				} else {
					t.b.pack(p, dst, t.turned, t.from+k, depth, j, n)
				}
			}
			outer := func(i, j, n int, y []float32, yStride int) {
				b := p.b[(j-left)/panelWidth]
				if t.bits != nil {
					p.k.outerHalves(t.bits[i*t.aRow+k:], t.aRow, roundUp(depth, block), b, n, y, yStride)
				} else {
					p.k.outer(t.a[i*t.aRow+k*t.aStep:], t.aRow, t.aStep, depth, b, n, y, yStride)
				}
			}
			for i := from; i < to; {
				n := min(rowBlock, to-i)
				if n > rows {
					n -= n % rows
				}
				for j := left; j < right; j += panelWidth {
					y, wide := s.y[i*s.yStride+j:], min(panelWidth, right-j)
					if wide == panelWidth && n%rows == 0 {
						outer(i, j, n, y, s.yStride)
						continue
					}
					for r := range n { // what is not there must not be written
						copy(p.edge[r*panelWidth:], y[r*s.yStride:][:wide])
					}
					outer(i, j, roundUp(n, rows), p.edge, panelWidth)
					for r := range n {
						copy(y[r*s.yStride:][:wide], p.edge[r*panelWidth:])
					}
				}
				i += n
			}
		}
	}
}

// dense is a matrix of floats, row by row.
type dense struct {
	floats []float32
	stride int
}

func (b dense) pack(p *panels, dst []float32, turned bool, k, depth, j, n int) {
	width := p.k.panelWidth
	dst = dst[:depth*width]
	if !turned {
		if n == width {
			p.k.lift(dst, b.floats[k*b.stride+j:], b.stride, depth)
			return
		}
		for r := range depth {
			row := dst[r*width:][:width]
			clear(row[copy(row, b.floats[(k+r)*b.stride+j:][:n]):])
		}
		return
	}
	r := 0
	if n == width {
		r = depth &^ 7
		p.k.turn(dst, b.floats[j*b.stride+k:], b.stride, r)
	}
	for c := range width {
		if c >= n {
			for i := r; i < depth; i++ {
				dst[i*width+c] = 0
			}
			continue
		}
		src := b.floats[(j+c)*b.stride+k:][:depth]
		for i := r; i < depth; i++ {
			dst[i*width+c] = src[i]
		}
	}
}

// packTiles is pack for a matrix that can write columns from to to of a tile of rows, one after the other, stride apart.
func (p *panels) packTiles(m interface {
	segment(dst []float32, r, from, to int)
	unpack(p *panels, dst []float32, stride, tile, from, to int)
}, dst []float32, turned bool, k, depth, j, n int) {
	width, rows := p.k.panelWidth, p.k.intRows
	switch {
	case width%rows > 0 || k%8+depth%8 > 0 && turned || j%8+n%8 > 0 && !turned:
		p.packSegments(m, dst, turned, k, depth, j, n)
	case turned:
		for at := 0; at < width; at += rows {
			if at < n { // rows beyond the last are zeros
				m.unpack(p, dst[at:], width, (j+at)/rows, k, k+depth)
				continue
			}
			for r := range depth {
				clear(dst[r*width+at:][:rows])
			}
		}
	default:
		columns := p.rows[:width*rows] // a tile of rows, column by column
		clear(columns[n*rows:])
		for r := k; r < k+depth; {
			i := r % rows
			count := min(rows-i, k+depth-r)
			m.unpack(p, columns, rows, r/rows, j, j+n)
			at := dst[(r-k)*width:]
			whole := count &^ 7
			p.k.turn(at, columns[i:], rows, whole)
			for l := whole; l < count; l++ {
				for c := range width {
					at[l*width+c] = columns[c*rows+i+l]
				}
			}
			r += count
		}
	}
}

// packSegments is pack for a matrix that can write columns from to to of a row.
func (p *panels) packSegments(m interface {
	segment(dst []float32, r, from, to int)
}, dst []float32, turned bool, k, depth, j, n int) {
	width := p.k.panelWidth
	if !turned {
		for r := range depth {
			row := dst[r*width:][:width]
			m.segment(row, k+r, j, j+n)
			clear(row[n:])
		}
		return
	}
	for r := range n {
		m.segment(p.rows[r*p.k.panelDepth:], j+r, k, k+depth)
	}
	dense{p.rows, p.k.panelDepth}.pack(p, dst, true, 0, depth, 0, n)
}
