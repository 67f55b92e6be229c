package pdf

import (
	"bytes"
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Distances of the layout, as shares of the font size.
const (
	wordGap  = 0.15 // above: a space between two glyphs
	cellGap  = 1.8  // above: a tab between two pieces of a line
	pieceGap = 1.0  // above: a new piece
	lineDrop = 0.45 // below: still the same line, for sub- and superscripts
)

// piece is a run of glyphs without a wide gap, in coordinates in which the
// text runs to the right and lines follow downwards.
type piece struct {
	x0, x1, y float64
	size      float64
	small     float64 // size of the smallest glyph
	text      []byte
	lastX     float64 // start of the last glyph
	lastSize  float64 // of it
	spacing   float64 // of the last glyph
	lastAt    int     // of its text in text
	last      string
	blank     bool // a space glyph came last
}

// line is pieces side by side.
type line struct {
	pieces []piece
	x0, x1 float64
	y      float64
	size   float64
}

// layout puts the glyphs of a page into lines and the lines into reading order.
// Text of each direction is laid out by itself, the most frequent one first.
func (w *workspace) layout() string {
	var parts []string
	for _, group := range byDirection(w.glyphs) {
		lines := joinStrays(w.toLines(w.toPieces(group)))
		if disordered(lines) {
			lines = geometric(lines)
		} else if n := len(lines); n <= maxOrdered {
			lines = drawnAcross(drawnDown(lines))
		}
		if t := w.write(lines); t != "" {
			parts = append(parts, t)
		}
	}
	return strings.Join(parts, "\n\n")
}

// byDirection splits glyphs by the angle of their baseline, to two degrees, and
// turns each group to the horizontal.
func byDirection(glyphs []shown) [][]shown {
	groups := map[int][]shown{}
	angle, from := 0, 0 // glyphs[from:] stand at one angle so far
	for i, g := range glyphs {
		last := angle
		if dx, dy := g.x1-g.x0, g.y1-g.y0; math.Hypot(dx, dy) > 1e-3 {
			angle = int(math.Round(math.Atan2(dy, dx)*90/math.Pi)) * 2
			if angle == -180 {
				angle = 180
			}
		}
		if angle != last && i > from {
			groups[last] = append(groups[last], glyphs[from:i]...)
			from = i
		}
	}
	if from == 0 { // nearly all pages: nothing needs a copy
		return [][]shown{turn(glyphs, -float64(angle)*math.Pi/180)}
	}
	groups[angle] = append(groups[angle], glyphs[from:]...)
	angles := slices.SortedFunc(maps.Keys(groups), func(a, b int) int {
		return cmp.Or(cmp.Compare(len(groups[b]), len(groups[a])), cmp.Compare(a, b))
	})
	ordered := make([][]shown, len(angles))
	for i, a := range angles {
		ordered[i] = turn(groups[a], -float64(a)*math.Pi/180)
	}
	return ordered
}

func turn(glyphs []shown, radians float64) []shown {
	if radians == 0 {
		return glyphs
	}
	sin, cos := math.Sincos(radians)
	for i := range glyphs {
		g := &glyphs[i]
		g.x0, g.y0 = g.x0*cos-g.y0*sin, g.x0*sin+g.y0*cos
		g.x1, g.y1 = g.x1*cos-g.y1*sin, g.x1*sin+g.y1*cos
	}
	return glyphs
}

// toPieces joins glyphs in the order in which they were drawn.
func (w *workspace) toPieces(glyphs []shown) []piece {
	w.text = slices.Grow(w.text[:0], len(glyphs)+len(glyphs)/4)
	pieces, room := w.pieces[:0], w.text // the text of all pieces stands there, one behind the other
	var p *piece
	for _, g := range glyphs {
		if p != nil && isMark(g.text) && p.carries(g) {
			p.text = slices.Insert(p.text, p.lastAt, []byte(g.text)...)
			continue
		}
		g.text = visual(g.text)
		isBlank := strings.TrimSpace(g.text) == ""
		if p != nil && p.takes(g) {
			// Letters that are set wide have no gap between them, but there is one
			// where a glyph stands apart by a spacing of its own.
			gap := g.x0 - p.x1 + max(p.spacing-g.spacing, 0)
			switch {
			case isBlank:
				p.blank = true
				continue
			case g.text == p.last && math.Abs(g.x0-p.lastX) < 0.1*g.size:
				continue // drawn twice, to look bold
			case (p.blank && gap > -0.1*g.size || gap > wordGap*min(g.size, p.size)) && !joinsUp(p.last, g.text):
				p.text = append(p.text, ' ')
			case g.size < 0.85*p.size && p.isScript(g):
				if g.y0 > p.y {
					g.text = raised[g.text[0]-'0']
				} else {
					p.text = append(p.text, '_')
				}
			}
			p.add(g)
			continue
		}
		if isBlank {
			if p != nil {
				p.blank = true
			}
			continue
		}
		if p != nil {
			room, p.text = p.text[len(p.text):], slices.Clip(p.text)
		}
		pieces = append(pieces, piece{x0: g.x0, x1: g.x1, y: g.y0, size: g.size, small: g.size, text: room})
		p = &pieces[len(pieces)-1]
		p.add(g)
	}
	w.pieces = pieces
	return pieces
}

// joinsUp tells of scripts that set characters apart without meaning a space.
func joinsUp(a, b string) bool {
	r, _ := utf8.DecodeLastRuneInString(a)
	s, _ := utf8.DecodeRuneInString(b)
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) &&
		unicode.In(s, unicode.Han, unicode.Hiragana, unicode.Katakana)
}

