package cpu

import (
	"math"
	"slices"
)

// tileQueries is how many positions attend together: whole steps of the kernels.
const tileQueries = 48

// attentionTile is a worker's memory for the queries of one tile.
type attentionTile struct {
	scores, slopes vectors // [tileQueries, keys of the parent, then own keys]
	out            []float32
}

// headStride is the width of a head's vectors in memory: what the kernels take.
func (t *Tuner) headStride() int { return roundUp(t.HeadDim, block) }

// spread is the buffer of heads [heads, rows, dim] with room for n rows, zero where it is new. The kernel for scores reads
// some rows beyond the last.
func (t *Tuner) spread(v []float32, heads, n int) []float32 {
	return resized(v, (heads*n+t.k.floatRows)*t.headStride())
}

// attend fills tp.attended from tp.qkv.
func (t *Tuner) attend(l *layer, tp *tape) {
	if l.taps != nil {
		t.convolve(l, tp)
		return
	}
	n := len(t.b.Tokens)
	tp.q, tp.k, tp.v = t.spread(tp.q, t.Heads, n), t.spread(tp.k, t.KVHeads, n), t.spread(tp.v, t.KVHeads, n)
	tp.logSums = resized(tp.logSums, t.Heads*n)
	tp.attended.resize(n, t.QDim())
	t.crew.run(n, func(worker, r int) { t.spreadRow(l, tp, r, &t.memory[worker]) })
	t.tiles(l, func(x tile, worker int) { t.attendTile(tp, x, worker) })
}

// spreadRow puts the heads of row r in their places: normed, rotated, and the queries scaled.
func (t *Tuner) spreadRow(l *layer, tp *tape, r int, m *memory) {
	n, dim, stride := len(t.b.Tokens), t.HeadDim, t.headStride()
	m.row = resized(m.row, tp.qkv.width)
	row := m.row
	copy(row, tp.qkv.row(r))
	t.place(l, r, row)
	for _, part := range []struct {
		dst   []float32
		heads int
	}{{tp.q, t.Heads}, {tp.k, t.KVHeads}, {tp.v, t.KVHeads}} {
		for h := range part.heads {
			x := part.dst[(h*n+r)*stride:][:stride]
			clear(x[copy(x, row[h*dim:][:dim]):])
		}
		row = row[part.heads*dim:]
	}
}

// tile is queries of one segment and head that attend together: rows from to to. They see rows parentFrom to parentTo and rows
// from own on, up to themselves.
type tile struct {
	l                    *layer
	head                 int
	from, to             int
	parentFrom, parentTo int
	own                  int
	round                int // whole tiles of keys, and lanes of scores
}

// seen is the number of keys in the parent and in the segment itself.
func (x *tile) seen() (parent, own int) { return x.parentTo - x.parentFrom, x.to - x.own }

// width of the scores: both parts are padded, so that the kernels write whole tiles and take whole vectors.
func (x *tile) width() (parent, own int) {
	parent, own = x.seen()
	return roundUp(parent, x.round), roundUp(own, x.round)
}

// tiles calls do for all: in parallel for families and heads, which write to different rows, and in order for each.
func (t *Tuner) tiles(l *layer, do func(x tile, worker int)) {
	t.crew.run(len(t.b.families)*t.Heads, func(worker, task int) {
		f := t.b.families[task/t.Heads]
		for i := f.from; i < f.to; i++ {
			s := t.b.Segments[i]
			first, end := s.From, s.To
			if rows := t.cut(t, l); rows != nil { // queries that nobody needs need no attention
				first, end = between(rows, first, end)
			}
			for from := first; from < end; from += tileQueries {
				x := tile{l: l, head: task % t.Heads, from: from, to: min(from+tileQueries, end), own: s.From, round: max(t.k.floatRows, t.k.lanes)}
				if s.Parent != i {
					parent := t.b.Segments[s.Parent]
					x.parentFrom, x.parentTo = parent.From, parent.To
				}
				do(x, worker)
			}
		}
	})
}

