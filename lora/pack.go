package lora

import (
	"cmp"
	"slices"
)

// Packing. A compiled graph has fixed shapes and takes many seconds to compile, while rows have any length. So all calls
// of a run have one shape, some sequences of one length, and the examples of a step share them, each a segment that
// attends to itself alone. Examples that begin with the same tokens, such as a system message, have that beginning
// computed once. All of this is exact: a loss is the same, however its example is packed.

// shape is what a graph is compiled for.
type shape struct {
	rows, seq int  // sequences in a call and their length
	targets   int  // trained positions, the surplus with weight 0
	choices   int  // targets of a position, the surplus with weight 0
	packed    bool // a sequence may be more than one text
	devices   int  // each of which takes so many sequences; 0 = 1
}

// call is the work of one device call: what each sequence holds.
type call struct {
	shape shape
	rows  [][]family
}

// family is a set of examples that begin with the same shared tokens, none of which is trained.
type family struct {
	shared  int
	members []example
}

// size is the number of positions that a family takes.
func (f family) size() int {
	n := f.shared
	for _, x := range f.members {
		n += len(x.ids) - f.shared
	}
	return n
}

// seqMultiple keeps sequence lengths and numbers of targets at whole tiles of the matrix kernels.
const seqMultiple = 64

// planned is how many batches are looked at before a shape is chosen; the others are much like them.
const planned = 256

// newPlan picks the shape in which the batches cost least, of at most microTokens positions on a device, or of one sequence where
// the longest example needs more. A position costs its products with the weights, and with every position of its
// sequence in each layer.
func (l *layout) newPlan(batches [][]example, microTokens int) shape {
	longest, choices := 0, 1
	for _, b := range batches {
		for _, x := range b {
			longest = max(longest, len(x.ids))
			for _, targets := range x.soft {
				choices = max(choices, len(targets))
			}
		}
	}
	batches = batches[:min(planned, len(batches))]
	var best shape
	bestCost := 0
	for seq := roundUp(longest, seqMultiple); seq <= max(microTokens, roundUp(longest, seqMultiple)); seq += seqMultiple {
		for rows := 1; rows == 1 || rows*seq <= microTokens; rows *= 2 {
			s := shape{rows: rows, seq: seq, choices: choices, devices: l.devices}
			cost := 0
			for _, b := range batches {
				for _, c := range s.calls(b) {
					cost += rows * seq * (l.perPosition + l.perPair*seq)
					s.targets = max(s.targets, c.shape.targets)
					s.packed = s.packed || c.shape.packed
				}
			}
			if bestCost == 0 || cost < bestCost || cost == bestCost && l.devices > 0 { // of graphs the fewest calls
				best, bestCost = s, cost
			}
		}
	}
	return best
}

func roundUp(n, multiple int) int { return (n + multiple - 1) / multiple * multiple }

// calls packs a batch, largest family first into the first sequence with room.
func (s shape) calls(batch []example) []call {
	families := group(batch, s.seq)
	slices.SortStableFunc(families, func(a, b family) int { return cmp.Compare(b.size(), a.size()) })
	var rows [][]family
	var free []int
	for _, f := range families {
		size := f.size()
		i := slices.IndexFunc(free, func(room int) bool { return room >= size })
		if i < 0 {
			i = len(rows)
			rows, free = append(rows, nil), append(free, s.seq)
		}
		rows[i] = append(rows[i], f)
		free[i] -= size
	}
	var out []call
	for part := range slices.Chunk(rows, s.rows*max(1, s.devices)) {
		c := call{s, part}
		for _, row := range part {
			c.shape.packed = c.shape.packed || len(row) > 1 || len(row[0].members) > 1
		}
		c.shape.choices = max(s.choices, 1)
		for device := range max(1, s.devices) {
			c.shape.targets = max(c.shape.targets, roundUp(c.on(device).count(), seqMultiple))
		}
		out = append(out, c)
	}
	return out
}

// on is the part of a call that one of its devices computes, which may be nothing.
func (c call) on(device int) call {
	n := len(c.rows)
	c.rows = c.rows[min(n, device*c.shape.rows):min(n, (device+1)*c.shape.rows)]
	return c
}

// leastShared is the shortest beginning worth sharing.
const leastShared = 8

// group finds families of at most size positions. Neighbours in the order of their tokens begin most alike; one joins
// the family before it when that saves positions.
func group(batch []example, size int) []family {
	order := slices.Clone(batch)
	slices.SortStableFunc(order, func(a, b example) int { return slices.Compare(a.ids, b.ids) })
	var out []family
	for _, x := range order {
		if n := len(out); n > 0 {
			last := out[n-1]
			joined := family{members: append(slices.Clip(last.members), x)}
			joined.shared = min(alike(last.members[0], x), x.shareable())
			if len(last.members) == 1 {
				joined.shared = min(joined.shared, last.members[0].shareable())
			} else {
				joined.shared = min(joined.shared, last.shared)
			}
			if joined.shared >= leastShared && joined.size() <= size && joined.size() < last.size()+len(x.ids) {
				out[n-1] = joined
				continue
			}
		}
		out = append(out, family{members: []example{x}})
	}
	return out
}

// shareable is how much of an example may be shared: what comes before its first trained token.
func (e example) shareable() int {
	if i := slices.Index(e.trained, true); i >= 0 {
		return i
	}
	return len(e.ids)
}

// alike is the length of the common beginning.
func alike(a, b example) int {
	n := 0
	for n < min(len(a.ids), len(b.ids)) && a.ids[n] == b.ids[n] {
		n++
	}
	return n
}

// count is the number of trained positions of a call.
func (c call) count() int {
	n := 0
	for _, row := range c.rows {
		for _, f := range row {
			for _, x := range f.members {
				n += x.targets()
			}
		}
	}
	return n
}

// tokens is the number of positions of a call that are not padding.
func (c call) tokens() int {
	n := 0
	for _, row := range c.rows {
		for _, f := range row {
			n += f.size()
		}
	}
	return n
}

// place of token i of a member: in the shared part, which begins at start, or in its own, which begins at own. What predicts token
// i is the position of token i−1, which for the first own token is in the shared part.
func (f family) place(i, start, own int) int {
	if i < f.shared {
		return start + i
	}
	return own + i - f.shared
}