func (p *piece) takes(g shown) bool {
	gap, size := g.x0-p.x1, max(g.size, p.size)
	return math.Abs(g.y0-p.y) < lineDrop*size && gap < pieceGap*size && gap > -0.5*size
}

var raised = [10]string{"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"}

// isScript tells a raised or lowered digit behind a number, which must not become one of its digits.
func (p *piece) isScript(g shown) bool {
	last, _ := utf8.DecodeLastRuneInString(p.last)
	return len(g.text) == 1 && g.text[0] >= '0' && g.text[0] <= '9' && !p.blank &&
		(g.y0 > p.y+0.2*p.size && slices.Contains(raised[:], p.last) ||
			(g.y0 > p.y+0.2*p.size || g.y0 < p.y-0.1*p.size) && unicode.IsDigit(last) && g.size < 0.85*p.lastSize)
}

// carries tells whether g is a point or accent over the right-to-left letter that was
// drawn before it. From left to right it stands before that letter.
func (p *piece) carries(g shown) bool {
	return isRightToLeft(p.last) && math.Abs(g.y0-p.y) < p.size && g.x0 > p.lastX && g.x0 < p.x1
}

func (p *piece) add(g shown) {
	p.lastAt = len(p.text)
	p.text = append(p.text, g.text...)
	p.last, p.lastX, p.lastSize, p.spacing, p.blank = g.text, g.x0, g.size, g.spacing, false
	p.x1 = max(p.x1, g.x1)
	p.size, p.small = max(p.size, g.size), min(p.small, g.size)
}

// toLines joins pieces that follow each other on one baseline.
func (w *workspace) toLines(pieces []piece) []line {
	lines, from := w.lines[:0], 0 // where the pieces of the last line begin; lines share their memory
	for i, p := range pieces {
		if n := len(lines); n > 0 && lines[n-1].continues(p) {
			lines[n-1].widen(p)
			lines[n-1].pieces = pieces[from : i+1 : i+1]
			continue
		}
		from = i
		lines = append(lines, lineOf(pieces[i:i+1:i+1]))
	}
	w.lines = lines
	return lines
}

// lineOf begins a line with one piece.
func lineOf(p []piece) line {
	return line{pieces: p, x0: p[0].x0, x1: p[0].x1, y: p[0].y, size: p[0].size}
}

func (l *line) add(p piece) {
	l.pieces = append(l.pieces, p)
	l.widen(p)
}

func (l *line) widen(p piece) {
	l.x0, l.x1 = min(l.x0, p.x0), max(l.x1, p.x1)
	if p.size > l.size {
		l.size, l.y = p.size, p.y
	}
}

func (l *line) sameBaseline(y, size float64) bool {
	return math.Abs(l.y-y) < lineDrop*max(l.size, size)
}

// continues accepts a piece to the right of the line, one that ends where the
// line begins, which is text that runs to the left, or one in a place that is
// free: cells of a table may be drawn in any order.
func (l *line) continues(p piece) bool {
	if !l.sameBaseline(p.y, p.size) {
		return false
	}
	size := max(l.size, p.size)
	return p.x0 > l.x1-0.5*size || p.x1 < l.x0+0.5*size && p.x1 > l.x0-pieceGap*size || l.isFree(p.x0, p.x1, 0)
}

// isFree tells whether no piece of the line reaches into an extent by more than slack.
func (l *line) isFree(x0, x1, slack float64) bool {
	return len(l.pieces) <= maxHosts && !slices.ContainsFunc(l.pieces, func(p piece) bool {
		return min(p.x1, x1)-max(p.x0, x0) > slack
	})
}

// joinStrays puts pieces that were drawn later, often bold or linked words,
// into the hole that an earlier line left for them, and drops lines that were
// drawn twice.
func joinStrays(lines []line) []line {
	byY := map[int][]int{}
	kept := lines[:0]
	for _, l := range lines {
		bucket := int(math.Floor(l.y / 4))
		if host := findHost(kept, byY, bucket, l); host >= 0 {
			if !kept[host].repeats(l) {
				for _, p := range l.pieces {
					kept[host].add(p)
				}
			}
			continue
		}
		byY[bucket] = append(byY[bucket], len(kept))
		kept = append(kept, l)
	}
	return kept
}

