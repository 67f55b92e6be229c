package pdf

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"unicode"
	"unicode/utf8"
)

// maxOrdered bounds the page that is worth a search for columns; with more
// lines it is no text for people.
const maxOrdered = 4000

// geometric orders the lines of a page by where they stand, for pages that
// were drawn in no readable order: rows from top to bottom, but column by
// column where a band of rows has a gutter from its top to its bottom.
func geometric(lines []line) []line {
	rows := toRows(lines)
	if len(rows) > maxOrdered {
		return rows
	}
	return byColumns(rows, anyProse, 0)
}

// fewestRows is how many lines a page has at least that is searched for columns drawn across.
const fewestRows = 6

// drawnDown puts the cells of tables beside each other that were drawn column by column.
func drawnDown(lines []line) []line {
	for i := 1; i < len(lines); i++ {
		if lines[i].y <= lines[i-1].y || lines[i].x0 < lines[i-1].x1 {
			continue
		}
		from := i - 1 // the first column may begin anywhere in what was drawn from top to bottom before it
		for from >= 0 && lines[from].y < lines[i].y && !lines[from].beside(lines[i]) && (from == i-1 || lines[from].y > lines[from+1].y) {
			from--
		}
		if from < 0 || !lines[from].beside(lines[i]) {
			continue
		}
		if rows, to := tableDown(lines[from:], i-from); rows != nil {
			lines = slices.Concat(lines[:from:from], rows, lines[from+to:])
			i = from + len(rows) - 1
		}
	}
	return lines
}

// beside tells whether two lines stand at one height.
func (l *line) beside(m line) bool { return math.Abs(l.y-m.y) < 0.25*max(l.size, m.size) }

// A column of short cells is no running text. Of columns drawn after each other half at least have such cells if they are a
// table. Two, or a few rows of them, may be any things side by side if none of them is a column of numbers.
const (
	shortCell = 14 // bytes
	sureRows  = 4
)

// tableDown joins the columns that lines begin with, the first of them n lines long. It returns the rows and the number of
// lines that they were; nil: they are no table.
func tableDown(lines []line, n int) (rows []line, taken int) {
	rows = slices.Clone(lines[:n])
	for i := range rows {
		rows[i].pieces = slices.Clone(rows[i].pieces)
	}
	columns, short, numbers := 1, 0, 0
	right := extentOf(rows).x1
	count := func(column []line) {
		if isShort(column) {
			short++
		}
		if isNumbers(column) {
			numbers++
		}
	}
	count(rows)
	for taken = n; taken < len(lines); columns++ {
		to, at := taken, 0 // the rows above row at are done
		for ; to < len(lines) && lines[to].x0 > right && (to == taken || lines[to].y < lines[to-1].y); to++ {
			for at < len(rows) && !rows[at].beside(lines[to]) {
				at++
			}
			if at == len(rows) {
				break
			}
		}
		if cells := to - taken; cells < 2 || 3*cells < len(rows) || to < len(lines) && to > taken && at == len(rows) && lines[to].x0 > right && lines[to].y < lines[to-1].y {
			break
		}
		column := lines[taken:to]
		count(column)
		right = extentOf(column).x1
		at = 0
		for _, l := range column {
			for !rows[at].beside(l) {
				at++
			}
			for _, p := range l.pieces {
				rows[at].add(p)
			}
		}
		taken = to
	}
	if n < gridRows || columns < 2 || 2*short < columns || numbers == 0 && (columns < gridColumns || n < sureRows) {
		return nil, 0
	}
	return rows, taken
}

func extentOf(lines []line) extent {
	e := extent{math.Inf(1), math.Inf(-1)}
	for _, l := range lines {
		e = extent{min(e.x0, l.x0), max(e.x1, l.x1)}
	}
	return e
}

// isNumbers tells a column of which most cells have a digit.
func isNumbers(lines []line) bool {
	n := 0
	for _, l := range lines {
		if slices.ContainsFunc(l.pieces, func(p piece) bool { return bytes.ContainsAny(p.text, "0123456789") }) {
			n++
		}
	}
	return 2*n > len(lines)
}

func isShort(lines []line) bool {
	lengths := make([]int, len(lines))
	for i, l := range lines {
		for _, p := range l.pieces {
			lengths[i] += len(p.text)
		}
	}
	slices.Sort(lengths)
	return lengths[len(lengths)/2] <= shortCell
}

// drawnAcross puts columns of running text one behind the other that were drawn
// as one line after the other over the whole page. Such a page looks like a
// table, so the columns must be well filled, or their sentences run on from line to line.
func drawnAcross(lines []line) []line {
	broad := 0
	for i := range lines {
		if lines[i].isBroad(anyProse.chars) {
			broad++
		}
	}
	if broad < anyProse.rows {
		return lines
	}
	for i := range lines {
		lines[i].sort()
	}
	return byColumns(lines, denseProse, 0)
}

// isBroad tells whether there is as much text before and behind one of the line's gaps.
func (l *line) isBroad(chars int) bool {
	if len(l.pieces) < 2 {
		return false
	}
	all, before := 0, 0
	for _, p := range l.pieces {
		all += len(p.text)
	}
	for _, p := range l.pieces {
		if before += len(p.text); before >= chars && all-before >= chars {
			return true
		}
	}
	return false
}

// prose is what a column of running text has at least.
type prose struct {
	rows   int     // lines
	chars  int     // bytes in its middle line, by length, or in a cell of it
	filled float64 // of the column's width, by that line
}

var (
	anyProse   = prose{rows: 4, chars: 15, filled: 0.6}
	denseProse = prose{rows: fewestRows, chars: 25, filled: 0.85}
)

