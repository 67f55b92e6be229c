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
	room                  []float32 // of keys or values of half precision
}

// attendPiece computes attention for query heads that share a key head, of at most queryTile rows. Keys and values of all rows
// are in the pages.
func (w *inference) attendPiece(l *layer, tp *tape, sp span, head int, s *scratch) {
	m, shape, i := w.model, w.shape, l.number
	group, dim := m.Heads/m.KVHeads, m.HeadDim
	n := (sp.to - sp.from) * group
	last := sp.position + sp.to - sp.from - 1
	from, to := l.first(sp.position)/pagePositions, last/pagePositions+1 // pages

	s.queries.resize(n, dim)
	s.scores.resize(n, (to-from)*pagePositions)
	s.part.resize(n, shape.rows)
	s.shares = slices.Grow(s.shares[:0], n)[:n]
	for r := sp.from; r < sp.to; r++ {
		for h := range group {
			copy(s.queries.row((r-sp.from)*group+h), tp.qkv.row(r)[(head*group+h)*dim:][:dim])
		}
	}
	for p := from; p < to; p++ {
		at, size := shape.keysAt(i, head)
		m.k.dotAll(sp.q.pages[p].keys.matrix(m.k, &s.room, at, size), shape.stride, pagePositions, s.queries.floats, s.queries.stride, shape.stride, n,
			s.scores.floats[(p-from)*pagePositions:], s.scores.stride)
	}
	for k := range n {
		position := sp.position + k/group
		first, end := l.first(position)-from*pagePositions, position+1-from*pagePositions
		softcap(s.scores.row(k)[first:end], m.AttentionSoftcap)
		s.shares[k] = 1 / m.k.softmax(s.scores.row(k), first, end, l.sink(head*group+k%group))
	}
	for r := sp.from; r < sp.to; r++ {
		clear(tp.attended.row(r)[head*group*dim:][:group*dim])
	}
	for p := from; p < to; p++ {
		at, size := shape.valuesAt(i, head)
		m.k.dotAll(sp.q.pages[p].values.matrix(m.k, &s.room, at, size), pagePositions, shape.rows, s.scores.floats[(p-from)*pagePositions:], s.scores.stride,
			pagePositions, n, s.part.floats, s.part.stride)
		for k := range n {
			dst := tp.attended.row(sp.from + k/group)[(head*group+k%group)*dim:][:dim]
			share := s.shares[k]
			for j, v := range s.part.row(k)[:dim] {
				dst[j] += v * share
			}
		}
	}
}

// softmax makes x[from:to] weights, which are yet to be divided by their sum and the sink's; the rest becomes 0. len(x) is a multiple of
// the lanes.
func (k *kernels) softmax(x []float32, from, to int, sink float32) (sum float32) {
	for _, unseen := range [][]float32{x[:from], x[to:]} {
		for i := range unseen {
			unseen[i] = float32(math.Inf(-1))
		}
	}
	top := max(k.largest(x), sink)
	return k.exp(x, top) + float32(math.Exp(float64(sink-top)))
}

// put writes the keys and values of a position in layer i, which are side by side, to its page.
func (w *inference) put(i int, q *sequence, position int, kv []float32) {
	shape := w.shape
	p, at := q.pages[position/pagePositions], position%pagePositions
	for head := range shape.heads {
		keys, _ := shape.keysAt(i, head)
		for j, v := range kv[head*shape.dim:][:shape.dim] {
			p.keys.set(keys+at*shape.stride+j, v)
		}
		values, _ := shape.valuesAt(i, head)
		for j, v := range kv[(shape.heads+head)*shape.dim:][:shape.dim] {
			p.values.set(values+j*pagePositions+at, v)
		}
	}
}