// maxHosts bounds the search among lines that all stand at one height.
const maxHosts = 64

func findHost(lines []line, byY map[int][]int, bucket int, l line) int {
	for b := bucket - 1; b <= bucket+1; b++ {
		for _, i := range byY[b][:min(len(byY[b]), maxHosts)] {
			if lines[i].sameBaseline(l.y, l.size) && (lines[i].repeats(l) || lines[i].hasRoomFor(l)) {
				return i
			}
		}
	}
	return -1
}

// repeats tells whether m shows the same text in the same place, as is done to
// make it look bold.
func (l *line) repeats(m line) bool {
	return len(l.pieces) == len(m.pieces) && !slices.ContainsFunc(m.pieces, func(p piece) bool {
		return !slices.ContainsFunc(l.pieces, func(q piece) bool { return p.covers(q) })
	})
}

func (p *piece) covers(q piece) bool {
	return math.Abs(p.x0-q.x0) < 0.3*max(p.size, q.size) && string(p.text) == string(q.text)
}

// hasRoomFor tells whether m fits between two pieces of l, or right beside it,
// without covering any.
func (l *line) hasRoomFor(m line) bool {
	size := max(l.size, m.size)
	if !l.isFree(m.x0, m.x1, 0.2*size) {
		return false
	}
	near := math.Inf(1)
	for _, p := range l.pieces {
		near = min(near, max(p.x0-m.x1, m.x0-p.x1))
	}
	return near < pieceGap*size
}

// disordered tells of a page that was not drawn from top to bottom: too many
// lines stand higher than the one drawn before them in the same column.
func disordered(lines []line) bool {
	const fewest, lookBack = 4, 16
	if len(lines) < fewest {
		return false
	}
	ups := 0
	for i, l := range lines {
		for j := i - 1; j >= max(i-lookBack, 0); j-- {
			if above := lines[j]; above.x0 < l.x1 && l.x0 < above.x1 {
				if l.y > above.y+max(l.size, above.size)/2 {
					ups++
				}
				break
			}
		}
	}
	return ups > len(lines)/4
}

// write prints lines, with a blank one where the distance is unusual.
func (w *workspace) write(lines []line) string {
	b := w.out[:0]
	pitch, tables := usualPitch(lines), grids(lines)
	for i, l := range lines {
		if i > 0 {
			b = append(b, '\n')
			drop := lines[i-1].y - l.y
			if drop < 0 || drop > 1.35*pitch && drop > 1.2*l.size || lines[i-1].isHeading(l) {
				b = append(b, '\n')
			}
		}
		start := len(b)
		var g grid
		if tables != nil {
			g = tables[i]
		}
		b = l.appendTo(b, g)
		if bytes.ContainsFunc(b[start:], mayRunLeft) {
			b = append(b[:start], logical(string(b[start:]))...)
		}
	}
	w.out = b
	return string(bytes.TrimSpace(b))
}

// headingSize is how much larger the letters of a heading are than those of the text below it.
const headingSize = 1.15

// isHeading tells a line from text below it, by the smallest of its letters: the first of a chapter may be large.
func (l *line) isHeading(below line) bool {
	for _, p := range l.pieces {
		if p.small < headingSize*below.size {
			return false
		}
	}
	return len(l.pieces) > 0
}

func usualPitch(lines []line) float64 {
	var drops []float64
	for i := 1; i < len(lines); i++ {
		if d := lines[i-1].y - lines[i].y; d > 0 {
			drops = append(drops, d)
		}
	}
	if len(drops) == 0 {
		return 0
	}
	slices.Sort(drops)
	return drops[len(drops)/2]
}

// appendTo writes the line as it stands on the page, with as many tabs before a
// cell as there are columns of the table up to it.
func (l *line) appendTo(b []byte, g grid) []byte {
	l.sort()
	var places []int
	if g != nil {
		if places = g.places(l.cells()); places != nil {
			b = append(b, bytes.Repeat([]byte{'\t'}, places[0])...)
		}
	}
	cell := 0
	for i, p := range l.pieces {
		if i > 0 {
			prev := l.pieces[i-1]
			gap, size := p.x0-prev.x1, max(p.size, prev.size)
			if p.covers(prev) {
				continue
			}
			isLabel := places == nil && len(l.pieces) == 2 && bytes.HasSuffix(prev.text, []byte(":"))
			switch {
			case l.isCell(i) && !isLabel:
				tabs := 1
				if cell++; cell < len(places) {
					tabs = places[cell] - places[cell-1]
				}
				b = append(b, bytes.Repeat([]byte{'\t'}, tabs)...)
			case gap > wordGap*size, prev.blank:
				b = append(b, ' ')
			}
		}
		b = append(b, p.text...)
	}
	if n := len(places); n > 1 {
		b = append(b, bytes.Repeat([]byte{'\t'}, len(g)-1-places[n-1])...)
	}
	return b
}
