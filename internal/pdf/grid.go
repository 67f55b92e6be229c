package pdf

import (
	"cmp"
	"slices"
)

// grid is the columns of a table, from left to right, each as the widest of its cells. Nil: the line is in no table
// whose columns are known.
type grid []extent

type extent struct{ x0, x1 float64 }

const (
	gridColumns = 3 // fewer do not tell a table from other things side by side
	gridRows    = 3
	maxRowDrop  = 2.5 // of the font size: farther down another table begins
)

// grids finds the tables of a page, so that an empty cell keeps its place in its row.
func grids(lines []line) []grid {
	var found []grid
	try := func(from, to int) bool {
		if to-from < gridRows {
			return false
		}
		g := gridOf(lines[from:to])
		if g == nil {
			return false
		}
		if found == nil {
			found = make([]grid, len(lines))
		}
		for i := from; i < to; i++ {
			found[i] = g
		}
		return true
	}
	for from := 0; from < len(lines); {
		to := from // behind the last row; a row of one cell, or the rest of a cell, may stand amid others
		for next := from; next < len(lines) && next <= to+1; next++ {
			if next > from && (lines[next].y >= lines[next-1].y || lines[next-1].y-lines[next].y > maxRowDrop*lines[next].size) {
				break
			}
			if len(lines[next].pieces) > 1 {
				to = next + 1
			}
		}
		if to > from && !try(from, to) {
			for i, start := from, from; i <= to; i++ { // without the rows of one cell
				if i == to || len(lines[i].pieces) < 2 {
					try(start, i)
					start = i + 1
				}
			}
		}
		from = max(to, from+1)
	}
	return found
}

// gridOf makes columns of rows, the fullest first: a cell that overlaps one column belongs to it, and one that overlaps none is
// a column of its own. Nil: there are too few, the rows do not fit, or all are full, so that their tabs tell as much.
func gridOf(rows []line) (g grid) {
	all := make([][]extent, 0, len(rows))
	for i := range rows {
		if len(rows[i].pieces) > 1 {
			all = append(all, rows[i].cells())
		}
	}
	slices.SortStableFunc(all, func(a, b []extent) int { return len(b) - len(a) })
	if len(all) < gridRows || len(all[0]) < gridColumns || len(all[0]) == len(all[len(all)-1]) && len(all) == len(rows) {
		return nil
	}
	g = slices.Clone(all[0])
	for i, cells := range all[1:] {
		wider, ok := g.with(cells)
		switch {
		case ok && len(wider) > len(g): // no row has all columns, as the head of a table does
			return nil
		case ok:
			g = wider
		case i+1 < len(all)/2 || len(all) < 2*gridRows: // one in a long table may be its title
			return nil
		}
	}
	return g
}

// with adds the cells of a row.
func (g grid) with(cells []extent) (grid, bool) {
	g = slices.Clone(g)
	last := -1
	for _, c := range cells {
		at, _ := slices.BinarySearchFunc(g, c.x0, func(col extent, x float64) int { return cmp.Compare(col.x1, x) })
		switch {
		case at == len(g) || g[at].x0 > c.x1:
			g = slices.Insert(g, at, c)
		case at+1 < len(g) && g[at+1].x0 <= c.x1:
			return nil, false
		default:
			g[at] = extent{min(g[at].x0, c.x0), max(g[at].x1, c.x1)}
		}
		if at <= last {
			return nil, false
		}
		last = at
	}
	return g, true
}

// cells returns where the parts of a line are that tabs set apart.
func (l *line) cells() (cells []extent) {
	l.sort()
	for i, p := range l.pieces {
		if i == 0 || l.isCell(i) {
			cells = append(cells, extent{p.x0, p.x1})
			continue
		}
		last := &cells[len(cells)-1]
		last.x1 = max(last.x1, p.x1)
	}
	return cells
}

func (l *line) sort() {
	slices.SortStableFunc(l.pieces, func(a, b piece) int { return cmp.Compare(a.x0, b.x0) })
}

// isCell tells whether piece i begins a cell.
func (l *line) isCell(i int) bool {
	p, prev := l.pieces[i], l.pieces[i-1]
	return p.x0-prev.x1 > cellGap*max(p.size, prev.size)
}

// places returns the column of each cell of a line, or nil where one stands in none or in several.
func (g grid) places(cells []extent) []int {
	if len(g) == 0 || len(cells) >= len(g) || len(cells) < 2 {
		return nil
	}
	at := make([]int, len(cells))
	for i, c := range cells {
		at[i] = -1
		for k, col := range g {
			if c.x0 <= col.x1 && c.x1 >= col.x0 {
				if at[i] >= 0 {
					return nil
				}
				at[i] = k
			}
		}
		if at[i] < 0 || i > 0 && at[i] <= at[i-1] {
			return nil
		}
	}
	return at
}
