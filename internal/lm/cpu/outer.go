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
	if len(sums) == 0 {
		return
	}
	const tasksOfWorker = 6
	columns := 0
	for _, s := range sums {
		columns += (s.width + panelWidth - 1) / panelWidth
	}
	wide := min(max(1, columns/(tasksOfWorker*c.workers())), mostPanels) * panelWidth
	down := max(1, tasksOfWorker*c.workers()/columns)
	tasks := 0
	ends := make([]int, len(sums))
	for i, s := range sums {
		tasks += (s.width + wide - 1) / wide * min(down, (s.n+rowBlock-1)/rowBlock)
		ends[i] = tasks
	}
	c.run(tasks, func(worker, task int) {
		i, first := 0, 0
		for ; task >= ends[i]; i++ {
			first = ends[i]
		}
		s := sums[i]
		across := (s.width + wide - 1) / wide
		high := roundUp((s.n+down-1)/down, 6)
		if blocks := (s.n + rowBlock - 1) / rowBlock; blocks < down {
			high = rowBlock
		}
		row, column := (task-first)/across*high, (task-first)%across*wide
		c.panels[worker].part(s.y, s.yStride, row, min(row+high, s.n), column, min(column+wide, s.width), s.terms)
	})
}

// add is crew.add of one worker.
func (p *panels) add(s sum) {
	const wide = mostPanels * panelWidth
	for j := 0; j < s.width; j += wide {
		p.part(s.y, s.yStride, 0, s.n, j, min(j+wide, s.width), s.terms)
	}
}

// part is rows from to to and columns left to right of a sum, at most mostPanels panels.
func (p *panels) part(y []float32, yStride, from, to, left, right int, terms []term) {
	for _, t := range terms {
		layers := (t.depth + panelDepth - 1) / panelDepth
		step := roundUp((t.depth+layers-1)/layers, 8) // evenly, for y is read and written at each
		for k := 0; k < t.depth; k += step {
			depth := min(step, t.depth-k)
			for j := left; j < right; j += panelWidth {
				t.pack(p.b[(j-left)/panelWidth][:], k, depth, j, min(panelWidth, right-j))
			}
			for i := from; i < to; i += rowBlock {
				n, a := min(rowBlock, to-i), t.a[i*t.aRow+k*t.aStep:]
				for j := left; j < right; j += panelWidth {
					b, dst := p.b[(j-left)/panelWidth][:], y[i*yStride+j:]
					if j+panelWidth <= right {
						outer(a, t.aRow, t.aStep, depth, b, n, dst, yStride)
						continue
					}
					edge := p.edge[:n*panelWidth] // columns that are not there must not be written
					clear(edge)
					outer(a, t.aRow, t.aStep, depth, b, n, edge, panelWidth)
					for r := range n {
						for c := range right - j {
							dst[r*yStride+c] += edge[r*panelWidth+c]
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
