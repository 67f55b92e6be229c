package cpu

import (
	"math"
	"slices"
)

// queryTile is how many positions of a sequence attend in one task.
const queryTile = 16

// span is rows of a call that are of one sequence and follow each other.
type span struct {
	q        *sequence
	from, to int // rows
	position int // of the first
}

// scratch is what a worker needs to attend.
type scratch struct {
	queries, scores, part vectors
	shares                []float32 // of each row: by what the weights are multiplied for their sum to be 1
}

// attend computes attention of layer i for query heads that share a key head, of at most queryTile rows. Keys and values of
// all rows are in the pages.
func (w *work) attend(i int, sp span, head int, s *scratch) {
	m, shape := w.model, w.shape
	group, dim := m.Heads/m.KVHeads, m.HeadDim
	n := (sp.to - sp.from) * group
	last := sp.position + sp.to - sp.from - 1
	l := &m.layers[i]
	from, to := l.first(sp.position)/pagePositions, last/pagePositions+1 // pages

	s.queries.resize(n, dim)
	s.scores.resize(n, (to-from)*pagePositions)
	s.part.resize(n, shape.rows)
	s.shares = slices.Grow(s.shares[:0], n)[:n]
	for r := sp.from; r < sp.to; r++ {
		for h := range group {
			copy(s.queries.row((r-sp.from)*group+h), w.q.row(r)[(head*group+h)*dim:][:dim])
		}
	}
	for p := from; p < to; p++ {
		keys := matrix{out: pagePositions, in: dim, stride: shape.stride, floats: shape.keys(sp.q.pages[p], i, head)}
		product{m: &keys, dst: s.scores.floats[(p-from)*pagePositions:], stride: s.scores.stride}.compute(&s.queries, 0, pagePositions)
	}
	for k := range n {
		position := sp.position + k/group
		s.shares[k] = 1 / softmax(s.scores.row(k), l.first(position)-from*pagePositions, position+1-from*pagePositions)
	}
	for r := sp.from; r < sp.to; r++ {
		clear(w.attended.row(r)[head*group*dim:][:group*dim])
	}
	for p := from; p < to; p++ {
		values := matrix{out: dim, in: pagePositions, stride: pagePositions, floats: shape.values(sp.q.pages[p], i, head)}
		weights := vectors{n: n, width: pagePositions, stride: s.scores.stride, floats: s.scores.floats[(p-from)*pagePositions:]}
		product{m: &values, dst: s.part.floats, stride: s.part.stride}.compute(&weights, 0, dim)
		for k := range n {
			dst := w.attended.row(sp.from + k/group)[(head*group+k%group)*dim:][:dim]
			share := s.shares[k]
			for j, v := range s.part.row(k)[:dim] {
				dst[j] += v * share
			}
		}
	}
}

// softmax makes x[from:to] weights, which are yet to be divided by their sum; the rest becomes 0. len(x) is a multiple of 8.
func softmax(x []float32, from, to int) (sum float32) {
	for _, unseen := range [][]float32{x[:from], x[to:]} {
		for i := range unseen {
			unseen[i] = float32(math.Inf(-1))
		}
	}
	return exp(x, largest(x))
}

// put writes the keys and values of row r to the pages.
func (w *work) put(i int, q *sequence, position, r int) {
	shape := w.shape
	p, at := q.pages[position/pagePositions], position%pagePositions
	for head := range shape.heads {
		copy(shape.keys(p, i, head)[at*shape.stride:], w.k.row(r)[head*shape.dim:][:shape.dim])
		values := shape.values(p, i, head)
		for j, v := range w.v.row(r)[head*shape.dim:][:shape.dim] {
			values[j*pagePositions+at] = v
		}
	}
}
