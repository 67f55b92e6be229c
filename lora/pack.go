package lora

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// Packing. A compiled graph has fixed shapes and takes seconds to compile, while rows have any length. So examples of a
// step share sequences of one length, each example a segment that attends to itself alone, and the sequences of a step
// are computed in calls of 1, 2, 4, … of them. That is exact: neither packing nor the split into calls changes a loss.

// shape is what a graph is compiled for.
type shape struct {
	rows, seq int // sequences in a call and their length
	targets   int // trained positions, the surplus with weight 0
}

// call is the work of one device call: the examples of each sequence.
type call struct {
	shape shape
	rows  [][]example
}

// plan fixes the shapes for a set of examples before the first step, so that the number of graphs is known.
type plan struct {
	seq     int
	maxRows int
	targets map[int]int // by rows of a call
}

// seqMultiple keeps sequence lengths at whole tiles of the matrix kernels.
const seqMultiple = 64

// newPlan looks at the batches that will be computed and picks the sequence length that wastes the fewest positions,
// the shortest of equals, because attention grows with its square.
func newPlan(batches [][]example, microTokens int) plan {
	longest := 0
	for _, b := range batches {
		for _, x := range b {
			longest = max(longest, len(x.ids))
		}
	}
	best, bestCost := plan{}, 0
	for seq := roundUp(longest, seqMultiple); ; seq *= 2 {
		p := plan{seq: seq, maxRows: 1, targets: map[int]int{}}
		for p.maxRows*2*seq <= microTokens {
			p.maxRows *= 2
		}
		cost := 0
		for _, b := range batches {
			for _, c := range p.calls(b) {
				cost += c.shape.rows * seq
				n := 0
				for _, row := range c.rows {
					for _, x := range row {
						n += x.targets()
					}
				}
				p.targets[c.shape.rows] = max(p.targets[c.shape.rows], roundUp(n, seqMultiple))
			}
		}
		if bestCost == 0 || cost < bestCost {
			best, bestCost = p, cost
		}
		if seq*2 > microTokens {
			return best
		}
	}
}

func roundUp(n, multiple int) int { return (n + multiple - 1) / multiple * multiple }

// calls packs a batch, longest example first into the first sequence with room, and cuts the sequences into powers of
// two.
func (p plan) calls(batch []example) []call {
	order := slices.Clone(batch)
	slices.SortStableFunc(order, func(a, b example) int { return cmp.Compare(len(b.ids), len(a.ids)) })
	var rows [][]example
	var free []int
	for _, x := range order {
		i := slices.IndexFunc(free, func(room int) bool { return room >= len(x.ids) })
		if i < 0 {
			i = len(rows)
			rows, free = append(rows, nil), append(free, p.seq)
		}
		rows[i] = append(rows[i], x)
		free[i] -= len(x.ids)
	}
	var out []call
	for size := p.maxRows; len(rows) > 0; size /= 2 {
		for len(rows) >= size {
			out = append(out, call{shape{size, p.seq, p.targets[size]}, rows[:size]})
			rows = rows[size:]
		}
	}
	return out
}

// batches cuts the epochs into steps: every row once an epoch, in an order that depends on the seed and the epoch
// alone, so that the position in the data is just the number of the step.
func (c Config) batches(rows []example) (steps [][]example, epochs []int) {
	perStep := c.BatchSize * c.GradAccum
	for epoch := 0; ; epoch++ {
		if c.Epochs > 0 && epoch == c.Epochs || c.Epochs == 0 && len(steps) >= c.MaxSteps {
			break
		}
		order := rand.New(rand.NewPCG(c.Seed, uint64(epoch))).Perm(len(rows))
		for from := 0; from < len(order); from += perStep {
			batch := make([]example, 0, perStep)
			for _, i := range order[from:min(from+perStep, len(order))] {
				batch = append(batch, rows[i])
			}
			steps, epochs = append(steps, batch), append(epochs, epoch+1)
		}
	}
	if c.MaxSteps > 0 && len(steps) > c.MaxSteps {
		steps, epochs = steps[:c.MaxSteps], epochs[:c.MaxSteps]
	}
	return steps, epochs
}

// arrays are the inputs of one call on the host.
type arrays struct {
	tokens, positions, segments []int32   // [rows·seq]
	rows, labels                []int32   // [targets]
	weights                     []float32 // [targets]
	count                       int       // of targets with weight 1
}

// arrays lays the examples of a call out. Unused positions have segment 0, which no example has.
func (c call) arrays() arrays {
	n := c.shape.rows * c.shape.seq
	a := arrays{
		tokens: make([]int32, n), positions: make([]int32, n), segments: make([]int32, n),
		rows: make([]int32, c.shape.targets), labels: make([]int32, c.shape.targets), weights: make([]float32, c.shape.targets),
	}
	for r, row := range c.rows {
		at := r * c.shape.seq
		for s, x := range row {
			for i, id := range x.ids {
				a.tokens[at+i], a.positions[at+i], a.segments[at+i] = id, int32(i), int32(s+1)
				if x.trained[i] {
					a.rows[a.count], a.labels[a.count], a.weights[a.count] = int32(at+i-1), id, 1
					a.count++
				}
			}
			at += len(x.ids)
		}
	}
	return a
}
