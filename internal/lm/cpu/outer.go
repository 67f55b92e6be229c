package cpu

// Matrix products for many vectors at a time, as training has them. A piece of the second matrix is packed once, in panels of
// panelWidth columns that lie in the nearest cache, and all rows of the first go through it.

const (
	panelWidth = 16
	panelDepth = 320 // rows of a panel: 20 KB
	mostPanels = 6   // that are packed together
)

// term is a product of two matrices, a [n, depth] and b [depth, width].
type term struct {
	a           []float32 // a[i·aRow + k·aStep]
	aRow, aStep int
	depth       int
	b           []float32
	bStride     int
	turned      bool // b is stored as [width, depth]
}

// panels is the memory that a worker packs into.
type panels struct {
	b    [mostPanels][panelDepth * panelWidth]float32
	edge [rowBlock * panelWidth]float32 // of columns that fill no panel
}

// rowBlock is how many rows go through the panels together, so that they stay in the cache: whole steps of the kernel.
const rowBlock = 96

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
	columns := 0 // in panels
	for _, s := range sums {
		columns += pieces(s.width, panelWidth)
	}
	if columns == 0 {
		return
	}
	enough := tasksOfWorker * c.workers()
	wide := min(max(1, columns/enough), mostPanels) * panelWidth
	high := func(s sum) int { return max(rowBlock, roundUp(pieces(s.n, max(1, enough/columns)), 6)) }
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
	const wide = mostPanels * panelWidth
	for j := 0; j < s.width; j += wide {
		p.part(s, 0, s.n, j, min(j+wide, s.width))
	}
}

// part is rows from to to and columns left to right of a sum, at most mostPanels panels.
func (p *panels) part(s sum, from, to, left, right int) {
	for _, t := range s.terms {
		step := roundUp(pieces(t.depth, pieces(t.depth, panelDepth)), 8) // evenly, for y is read and written at each
		for k := 0; k < t.depth; k += step {
			depth := min(step, t.depth-k)
			for j := left; j < right; j += panelWidth {
				t.pack(p.b[(j-left)/panelWidth][:], k, depth, j, min(panelWidth, right-j))
			}
			for i := from; i < to; i += rowBlock {
				n, a := min(rowBlock, to-i), t.a[i*t.aRow+k*t.aStep:]
				for j := left; j < right; j += panelWidth {
					b, y := p.b[(j-left)/panelWidth][:], s.y[i*s.yStride+j:]
					if j+panelWidth <= right {
						outer(a, t.aRow, t.aStep, depth, b, n, y, s.yStride)
						continue
					}
					edge := p.edge[:n*panelWidth] // columns that are not there must not be written
					clear(edge)
					outer(a, t.aRow, t.aStep, depth, b, n, edge, panelWidth)
					for r := range n {
						for c := range right - j {
							y[r*s.yStride+c] += edge[r*panelWidth+c]
						}
					}
				}
			}
		}
	}
}

// pack writes rows k to k+depth of columns j to j+n of b, at most panelWidth of them, and zeros beside them.
func (t *term) pack(dst []float32, k, depth, j, n int) {
	dst = dst[:depth*panelWidth]
	if !t.turned {
		if n == panelWidth {
			lift(dst, t.b[k*t.bStride+j:], t.bStride, depth)
			return
		}
		for r := range depth {
			row := dst[r*panelWidth:][:panelWidth]
			clear(row[copy(row, t.b[(k+r)*t.bStride+j:][:n]):])
		}
		return
	}
	r := 0
	if n == panelWidth {
		r = depth &^ 7
		turn(dst, t.b[j*t.bStride+k:], t.bStride, r)
	}
	for c := range panelWidth {
		if c >= n {
			for i := r; i < depth; i++ {
				dst[i*panelWidth+c] = 0
			}
			continue
		}
		src := t.b[(j+c)*t.bStride+k:][:depth]
		for i := r; i < depth; i++ {
			dst[i*panelWidth+c] = src[i]
		}
	}
}
