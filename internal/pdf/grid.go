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
)

// grids finds the tables of a page, so that an empty cell keeps its place in its row.
func grids(lines []line) []grid {
	var found []grid
	for from := 0; from < len(lines); {
		to := from
		for to < len(lines) && len(lines[to].pieces) > 1 && (to == from || lines[to].y < lines[to-1].y) {
			to++
		}
		if to-from >= gridRows {
			if g := gridOf(lines[from:to]); g != nil {
				if found == nil {
					found = make([]grid, len(lines))
				}
				for i := from; i < to; i++ {
					found[i] = g
				}
			}
		}
		from = max(to, from+1)
	}
	return found
}

// gridOf makes columns of the rows of which most have as many cells, if these stand below each other.
func gridOf(rows []line) (g grid) {
	counts := map[int]int{}
	all := make([][]extent, len(rows))
	for i := range rows {
		all[i] = rows[i].cells()
		counts[len(all[i])]++
	}
	columns := 0
	for n, c := range counts {
		if c > counts[columns] || c == counts[columns] && n > columns {
			columns = n
		}
	}
	if columns < gridColumns || counts[columns] < gridRows || 2*counts[columns] < len(rows) || counts[columns] == len(rows) {
		return nil
	}
	for _, cells := range all {
		if len(cells) != columns {
			continue
		}
		if g == nil {
			g = slices.Clone(cells)
		}
		for i, c := range cells {
			g[i] = extent{min(g[i].x0, c.x0), max(g[i].x1, c.x1)}
		}
	}
	for i := 1; i < len(g); i++ {
		if g[i].x0 <= g[i-1].x1 {
			return nil
		}
	}
	return g
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
	if len(g) == 0 || len(cells) >= len(g) {
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