// between is from the first to behind the last of rows, which ascend, that lie in from to to.
func between(rows []int32, from, to int) (first, end int) {
	i, _ := slices.BinarySearch(rows, int32(from))
	j, _ := slices.BinarySearch(rows, int32(to))
	if i == j {
		return from, from
	}
	return int(rows[i]), int(rows[j-1]) + 1
}

// parts calls do for the keys in the parent and for those in the segment: rows from key to key+n, whose scores begin at a column.
func (x *tile) parts(do func(key, n, column int)) {
	parent, own := x.seen()
	if parent > 0 {
		do(x.parentFrom, parent, 0)
	}
	do(x.own, own, roundUp(parent, x.round))
}

// at is the vector of row r in head h of a buffer, and those after it.
func (t *Tuner) at(v []float32, h, r int) []float32 {
	return v[(h*len(t.b.Tokens)+r)*t.headStride():]
}

// times fills dst with products of the queries [rows of the tile, dim] and the keys of a buffer.
func (t *Tuner) times(dst *vectors, x *tile, queries []float32, keys []float32) {
	parent, own := x.width()
	dst.resize(x.to-x.from, parent+own)
	stride, kv := t.headStride(), x.head/(t.Heads/t.KVHeads)
	x.parts(func(key, n, column int) {
		w := t.at(keys, kv, key)
		t.k.dotAll(w, stride, n, queries, stride, stride, x.to-x.from, dst.floats[column:], dst.stride)
	})
}

// scores fills m.scores; what a query does not see is −∞.
func (t *Tuner) scores(tp *tape, x *tile, m *attentionTile) {
	t.times(&m.scores, x, t.at(tp.q, x.head, x.from), tp.k)
	parent, own := x.seen()
	parentWidth, ownWidth := x.width()
	inf := float32(math.Inf(-1))
	hide := func(row []float32) {
		for i := range row {
			row[i] = inf
		}
	}
	for r := x.from; r < x.to; r++ {
		row := m.scores.row(r - x.from)
		softcap(row, t.AttentionSoftcap)
		hide(row[parent:parentWidth])
		ownRow := row[parentWidth : parentWidth+ownWidth]
		hide(ownRow[r+1-x.own:])
		if x.l.window > 0 {
			first := t.b.positions[r] - x.l.window + 1 // position
			hide(ownRow[:min(max(0, first-t.b.positions[x.own]), own)])
			if parent > 0 {
				hide(row[:min(max(0, first-t.b.positions[x.parentFrom]), parent)])
			}
		}
	}
}

func (t *Tuner) attendTile(tp *tape, x tile, worker int) {
	m, p := &t.memory[worker].tile, &t.crew.panels[worker]
	t.scores(tp, &x, m)
	n, stride, group := x.to-x.from, t.headStride(), t.Heads/t.KVHeads
	m.out = resized(m.out, tileQueries*stride)
	clear(m.out)
	sums := [tileQueries]float32{}
	for i := range n {
		row := m.scores.row(i)
		sink := x.l.sink(x.head)
		top := max(t.k.largest(row), sink)
		sums[i] = t.k.exp(row, top) + float32(math.Exp(float64(sink-top)))
		tp.logSums[x.head*len(t.b.Tokens)+x.from+i] = top + float32(math.Log(float64(sums[i])))
	}
	x.parts(func(key, keys, column int) {
		p.add(sum{m.out, stride, n, t.HeadDim, []term{{
			a: m.scores.floats[column:], aRow: m.scores.stride, aStep: 1, depth: keys, b: dense{t.at(tp.v, x.head/group, key), stride},
		}}})
	})
	for i := range n {
		dst, share := tp.attended.row(x.from + i)[x.head*t.HeadDim:][:t.HeadDim], 1/sums[i]
		for j := range dst {
			dst[j] = m.out[i*stride+j] * share
		}
	}
}

// attendBack fills t.dQKV from t.dAttended.
func (t *Tuner) attendBack(l *layer, tp *tape) {
	if l.taps != nil {
		t.convolveBack(l, tp)
		return
	}
	n := len(t.b.Tokens)
	t.dQKV.resize(n, t.QDim()+2*t.KVDim())
	for _, v := range []*[]float32{&t.dq, &t.dk, &t.dv} {
		*v = t.spread(*v, t.Heads, n)
		clear(*v)
	}
	t.tiles(l, func(x tile, worker int) { t.attendTileBack(tp, x, worker) })
	t.crew.run(n, func(worker, r int) { t.spreadRowBack(l, tp, r, &t.memory[worker]) })
}

