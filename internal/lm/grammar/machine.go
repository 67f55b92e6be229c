package grammar

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// machine runs a network. What may have been read so far is a set of configs, each a state and the stack below it. The
// stacks share their frames as a graph: all calls of one rule in one place make one frame with several links, so an
// ambiguous grammar costs a factor and not an exponential. Sets are kept with the sets they lead to, a deterministic
// automaton that grows as it is used.
type machine struct {
	net    *network
	frames []frame // frames[0] is the bottom, from which there is no return
	sets   []set

	frameIndex, setIndex map[string]int32
	deepest              int16 // the largest depth that a config so far has, or will need

	kernel []config // of the set in the making
	done   bool
	key    []byte
	path   []int32 // of a walk
}

type frame struct {
	rule  int32
	depth int16
	links []link
}

type link struct{ ret, parent int32 }

type config struct{ state, frame int32 }

// set is a set of configs right after a byte. done: the bottom's rule may end here.
type set struct {
	kernel []config
	done   bool
	live   []config // with what the kernel reaches without a byte; made with next
	next   *[256]int32
}

const (
	unknown = 0 // set 0 is none, so that fresh tables of next say so
	dead    = -1
	bottom  = 0
)

func newMachine(net *network) *machine {
	return &machine{
		net: net, frames: make([]frame, 1), sets: make([]set, 1),
		frameIndex: map[string]int32{}, setIndex: map[string]int32{},
	}
}

// begin returns the set of one config.
func (m *machine) begin(c config) int32 {
	m.add(c)
	return m.commit()
}

// returned returns the set behind the end of the rule of a frame.
func (m *machine) returned(f int32) int32 {
	for _, l := range m.frames[f].links {
		m.add(config{l.ret, l.parent})
	}
	return m.commit()
}

// step returns the set behind one more byte, or dead.
func (m *machine) step(id int32, b byte) int32 {
	if m.sets[id].next == nil {
		live := m.expand(m.sets[id].kernel)
		m.sets[id].live, m.sets[id].next = live, new([256]int32)
	}
	if n := m.sets[id].next[b]; n != unknown {
		return n
	}
	for _, c := range m.sets[id].live {
		for _, e := range m.net.states[c.state].edges {
			if e.lo <= b && b <= e.hi {
				m.add(config{e.to, c.frame})
			}
		}
	}
	n := m.commit()
	m.sets[id].next[b] = n
	return n
}

// fits tells whether a config can be brought to its end within the allowed depth.
func (m *machine) fits(c config) bool {
	depth := m.frames[c.frame].depth + m.net.states[c.state].need
	if depth > maxDepth {
		return false
	}
	m.deepest = max(m.deepest, depth)
	return true
}

// add puts a config into the set in the making, and what follows if it ends its rule.
func (m *machine) add(c config) {
	if !m.fits(c) || slices.Contains(m.kernel, c) {
		return
	}
	m.kernel = append(m.kernel, c)
	if !m.net.states[c.state].ends {
		return
	}
	if c.frame == bottom {
		m.done = true
	}
	for _, l := range m.frames[c.frame].links {
		m.add(config{l.ret, l.parent})
	}
}

// commit finds or keeps the set in the making.
func (m *machine) commit() int32 {
	kernel, done := m.kernel, m.done
	m.kernel, m.done = m.kernel[:0], false
	if len(kernel) == 0 && !done {
		return dead
	}
	slices.SortFunc(kernel, func(a, b config) int {
		return cmp.Or(cmp.Compare(a.state, b.state), cmp.Compare(a.frame, b.frame))
	})
	m.key = m.key[:0]
	for _, c := range kernel {
		m.key = binary.LittleEndian.AppendUint32(m.key, uint32(c.state))
		m.key = binary.LittleEndian.AppendUint32(m.key, uint32(c.frame))
	}
	if done {
		m.key = append(m.key, 1)
	}
	id, ok := m.setIndex[string(m.key)]
	if !ok {
		id = int32(len(m.sets))
		m.sets = append(m.sets, set{kernel: slices.Clone(kernel), done: done})
		m.setIndex[string(m.key)] = id
	}
	return id
}

// frame finds or keeps the frame of a call.
func (m *machine) frame(rule int32, links []link) int32 {
	slices.SortFunc(links, func(a, b link) int {
		return cmp.Or(cmp.Compare(a.ret, b.ret), cmp.Compare(a.parent, b.parent))
	})
	links = slices.Compact(links)
	m.key = binary.LittleEndian.AppendUint32(m.key[:0], uint32(rule))
	var depth int16
	for _, l := range links {
		m.key = binary.LittleEndian.AppendUint32(m.key, uint32(l.ret))
		m.key = binary.LittleEndian.AppendUint32(m.key, uint32(l.parent))
		depth = max(depth, m.frames[l.parent].depth)
	}
	id, ok := m.frameIndex[string(m.key)]
	if !ok {
		id = int32(len(m.frames))
		m.frames = append(m.frames, frame{rule: rule, depth: depth + m.net.rules[rule].weight, links: links})
		m.frameIndex[string(m.key)] = id
	}
	return id
}

// expand returns the configs with byte edges that a kernel reaches without a byte.
func (m *machine) expand(kernel []config) (live []config) {
	seen := make(map[config]bool, 2*len(kernel))
	todo := slices.Clone(kernel)
	for len(todo) > 0 {
		calls := map[int32][]link{}
		for len(todo) > 0 {
			c := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if seen[c] || !m.fits(c) {
				continue
			}
			seen[c] = true
			s := &m.net.states[c.state]
			if len(s.edges) > 0 {
				live = append(live, c)
			}
			for _, to := range s.eps {
				todo = append(todo, config{to, c.frame})
			}
			for _, call := range s.calls {
				r := m.net.rules[call.rule]
				inner := m.frames[c.frame].depth + r.weight + m.net.states[r.start].need
				if inner <= maxDepth && m.fits(config{call.ret, c.frame}) {
					calls[call.rule] = append(calls[call.rule], link{call.ret, c.frame})
				}
			}
		}
		for rule, links := range calls {
			todo = append(todo, config{m.net.rules[rule].start, m.frame(rule, links)})
		}
	}
	return live
}

// adopt copies a frame, and the frames below it, from another machine.
func (m *machine) adopt(from *machine, f int32, known map[int32]int32) int32 {
	if f == bottom {
		return bottom
	}
	if id, ok := known[f]; ok {
		return id
	}
	links := slices.Clone(from.frames[f].links)
	for i := range links {
		links[i].parent = m.adopt(from, links[i].parent, known)
	}
	known[f] = m.frame(from.frames[f].rule, links)
	return known[f]
}
