package text

import (
	"fmt"
	"unicode/utf8"
)

// bpe merges neighbouring symbols, lowest rank first, until no rule applies.
type bpe struct {
	vocab        map[string]int32
	rules        map[[2]int32]rule
	unk          int32 // -1: characters outside the vocabulary vanish, as in tokenizers
	fuseUnk      bool
	ignoreMerges bool
	fallback     *[256]int32 // see byteIDs
}

type rule struct{ rank, id int32 }

func newBPE(m *modelNode) (*bpe, error) {
	if m.Dropout != nil && *m.Dropout != 0 {
		return nil, fmt.Errorf("%w: model.dropout %g", ErrUnsupported, *m.Dropout)
	}
	if m.ContinuingSubwordPrefix != nil && *m.ContinuingSubwordPrefix != "" {
		return nil, fmt.Errorf("%w: model.continuing_subword_prefix %q", ErrUnsupported, *m.ContinuingSubwordPrefix)
	}
	if m.EndOfWordSuffix != nil && *m.EndOfWordSuffix != "" {
		return nil, fmt.Errorf("%w: model.end_of_word_suffix %q", ErrUnsupported, *m.EndOfWordSuffix)
	}
	b := &bpe{
		vocab: m.Vocab, unk: -1, fuseUnk: m.FuseUnk, ignoreMerges: m.IgnoreMerges, fallback: m.byteIDs(),
		rules: make(map[[2]int32]rule, len(m.Merges)),
	}
	if m.UnkToken != nil {
		id, ok := m.Vocab[*m.UnkToken]
		if !ok {
			return nil, fmt.Errorf("%w: model.unk_token %q is not in the vocabulary", ErrFormat, *m.UnkToken)
		}
		b.unk = id
	}
	for rank, pair := range m.Merges {
		left, okLeft := m.Vocab[pair[0]]
		right, okRight := m.Vocab[pair[1]]
		id, ok := m.Vocab[pair[0]+pair[1]]
		if !okLeft || !okRight || !ok {
			return nil, fmt.Errorf("%w: merge %d (%q %q) names a token outside the vocabulary", ErrFormat, rank, pair[0], pair[1])
		}
		b.rules[[2]int32{left, right}] = rule{rank: int32(rank), id: id} // the last of equal pairs wins, as in tokenizers
	}
	return b, nil
}

// byteIDs are the ids of <0x00> … <0xFF>, -1 where missing; nil without byte_fallback.
func (m *modelNode) byteIDs() *[256]int32 {
	if !m.ByteFallback {
		return nil
	}
	ids := new([256]int32)
	for i := range ids {
		ids[i] = -1
		if id, ok := m.Vocab[fmt.Sprintf("<0x%02X>", i)]; ok {
			ids[i] = id
		}
	}
	return ids
}

// symbol is a link of the chain that merging shortens. A merged-away symbol has id -1.
type symbol struct{ id, prev, next int32 }

// candidate is a possible merge of the symbol at pos with its neighbour; it is stale if either has changed since.
type candidate struct{ rank, pos, id int32 }

func (c candidate) before(o candidate) bool {
	return c.rank < o.rank || c.rank == o.rank && c.pos < o.pos
}

// scratch holds the buffers of one Encode call, so that short words cost no allocation.
type scratch struct {
	symbols []symbol
	heap    []candidate
	steps   []step
}

// append encodes one word, in O(n log n), and appends its ids.
func (b *bpe) append(ids []int32, word string, s *scratch) []int32 {
	if b.ignoreMerges {
		if id, ok := b.vocab[word]; ok {
			return append(ids, id)
		}
	}
	b.split(word, s)
	b.mergeAll(s)
	for i := int32(0); i >= 0 && len(s.symbols) > 0; i = s.symbols[i].next {
		ids = append(ids, s.symbols[i].id)
	}
	return ids
}

// split fills s.symbols with one symbol for each character of the word.
func (b *bpe) split(word string, s *scratch) {
	s.symbols = s.symbols[:0]
	add := func(id int32) {
		n := int32(len(s.symbols))
		s.symbols = append(s.symbols, symbol{id: id, prev: n - 1, next: n + 1})
	}
	unknown := false // an unknown symbol waits: more of its kind may be fused into it
	for i := 0; i < len(word); {
		_, size := utf8.DecodeRuneInString(word[i:])
		char := word[i : i+size]
		i += size
		if id, ok := b.vocab[char]; ok {
			if unknown {
				add(b.unk)
				unknown = false
			}
			add(id)
			continue
		}
		if b.addBytes(char, add) {
			continue
		}
		if b.unk >= 0 {
			if unknown && !b.fuseUnk {
				add(b.unk)
			}
			unknown = true
		}
	}
	if unknown {
		add(b.unk)
	}
	if n := len(s.symbols); n > 0 {
		s.symbols[n-1].next = -1
	}
}

func (b *bpe) addBytes(char string, add func(int32)) bool {
	if b.fallback == nil {
		return false
	}
	for i := range len(char) {
		if b.fallback[char[i]] < 0 {
			return false
		}
	}
	for i := range len(char) {
		add(b.fallback[char[i]])
	}
	return true
}

func (b *bpe) mergeAll(s *scratch) {
	s.heap = s.heap[:0]
	for i := range len(s.symbols) - 1 {
		b.propose(s, int32(i))
	}
	for len(s.heap) > 0 {
		c := s.pop()
		left := &s.symbols[c.pos]
		if left.id < 0 || left.next < 0 {
			continue
		}
		right := &s.symbols[left.next]
		if r, ok := b.rules[[2]int32{left.id, right.id}]; !ok || r.id != c.id {
			continue // stale: one of the two was merged in the meantime
		}
		left.id, left.next = c.id, right.next
		right.id = -1
		if left.next >= 0 {
			s.symbols[left.next].prev = c.pos
			b.propose(s, c.pos)
		}
		if left.prev >= 0 {
			b.propose(s, left.prev)
		}
	}
}

// propose puts the merge of the symbol at pos with the next one on the heap, if there is a rule for it.
func (b *bpe) propose(s *scratch, pos int32) {
	left := s.symbols[pos]
	if r, ok := b.rules[[2]int32{left.id, s.symbols[left.next].id}]; ok {
		s.push(candidate{rank: r.rank, pos: pos, id: r.id})
	}
}

// push and pop are container/heap without its boxing of every element into an interface.
func (s *scratch) push(c candidate) {
	s.heap = append(s.heap, c)
	h := s.heap
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h[i].before(h[parent]) {
			return
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
}

func (s *scratch) pop() candidate {
	h := s.heap
	top, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	s.heap = h
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return top
		}
		if child+1 < last && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(h[i]) {
			return top
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
