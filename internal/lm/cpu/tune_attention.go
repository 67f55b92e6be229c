package cpu

import "math"

// tileQueries is how many positions attend together: whole steps of the kernels.
const tileQueries = 48

// attentionTile is a worker's memory for the queries of one tile.
type attentionTile struct {
	scores, slopes vectors // [tileQueries, keys of the parent, then own keys]
	out            []float32
}

// headStride is the width of a head's vectors in memory: what the kernels take.
func (t *Tuner) headStride() int { return roundUp(t.HeadDim, panelWidth) }

// spread is the buffer of heads [heads, rows, dim] with room for n rows, zero where it is new. The kernel for scores reads
// some rows beyond the last.
func (t *Tuner) spread(v []float32, heads, n int) []float32 {
	return resized(v, (heads*n+floatRows)*t.headStride())
}

// attend fills tp.attended from tp.qkv.
func (t *Tuner) attend(l *layer, tp *tape) {
	n := len(t.b.Tokens)
	tp.q, tp.k, tp.v = t.spread(tp.q, t.Heads, n), t.spread(tp.k, t.KVHeads, n), t.spread(tp.v, t.KVHeads, n)
	tp.logSums = resized(tp.logSums, t.Heads*n)
	tp.attended.resize(n, t.QDim())
	t.crew.rows(n, func(r int) { t.place(l, tp, r) })
	t.tiles(l, func(x tile, worker int) { t.attendTile(tp, x, worker) })
}

// place cuts row r of the projections into heads, norms and rotates them, and scales the queries.
func (t *Tuner) place(l *layer, tp *tape, r int) {
	row, n, dim, stride := tp.qkv.row(r), len(t.b.Tokens), t.HeadDim, t.headStride()
	cos, sin := t.rotation(l, r)
	cut := func(dst []float32, heads int, norm []float32, turned bool, scale float32) {
		for h := range heads {
			x := dst[(h*n+r)*stride:][:stride]
			clear(x[copy(x, row[h*dim:][:dim]):])
			x = x[:dim]
			if norm != nil {
				t.normalize(x, x, norm)
			}
			if turned {
				rotate(x, cos, sin)
			}
			if scale != 1 {
				for i := range x {
					x[i] *= scale
				}
			}
		}
		row = row[heads*dim:]
	}
	cut(tp.q, t.Heads, l.qNorm, true, float32(t.AttentionScale))
	cut(tp.k, t.KVHeads, l.kNorm, true, 1)
	cut(tp.v, t.KVHeads, nil, false, 1)
}

// tile is queries of one segment and head that attend together: rows from to to. They see rows parentFrom to parentTo and rows
// from own on, up to themselves.
type tile struct {
	l                    *layer
	head                 int
	from, to             int
	parentFrom, parentTo int
	own                  int
}

// seen is the number of keys in the parent and in the segment itself.
func (x *tile) seen() (parent, own int) { return x.parentTo - x.parentFrom, x.to - x.own }

// width of the scores: both parts are padded, so that the kernels write whole tiles and take whole vectors.
func (x *tile) width() (parent, own int) {
	parent, own = x.seen()
	return roundUp(parent, 8), roundUp(own, 8)
}

// tiles calls do for all: in parallel for families and heads, which write to different rows, and in order for each.
func (t *Tuner) tiles(l *layer, do func(x tile, worker int)) {
	t.crew.run(len(t.b.families)*t.Heads, func(worker, task int) {
		f := t.b.families[task/t.Heads]
		for i := f.from; i < f.to; i++ {
			s := t.b.Segments[i]
			for from := s.From; from < s.To; from += tileQueries {
				x := tile{l: l, head: task % t.Heads, from: from, to: min(from+tileQueries, s.To), own: s.From}
				if s.Parent != i {
					parent := t.b.Segments[s.Parent]
					x.parentFrom, x.parentTo = parent.From, parent.To
				}
				do(x, worker)
			}
		}
	})
}

