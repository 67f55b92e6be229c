package grammar

import (
	"bytes"
	"fmt"
	"slices"
)

// Vocabulary is what a tokenizer can write: the bytes of every token, ordered as a tree of prefixes. It does not change
// and may be shared by goroutines.
type Vocabulary struct {
	size    int
	tokens  [][]byte
	end     []int
	longest int

	// The tree, a node before its children and these in order, so that a walk goes from left to right.
	label []byte  // the byte that leads to the node
	depth []int32 // bytes from the root
	after []int32 // the next node that is not below
	first []int32 // ids[first[i]:first[i+1]] are the tokens that end in node i
	ids   []int32
}

// NewVocabulary makes the vocabulary of a model with size tokens (rows of logits). bytes gives what a token writes, which
// may be part of a character; nothing for tokens that must not come up, such as control tokens. end are the tokens that
// end a text; they are allowed where the text is complete and nowhere else.
func NewVocabulary(size int, bytesOf func(id int) []byte, end ...int) (*Vocabulary, error) {
	v := &Vocabulary{size: size, tokens: make([][]byte, size)}
	for _, id := range end {
		if id < 0 || id >= size {
			return nil, fmt.Errorf("grammar: end token %d in a vocabulary of %d", id, size)
		}
		v.end = append(v.end, id)
	}
	slices.Sort(v.end)
	v.end = slices.Compact(v.end)
	for id := range size {
		if slices.Contains(v.end, id) {
			continue
		}
		if v.tokens[id] = bytesOf(id); len(v.tokens[id]) > 0 {
			v.ids = append(v.ids, int32(id))
			v.longest = max(v.longest, len(v.tokens[id]))
		}
	}
	slices.SortStableFunc(v.ids, func(a, b int32) int { return bytes.Compare(v.tokens[a], v.tokens[b]) })
	v.grow()
	return v, nil
}

func (v *Vocabulary) grow() {
	v.label, v.depth, v.first = []byte{0}, []int32{0}, []int32{0}
	var before []byte
	for i, id := range v.ids {
		token := v.tokens[id]
		common := 0
		for common < min(len(before), len(token)) && before[common] == token[common] {
			common++
		}
		for d := common; d < len(token); d++ {
			v.label = append(v.label, token[d])
			v.depth = append(v.depth, int32(d+1))
			v.first = append(v.first, int32(i))
		}
		before = token
	}
	v.first = append(v.first, int32(len(v.ids)))
	v.after = make([]int32, len(v.label))
	open := make([]int32, v.longest+1) // for each depth the latest node to the right
	for d := range open {
		open[d] = int32(len(v.label))
	}
	for i := len(v.label) - 1; i >= 0; i-- {
		d := v.depth[i]
		v.after[i] = open[d]
		for k := d; int(k) < len(open); k++ {
			open[k] = int32(i)
		}
	}
}

// Size is the number of tokens.
func (v *Vocabulary) Size() int { return v.size }

// Words is the length of a mask.
func (v *Vocabulary) Words() int { return (v.size + 63) / 64 }

// walk runs a machine from a set over all tokens below a node and marks those that can be read to their end in mask.
// It calls ended for each node with nodes below it at which the rule of the bottom may end.
func (v *Vocabulary) walk(m *machine, set, node int32, mask []uint64, ended func(node int32)) {
	if len(m.path) <= v.longest {
		m.path = make([]int32, v.longest+1)
	}
	path := m.path
	top := v.depth[node]
	path[0] = set
	for i := node + 1; i < v.after[node]; {
		d := v.depth[i] - top
		s := m.step(path[d-1], v.label[i])
		if s == dead {
			i = v.after[i]
			continue
		}
		path[d] = s
		for _, id := range v.ids[v.first[i]:v.first[i+1]] {
			mask[id>>6] |= 1 << (id & 63)
		}
		if ended != nil && m.sets[s].done && v.after[i] > i+1 {
			ended(i)
		}
		i++
	}
}
