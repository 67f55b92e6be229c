package grammar

import (
	"slices"
	"weak"
)

// State is how far one text has come. It belongs to one goroutine.
type State struct {
	g     *Grammar
	v     *Vocabulary
	m     *machine
	at    int32 // the set
	ended bool  // by a token that ends the text
}

// Start returns the state before the first token.
func (g *Grammar) Start(v *Vocabulary) *State {
	s := &State{g: g, v: v, m: newMachine(g.net)}
	s.at = s.m.begin(config{g.net.rules[0].start, bottom})
	return s
}

// Done reports whether the text is complete: it may end here.
func (s *State) Done() bool { return s.m.sets[s.at].done }

// Final reports whether the text must end here, as nothing can follow.
func (s *State) Final() bool {
	if !s.Done() || s.ended {
		return s.ended
	}
	for b := range 256 {
		if s.m.step(s.at, byte(b)) != dead {
			return false
		}
	}
	return true
}

// Mask sets the bit of each token that may come next and clears the others: token id is bit id%64 of word id/64. dst
// has [Vocabulary.Words] words. No bit is left if the vocabulary cannot write what has to follow.
func (s *State) Mask(dst []uint64) {
	clear(dst)
	if s.Done() {
		for _, id := range s.v.end {
			dst[id>>6] |= 1 << (id & 63)
		}
	}
	if s.ended {
		return
	}
	s.compact()
	for _, c := range s.m.sets[s.at].kernel {
		l := s.g.local(s.v, s.m.net.canonical(c.state, s.v.longest))
		if s.m.frames[c.frame].depth+l.deepest > maxDepth {
			// Near the limit the depth decides about tokens, and that is known to this stack alone.
			s.v.walk(s.m, s.m.begin(c), 0, dst, nil)
			continue
		}
		l.or(dst)
		if len(l.endings) == 0 || c.frame == bottom {
			continue
		}
		behind := s.m.returned(c.frame)
		if behind == dead {
			continue
		}
		for _, node := range l.endings {
			s.v.walk(s.m, behind, node, dst, nil)
		}
	}
}

// Accept takes the next token. If it is not allowed, Accept returns false and the state stays as it was.
func (s *State) Accept(id int) bool {
	if id < 0 || id >= s.v.size {
		return false
	}
	if _, end := slices.BinarySearch(s.v.end, id); end {
		s.ended = s.ended || s.Done()
		return s.ended
	}
	token := s.v.tokens[id]
	if len(token) == 0 || s.ended {
		return false
	}
	at := s.at
	for _, b := range token {
		if at = s.m.step(at, b); at == dead {
			return false
		}
	}
	s.at = at
	return true
}

// compact starts a new machine in the same place when the old one has seen many others.
func (s *State) compact() {
	if len(s.m.sets) < maxSets && len(s.m.frames) < 4*maxSets {
		return
	}
	old := s.m.sets[s.at]
	m := newMachine(s.m.net)
	known := map[int32]int32{}
	for _, c := range old.kernel {
		m.kernel = append(m.kernel, config{c.state, m.adopt(s.m, c.frame, known)})
	}
	m.done = old.done
	s.at, s.m = m.commit(), m
}

// canonical returns a state with the same tokens: which character of very many it is makes no difference to tokens
// that are too short to reach their end.
func (n *network) canonical(state int32, longest int) int32 {
	return state + max(0, n.states[state].run-int32(longest)-1)
}

// local is what the tokens do from one state whatever the stack below it: the tokens that are read to their end before
// the rule ends, or together with it, and the places in the tree at which the rule ends within longer ones.
type local struct {
	ids     []int32  // the tokens, or
	mask    []uint64 // their mask where that is smaller
	endings []int32
	deepest int16
}

func (l *local) or(dst []uint64) {
	for _, id := range l.ids {
		dst[id>>6] |= 1 << (id & 63)
	}
	for i, w := range l.mask {
		dst[i] |= w
	}
}

func (l *local) bytes() int { return 4*len(l.ids) + 8*len(l.mask) + 4*len(l.endings) + 128 }

// localKey holds no vocabulary in memory that is used no more.
type localKey struct {
	v     weak.Pointer[Vocabulary]
	state int32
}

func (g *Grammar) local(v *Vocabulary, state int32) *local {
	key := localKey{weak.Make(v), state}
	g.mu.RLock()
	l := g.locals[key]
	g.mu.RUnlock()
	if l != nil {
		return l
	}
	l = newLocal(g.net, v, state)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cached += l.bytes(); g.cached > maxCached {
		clear(g.locals)
		g.cached = l.bytes()
	}
	g.locals[key] = l
	return l
}

func newLocal(net *network, v *Vocabulary, state int32) *local {
	l := &local{mask: make([]uint64, v.Words())}
	m := newMachine(net)
	if at := m.begin(config{state, bottom}); at != dead {
		v.walk(m, at, 0, l.mask, func(node int32) { l.endings = append(l.endings, node) })
	}
	l.deepest = m.deepest
	var ids []int32
	for i, w := range l.mask {
		for b := range 64 {
			if w>>b&1 == 1 {
				ids = append(ids, int32(i*64+b))
			}
		}
		if len(ids) > 2*len(l.mask) {
			return l
		}
	}
	l.ids, l.mask = ids, nil
	return l
}