// parts calls do for the keys in the parent and for those in the segment: rows from key to key+n, whose scores begin at a column.
func (x *tile) parts(do func(key, n, column int)) {
	parent, own := x.seen()
	if parent > 0 {
		do(x.parentFrom, parent, 0)
	}
	do(x.own, own, roundUp(parent, 8))
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
		for o := 0; o < n; o += floatRows {
			dotFloats(w[o*stride:], stride, queries, stride, stride, x.to-x.from, dst.floats[column+o:], dst.stride)
		}
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
		top := largest(row)
		sums[i] = exp(row, top)
		tp.logSums[x.head*len(t.b.Tokens)+x.from+i] = top + float32(math.Log(float64(sums[i])))
	}
	x.parts(func(key, keys, column int) {
		p.add(sum{m.out, stride, n, t.HeadDim, []term{{
			a: m.scores.floats[column:], aRow: m.scores.stride, aStep: 1, depth: keys, b: t.at(tp.v, x.head/group, key), bStride: stride,
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
	n := len(t.b.Tokens)
	t.dQKV.resize(n, t.QDim()+2*t.KVDim())
	for _, v := range []*[]float32{&t.dq, &t.dk, &t.dv} {
		*v = t.spread(*v, t.Heads, n)
		clear(*v)
	}
	t.tiles(l, func(x tile, worker int) { t.attendTileBack(tp, x, worker) })
	t.crew.rows(n, func(r int) { t.placeBack(l, tp, r) })
}

// attendTileBack: with the weights P = exp(scores − log Σ) and the gradient dO of the output O,
//
//	dV += Pᵀ·dO      dS = P ∘ (dO·Vᵀ − Σ dO∘O)      dQ = dS·K      dK += dSᵀ·Q
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
		exp(weights, tp.logSums[x.head*len(t.b.Tokens)+r])
		var along float32
		for j, v := range tp.attended.row(r)[x.head*dim:][:dim] {
			along += v * m.out[i*stride+j]
		}
		for j, w := range weights {
			if w == 0 { // the kernel has written anything there
				slopes[j] = 0
			} else {
				slopes[j] = w * (slopes[j] - along)
			}
		}
	}
	q, dq := t.at(tp.q, x.head, x.from), t.at(t.dq, x.head, x.from)
	x.parts(func(key, keys, column int) {
		slopes, weights := m.slopes.floats[column:], m.scores.floats[column:]
		p.add(sum{dq, stride, n, dim, []term{{a: slopes, aRow: m.slopes.stride, aStep: 1, depth: keys, b: t.at(tp.k, x.head/group, key), bStride: stride}}})
		p.add(sum{t.at(t.dk, x.head, key), stride, keys, dim, []term{{a: slopes, aRow: 1, aStep: m.slopes.stride, depth: n, b: q, bStride: stride}}})
		p.add(sum{t.at(t.dv, x.head, key), stride, keys, dim, []term{{a: weights, aRow: 1, aStep: m.scores.stride, depth: n, b: m.out, bStride: stride}}})
	})
}

// placeBack is the gradient of row r of the projections.
func (t *Tuner) placeBack(l *layer, tp *tape, r int) {
	dim, group := t.HeadDim, t.Heads/t.KVHeads
	dst, src := t.dQKV.row(r), tp.qkv.row(r)
	cos, sin := t.rotation(l, r)
	back := func(d []float32, heads, each int, norm []float32, turned bool, scale float32) {
		for h := range heads {
			x := t.at(d, h*each, r)[:dim]
			for i := 1; i < each; i++ {
				for j, v := range t.at(d, h*each+i, r)[:dim] {
					x[j] += v
				}
			}
			if scale != 1 {
				for j := range x {
					x[j] *= scale
				}
			}
			if turned {
				rotateBack(x, cos, sin)
			}
			if y := dst[h*dim:][:dim]; norm == nil {
				copy(y, x)
			} else {
				clear(y)
				t.normalizeBack(y, x, src[h*dim:][:dim], norm)
			}
		}
		dst, src = dst[heads*dim:], src[heads*dim:]
	}
	back(t.dq, t.Heads, 1, l.qNorm, true, float32(t.AttentionScale))
	back(t.dk, t.KVHeads, group, l.kNorm, true, 1)
	back(t.dv, t.KVHeads, group, nil, false, 1)
}

// rotateBack is the inverse of rotate.
func rotateBack(x, cos, sin []float32) {
	a, b := x[:len(cos)], x[len(cos):2*len(cos)]
	for i, c := range cos {
		s := sin[i]
		a[i], b[i] = a[i]*c+b[i]*s, b[i]*c-a[i]*s
	}
}
