// Package cpu is inference and training in plain Go, for computers without an accelerator: the decoder of package decoder
// again. It needs no backend and compiles nothing. On x86-64 with AVX2 or AVX-512, and on arm64, its kernels are vector code.
//
// Slots infer, a few tokens at a time, so that time goes into reading the weights; keys and values stay where they are.
//
//	w := cpu.NewWeights(cpu.F32)
//	m, err := model.Open(ctx, ref, model.Options{Keep: w.Take})
//	…
//	s := cpu.New(m.Config, w, infer.Options{Slots: 8})
//
// A sequence's numbers do not depend on what else is computed. A Tuner trains low-rank updates: forward pass, loss and backward
// pass of some hundred tokens, so that time goes into multiplications.
package cpu

import (
	"cmp"
	"maps"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/infer"
)

// largePiece is the most tokens of a prompt that one call of Prefill computes.
const largePiece = 128

// Fast tells whether this program's kernels are vector code on this computer.
func Fast() bool { return best != plain }

// Slots implements infer.Slots.
type Slots struct {
	work     *inference
	context  int
	taken    []*sequence // by slot; nil is free
	rows     []float32   // of the last step
	pages    pages
	prefixes infer.Prefixes[*sequence]
	adapters atomic.Int32 // attached so far
}

var (
	_ infer.Slots    = (*Slots)(nil)
	_ infer.Extender = (*Slots)(nil)
)

// New makes slots for a model of which w took all weights. They share w with nobody.
func New(c lm.Config, w *Weights, o infer.Options) *Slots {
	o = o.WithDefaults(c)
	m := newModel(c, w)
	s := &Slots{work: newInference(m, runtime.GOMAXPROCS(0)), context: o.MaxContext, taken: make([]*sequence, o.Slots)}
	s.work.shape.half = o.HalfCache
	s.pages = pages{shape: s.work.shape, most: 2*o.Slots + largePiece/pagePositions}
	size := s.work.shape.pageBytes()
	s.prefixes = infer.NewPrefixes(o.PrefixBytes, func(q *sequence) int64 { return int64(len(q.pages)) * size }, s.pages.drop)
	s.prefixes.Alike = c.RotatesAlike
	return s
}

// Context implements infer.Slots.
func (s *Slots) Context() int { return s.context }

// Free implements infer.Slots.
func (s *Slots) Free() int {
	n := 0
	for _, q := range s.taken {
		if q == nil {
			n++
		}
	}
	return n
}

// Warm implements infer.Slots. There is nothing to compile.
func (s *Slots) Warm() error { return nil }

// prompt implements infer.Prompt.
type prompt struct {
	s   *Slots
	ids []int32
	of  infer.Adapter
	q   *sequence
}

// NewPrompt implements infer.Slots.
func (s *Slots) NewPrompt(ids []int32, a infer.Adapter) (infer.Prompt, error) {
	if err := infer.CheckText(ids, s.context); err != nil {
		return nil, err
	}
	p := &prompt{s: s, ids: ids, of: a, q: newSequence(a, len(ids))}
	if like, n := s.prefixes.Longest(a, ids); n > 0 {
		p.q = s.pages.fork(like, min(n, len(ids)-1)) // the last token is always computed, for what follows it
		p.q.whole = len(ids)
	}
	return p, nil
}

func (p *prompt) Len() int { return p.q.length }

func (p *prompt) Close() {
	p.s.pages.drop(p.q)
	p.q = &sequence{}
}

// Prefill implements infer.Prompt.
func (p *prompt) Prefill() ([]float32, error) {
	s, q := p.s, p.q
	n := min(len(p.ids)-q.length, largePiece)
	needed := []int32{} // of the piece
	if q.length+n == len(p.ids) {
		needed = append(needed, int32(n-1))
	}
	h := s.prompt(q, p.ids[q.length:q.length+n], needed)
	if len(needed) == 0 {
		return nil, nil
	}
	if s.prefixes.Add(p.of, p.ids, q) {
		q.hold()
	}
	logits := make([]float32, s.work.VocabSize)
	s.work.logits(h, logits)
	return logits, nil
}

// prompt is extend for a piece of a prompt.
func (s *Slots) prompt(q *sequence, ids, needed []int32) *vectors {
	s.work.prompt = true
	defer func() { s.work.prompt = false }()
	return s.extend(q, ids, needed)
}