// toRows joins all pieces of the page that share a baseline.
func toRows(lines []line) (rows []line) {
	var pieces []piece
	for _, l := range lines {
		pieces = append(pieces, l.pieces...)
	}
	slices.SortStableFunc(pieces, func(a, b piece) int {
		return cmp.Or(cmp.Compare(b.y, a.y), cmp.Compare(a.x0, b.x0))
	})
	for _, p := range pieces {
		if n := len(rows); n > 0 && math.Abs(rows[n-1].y-p.y) < lineDrop*min(rows[n-1].size, p.size) {
			rows[n-1].add(p)
			continue
		}
		rows = append(rows, lineOf([]piece{p}))
	}
	for i := range rows {
		rows[i].sort()
	}
	return rows
}

// band is rows[from:to] with nothing between the gutter's left and right edge.
type band struct {
	from, to    int
	left, right float64
}

const maxColumns = 8

func byColumns(rows []line, least prose, depth int) []line {
	best, ok := widestBand(rows, least)
	if !ok || depth >= maxColumns {
		return rows
	}
	var left, right []line
	for _, r := range rows[best.from:best.to] {
		var l, rt line
		for _, p := range r.pieces {
			side := &l
			if p.x0 >= best.right-1e-6 {
				side = &rt
			}
			if len(side.pieces) == 0 {
				*side = lineOf([]piece{p})
			} else {
				side.add(p)
			}
		}
		if len(l.pieces) > 0 {
			left = append(left, l)
		}
		if len(rt.pieces) > 0 {
			right = append(right, rt)
		}
	}
	ordered := byColumns(rows[:best.from:best.from], least, depth+1)
	ordered = append(ordered, byColumns(left, least, depth+1)...)
	ordered = append(ordered, byColumns(right, least, depth+1)...)
	return append(ordered, byColumns(rows[best.to:], least, depth+1)...)
}

// widestBand finds the tallest band of columns of running text. Bands of short
// cells are tables, which are read row by row.
func widestBand(rows []line, least prose) (best band, ok bool) {
	tables := map[band]bool{} // most rows of a band lead to it again
	for i := range rows {
		if ok && i >= best.from && i < best.to {
			continue
		}
		for j := 1; j < len(rows[i].pieces); j++ {
			b := band{i, i + 1, rows[i].pieces[j-1].x1, rows[i].pieces[j].x0}
			b.grow(rows)
			if b.to-b.from <= best.to-best.from || tables[b] {
				continue
			}
			if b.isColumns(rows, least) {
				best, ok = b, true
			} else {
				tables[b] = true
			}
		}
	}
	return best, ok
}

// grow extends the band over rows that leave a gutter of at least one piece
// gap.
func (b *band) grow(rows []line) {
	for b.to < len(rows) && b.narrow(rows[b.to]) {
		b.to++
	}
	for b.from > 0 && b.narrow(rows[b.from-1]) {
		b.from--
	}
}

func (b *band) narrow(r line) bool {
	left, right := b.left, b.right
	mid := (left + right) / 2
	for _, p := range r.pieces {
		switch {
		case p.x1 <= mid:
			left = max(left, p.x1)
		case p.x0 >= mid:
			right = min(right, p.x0)
		default:
			return false
		}
	}
	if right-left < 0.8*pieceGap*r.size {
		return false
	}
	b.left, b.right = left, right
	return true
}

// isColumns tells running text, whose lines mostly fill their column, from the
// cells of a table.
func (b *band) isColumns(rows []line, least prose) bool {
	var left, right column
	for _, r := range rows[b.from:b.to] {
		n := 0 // pieces stand from left to right
		for n < len(r.pieces) && r.pieces[n].x0 < b.right-1e-6 {
			n++
		}
		left.add(r.pieces[:n])
		right.add(r.pieces[n:])
	}
	return left.is(least) && right.is(least) || left.is(anyProse) && right.is(anyProse) && left.runsOn() && right.runsOn()
}

type column struct {
	widths []float64
	chars  []int
	small  int  // lines that begin with a small letter behind one that ends no sentence
	stops  bool // a sentence ends somewhere
	ended  bool // one ends with the last line
	x0, x1 float64
}

// runsOn tells sentences that go on from line to line from cells: most of these begin with a capital or a number, or none ends a
// sentence, or all do.
func (c *column) runsOn() bool { return c.stops && 10*c.small >= 7*(len(c.widths)-1) }

func (c *column) add(row []piece) {
	if len(row) == 0 {
		return
	}
	first, last := row[0], row[len(row)-1]
	if len(c.widths) == 0 {
		c.x0, c.x1 = first.x0, last.x1
	}
	c.x0, c.x1 = min(c.x0, first.x0), max(c.x1, last.x1)
	if r, _ := utf8.DecodeRune(first.text); unicode.IsLower(r) && !c.ended {
		c.small++
	}
	c.ended = bytes.ContainsAny(last.text[max(len(last.text)-1, 0):], ".!?")
	c.stops = c.stops || c.ended
	chars, cells := 0, 1
	for i, p := range row {
		chars += len(p.text)
		c.stops = c.stops || bytes.Contains(p.text, []byte(". "))
		if i > 0 && p.x0-row[i-1].x1 > cellGap*p.size {
			cells++
		}
	}
	c.widths, c.chars = append(c.widths, last.x1-first.x0), append(c.chars, chars/cells)
}

func (c *column) is(least prose) bool {
	if len(c.widths) < least.rows {
		return false
	}
	slices.Sort(c.widths)
	slices.Sort(c.chars)
	mid := len(c.widths) / 2
	return c.chars[mid] >= least.chars && c.widths[mid] >= least.filled*(c.x1-c.x0)
}
