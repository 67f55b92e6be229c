package cpu

import (
	"slices"

	"github.com/docent-ml/docent/internal/lm/infer"
)

// pagePositions is how many positions of a sequence share a page.
const pagePositions = 64

// page is the keys and values of some positions in all layers. A full page is never written again, so sequences that begin
// alike can hold the same.
type page struct {
	// keys is [layer, kvHead, position, dim] and values is [layer, kvHead, dim, position]: both are matrices that the kernels
	// take, the keys for the scores and the values for what they weigh.
	keys, values []float32
}

// shape of the pages of a model.
type shape struct {
	layers, heads int
	dim, stride   int // of a head; the stride of keys
	rows          int // of values: dim, rounded up
}

func (m *model) pageShape() shape {
	return shape{m.Layers, m.KVHeads, m.HeadDim, roundUp(m.HeadDim, block), roundUp(m.HeadDim, m.k.floatRows)}
}

func (s shape) newPage() *page {
	n := s.layers * s.heads * pagePositions
	return &page{make([]float32, n*s.stride), make([]float32, n*s.rows)}
}

func (s shape) pageBytes() int64 {
	return int64(4 * s.layers * s.heads * pagePositions * (s.stride + s.rows))
}

// keys of a head are [pagePositions, stride].
func (s shape) keys(p *page, layer, head int) []float32 {
	n := pagePositions * s.stride
	return p.keys[(layer*s.heads+head)*n:][:n]
}

// values of a head are [rows, pagePositions].
func (s shape) values(p *page, layer, head int) []float32 {
	n := s.rows * pagePositions
	return p.values[(layer*s.heads+head)*n:][:n]
}

// sequence is the computed part of one text.
type sequence struct {
	pages   []*page
	length  int
	whole   int      // tokens of the text that it is the beginning of, which decide how some models rotate
	ids     []int32  // kept of models that rotate longer texts in another way
	adapter *Adapter // nil = none
}

// newSequence is an empty one, of a text of so many tokens. Nil is no adapter.
func newSequence(a infer.Adapter, whole int) *sequence {
	q := &sequence{whole: whole}
	q.adapter, _ = a.(*Adapter)
	return q
}

// reserve makes room for n more positions.
func (q *sequence) reserve(s shape, n int) {
	for len(q.pages)*pagePositions < q.length+n {
		q.pages = append(q.pages, s.newPage())
	}
}

// extended notes that tokens were computed. Where texts of more than border tokens are rotated in another way, they are kept.
func (q *sequence) extended(border int, ids ...int32) {
	q.length += len(ids)
	if border > 0 {
		q.ids = append(q.ids, ids...)
	}
}

// fork is a sequence that begins like the first n positions of q. The page that it goes on writing to is its own.
func (q *sequence) fork(n int) *sequence {
	full := n / pagePositions
	out := &sequence{pages: slices.Clone(q.pages[:full]), length: n, whole: q.whole, adapter: q.adapter}
	if q.ids != nil {
		out.ids = slices.Clone(q.ids[:n])
	}
	if n%pagePositions > 0 {
		p := q.pages[full]
		out.pages = append(out.pages, &page{slices.Clone(p.keys), slices.Clone(p.values)})
	}
	return out
}