// attendTileBack: with the weights P = exp(scores − log Σ) and the gradient dO of the output O,
//
//	dV += Pᵀ·dO      dS = P ∘ (dO·Vᵀ − Σ dO∘O)      dQ = dS·K      dK += dSᵀ·Q
//
// A sink is in Σ, and having no value it adds nothing else.
func (t *Tuner) attendTileBack(tp *tape, x tile, worker int) {
	m, p := &t.memory[worker].tile, &t.crew.panels[worker]
	t.scores(tp, &x, m)
	n, dim, stride, group := x.to-x.from, t.HeadDim, t.headStride(), t.Heads/t.KVHeads
	m.out = resized(m.out, tileQueries*stride)
	clear(m.out)
	for i := range n {
		copy(m.out[i*stride:], t.dAttended.row(x.from + i)[x.head*dim:][:dim])
	}
	t.times(&m.slopes, &x, m.out, tp.v)
	for i := range n {
		r := x.from + i
		weights, slopes := m.scores.row(i), m.slopes.row(i)
		caps := t.capSlopes(weights, worker)
		t.k.exp(weights, tp.logSums[x.head*len(t.b.Tokens)+r])
		var along float32
		for j, v := range tp.attended.row(r)[x.head*dim:][:dim] {
			along += v * m.out[i*stride+j]
		}
		for j, w := range weights {
			if w == 0 { // the kernel has written anything there
				slopes[j] = 0
			} else {
				slopes[j] = w * (slopes[j] - along)
				if caps != nil {
					slopes[j] *= caps[j]
				}
			}
		}
	}
	q, dq := t.at(tp.q, x.head, x.from), t.at(t.dq, x.head, x.from)
	x.parts(func(key, keys, column int) {
		slopes, weights := m.slopes.floats[column:], m.scores.floats[column:]
		p.add(sum{dq, stride, n, dim, []term{{a: slopes, aRow: m.slopes.stride, aStep: 1, depth: keys, b: dense{t.at(tp.k, x.head/group, key), stride}}}})
		p.add(sum{t.at(t.dk, x.head, key), stride, keys, dim, []term{{a: slopes, aRow: 1, aStep: m.slopes.stride, depth: n, b: dense{q, stride}}}})
		p.add(sum{t.at(t.dv, x.head, key), stride, keys, dim, []term{{a: weights, aRow: 1, aStep: m.scores.stride, depth: n, b: dense{m.out, stride}}}})
	})
}

// capSlopes are the derivatives of bounded scores, nil where they are not bounded.
func (t *Tuner) capSlopes(scores []float32, worker int) []float32 {
	if t.AttentionSoftcap == 0 {
		return nil
	}
	m := &t.memory[worker]
	m.row = resized(m.row, len(scores))
	for i, y := range scores {
		m.row[i] = capSlope(y, t.AttentionSoftcap)
	}
	return m.row
}

// spreadRowBack is the gradient of row r of the projections.
func (t *Tuner) spreadRowBack(l *layer, tp *tape, r int, m *memory) {
	dim, group := t.HeadDim, t.Heads/t.KVHeads
	m.row = resized(m.row, tp.qkv.width)
	row := m.row[:0] // gradient of what place made
	for _, part := range []struct {
		src         []float32
		heads, each int
	}{{t.dq, t.Heads, 1}, {t.dk, t.KVHeads, group}, {t.dv, t.KVHeads, group}} {
		for h := range part.heads {
			row = append(row, t.at(part.src, h*part.each, r)[:dim]...)
			for i := 1; i < part.each; i++ {
				x := row[len(row)-dim:]
				for j, v := range t.at(part.src, h*part.each+i, r)[:dim] {
					x[j] += v
				}
			}
		}
	}
	t.placeBack(l, r, t.dQKV.row(r), tp.qkv.row(r), row)
}
