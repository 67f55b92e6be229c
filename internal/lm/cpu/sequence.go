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
	holders      int // sequences that have it
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

// pages makes pages, and takes back those that nobody holds any more, so that a request costs no new memory: garbage of this
// size would let the heap grow to twice what is in use. It belongs to one goroutine.
type pages struct {
	shape
	free []*page
	most int // free ones that are kept
	made int
}

// page is an empty one.
func (p *pages) page() *page {
	if n := len(p.free); n > 0 {
		x := p.free[n-1]
		p.free = p.free[:n-1]
		clear(x.keys)
		clear(x.values)
		x.holders = 1
		return x
	}
	p.made++
	n := p.layers * p.heads * pagePositions
	return &page{make([]float32, n*p.stride), make([]float32, n*p.rows), 1}
}

// reserve makes room for n more positions of q.
func (p *pages) reserve(q *sequence, n int) {
	for len(q.pages)*pagePositions < q.length+n {
		q.pages = append(q.pages, p.page())
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
func (p *pages) fork(q *sequence, n int) *sequence {
	full := n / pagePositions
	out := &sequence{pages: slices.Clone(q.pages[:full]), length: n, whole: q.whole, adapter: q.adapter}
	if q.ids != nil {
		out.ids = slices.Clone(q.ids[:n])
	}
	out.hold()
	if n%pagePositions > 0 {
		x := p.page()
		copy(x.keys, q.pages[full].keys)
		copy(x.values, q.pages[full].values)
		out.pages = append(out.pages, x)
	}
	return out
}

// hold counts one more holder of q's pages.
func (q *sequence) hold() {
	for _, x := range q.pages {
		x.holders++
	}
}

// drop takes a hold back.
func (p *pages) drop(q *sequence) {
	for _, x := range q.pages {
		if x.holders--; x.holders == 0 && len(p.free) < p.most {
			p.free = append(p.free, x)
		}
	}
}