// extend computes the next tokens of one sequence, and returns the final hidden states that compute does.
func (s *Slots) extend(q *sequence, ids, needed []int32) *vectors {
	s.pages.reserve(q, len(ids))
	h := s.work.compute(ids, []span{{q, 0, len(ids), q.length}}, needed)
	q.extended(s.work.Border(), ids...)
	return h
}

// Admit implements infer.Slots.
func (s *Slots) Admit(p infer.Prompt, _ bool) (int, error) {
	slot := slices.Index(s.taken, nil)
	if slot < 0 {
		return 0, infer.ErrFull
	}
	q := p.(*prompt).q
	s.taken[slot] = s.pages.fork(q, q.length)
	return slot, nil
}

// Release implements infer.Slots.
func (s *Slots) Release(slot int) {
	s.pages.drop(s.taken[slot])
	s.taken[slot] = nil
}

// Step implements infer.Slots.
func (s *Slots) Step(next map[int]int32) (infer.Rows, error) {
	if err := infer.CheckStep(func(slot int) bool { return s.taken[slot] != nil }, len(s.taken), next); err != nil {
		return nil, err
	}
	slots := slices.SortedFunc(maps.Keys(next), func(a, b int) int { // those of an adapter side by side
		return cmp.Or(cmp.Compare(s.taken[a].adapter.number(), s.taken[b].adapter.number()), cmp.Compare(a, b))
	})
	var tokens []int32
	var spans []span
	for n, slot := range slots {
		q := s.goingOn(slot)
		s.pages.reserve(q, 1)
		spans, tokens = append(spans, span{q, n, n + 1, q.length}), append(tokens, next[slot])
	}
	logits := s.logits(s.work.compute(tokens, spans, nil))
	rows := make(infer.HostRows, len(slots))
	for i, slot := range slots {
		s.taken[slot].extended(s.work.Border(), next[slot])
		rows[slot] = logits[i]
	}
	return rows, nil
}

// logits are those of some hidden states, until the next step.
func (s *Slots) logits(h *vectors) [][]float32 {
	n := h.n * s.work.VocabSize
	s.rows = slices.Grow(s.rows[:0], n)[:n]
	s.work.logits(h, s.rows)
	return slices.Collect(slices.Chunk(s.rows, s.work.VocabSize))
}

// Extend implements infer.Extender.
func (s *Slots) Extend(slot int, ids []int32) ([][]float32, error) {
	q := s.taken[slot]
	if err := infer.CheckText(ids, s.context-q.length); err != nil {
		return nil, err
	}
	return s.logits(s.extend(q, ids, nil)), nil
}

// Retract implements infer.Extender.
func (s *Slots) Retract(slot, n int) { s.taken[slot].length -= n }

// goingOn is the sequence of a slot that is about to get one token more. Where that makes the text so long that the model rotates
// it in another way, it is computed again from the beginning.
func (s *Slots) goingOn(slot int) *sequence {
	q := s.taken[slot]
	if q.whole = q.length + 1; !s.work.RotatesAlike(q.length, q.whole) {
		again := &sequence{whole: q.whole, adapter: q.adapter}
		for piece := range slices.Chunk(q.ids, largePiece) {
			s.prompt(again, piece, []int32{})
		}
		s.pages.drop(q)
		s.taken[slot] = again
	}
	return s.taken[slot]
}

// Hidden implements infer.Slots.
func (s *Slots) Hidden(ids []int32, a infer.Adapter) ([][]float32, error) {
	if err := infer.CheckText(ids, s.context); err != nil {
		return nil, err
	}
	q := newSequence(a, len(ids))
	defer s.pages.drop(q)
	var out [][]float32
	for piece := range slices.Chunk(ids, largePiece) {
		h := s.prompt(q, piece, nil)
		for i := range piece {
			out = append(out, slices.Clone(h.row(i)))
		}
	}
	return out, nil
}

// Logits implements infer.Slots.
func (s *Slots) Logits(hidden [][]float32) ([][]float32, error) {
	n, vocab := s.work.HiddenSize, s.work.VocabSize
	if err := infer.CheckHidden(hidden, n); err != nil {
		return nil, err
	}
	h := &s.work.memory.h
	h.resize(len(hidden), n)
	for i, row := range hidden {
		copy(h.row(i), row)
	}
	flat := make([]float32, len(hidden)*vocab)
	s.work.logits(h, flat)
	return slices.Collect(slices.Chunk(flat, vocab)), nil
}

// Close implements infer.Slots.
func (s *Slots) Close() {
	s.prefixes.Clear()
	s.work.crew.close()
	clear(s.taken)
}
