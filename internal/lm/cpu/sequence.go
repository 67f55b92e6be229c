package cpu

import (
	"slices"

	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// pagePositions is how many positions of a sequence share a page.
const pagePositions = 64

// page is the keys and values of some positions in all layers. A full page is never written again, so sequences that begin
// alike can hold the same.
type page struct {
	// keys is [layer, kvHead, position, dim] and values is [layer, kvHead, dim, position]: both are matrices that the kernels
	// take, the keys for the scores and the values for what they weigh. Layers of convolutions have what they see, [position, channel],
	// in place of keys.
	keys, values heads
	holders      int // sequences that have it
}

// heads are the matrices of all layers and heads, as floats or in half precision.
type heads struct {
	floats []float32
	halves []uint16
}

func newHeads(n int, half bool) heads {
	if half {
		return heads{halves: make([]uint16, n)}
	}
	return heads{floats: make([]float32, n)}
}

func (h heads) clear() {
	clear(h.floats)
	clear(h.halves)
}

func (h heads) copy(from heads) {
	copy(h.floats, from.floats)
	copy(h.halves, from.halves)
}

// set stores one number.
func (h heads) set(at int, v float32) {
	if h.halves == nil {
		h.floats[at] = v
	} else {
		h.halves[at] = weights.ToHalf(v)
	}
}

// matrix is n numbers from at on. Those of half precision pass through room.
func (h heads) matrix(k *kernels, room *[]float32, at, n int) []float32 {
	if h.halves == nil {
		return h.floats[at:][:n]
	}
	*room = resized(*room, n)
	k.halves(*room, h.halves[at:], 2*k.intRows, 1, n/(2*k.intRows)) // as if scales and minima were there: side by side
	return *room
}

// get is one number.
func (h heads) get(at int) float32 {
	if h.halves == nil {
		return h.floats[at]
	}
	return weights.FromHalf(h.halves[at])
}

// shape of the pages of a model.
type shape struct {
	heads        int
	dim, stride  int   // of a head; the stride of keys
	rows         int   // of values: dim, rounded up
	keys, values []int // where those of each layer begin, and where the last end
	half         bool
}

func (m *model) pageShape() shape {
	s := shape{heads: m.KVHeads, dim: m.HeadDim, stride: roundUp(m.HeadDim, block), rows: roundUp(m.HeadDim, m.k.floatRows), keys: []int{0}, values: []int{0}}
	for i, l := range m.layers {
		keys, values := s.heads*s.stride, s.heads*s.rows
		if l.taps != nil {
			keys, values = m.HiddenSize, 0
		}
		s.keys, s.values = append(s.keys, s.keys[i]+pagePositions*keys), append(s.values, s.values[i]+pagePositions*values)
	}
	return s
}

// size of a page: numbers among keys and among values.
func (s shape) size() (keys, values int) { return s.keys[len(s.keys)-1], s.values[len(s.values)-1] }

func (s shape) pageBytes() int64 {
	size := 4
	if s.half {
		size = 2
	}
	keys, values := s.size()
	return int64(size * (keys + values))
}

// keysAt is where those of a head begin, [pagePositions, stride].
func (s shape) keysAt(layer, head int) (at, n int) {
	n = pagePositions * s.stride
	return s.keys[layer] + head*n, n
}

// valuesAt is where those of a head begin, [rows, pagePositions].
func (s shape) valuesAt(layer, head int) (at, n int) {
	n = s.rows * pagePositions
	return s.values[layer] + head*n, n
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
		x.keys.clear()
		x.values.clear()
		x.holders = 1
		return x
	}
	p.made++
	keys, values := p.size()
	return &page{newHeads(keys, p.half), newHeads(values, p.half), 1}
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
		x.keys.copy(q.pages[full].keys)
		x.values.copy(q.pages[full].values)
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
