package lora

import (
	"math/rand/v2"
	"slices"
)

// batches cuts the epochs into steps: every row once an epoch, in an order that depends on the seed and the epoch
// alone, so that the position in the data is just the number of the step.
func (c Config) batches(rows []example) (steps [][]example, epochs []int) {
	clusters := c.clusters(rows)
	for epoch := 0; ; epoch++ {
		if c.Epochs > 0 && epoch == c.Epochs || c.Epochs == 0 && len(steps) >= c.MaxSteps {
			break
		}
		order := make([][]example, len(clusters))
		for i, from := range rand.New(rand.NewPCG(c.Seed, uint64(epoch))).Perm(len(clusters)) {
			for _, row := range clusters[from] {
				order[i] = append(order[i], rows[row])
			}
		}
		for _, step := range c.cut(order) {
			steps, epochs = append(steps, step), append(epochs, epoch+1)
		}
	}
	if c.MaxSteps > 0 && len(steps) > c.MaxSteps {
		steps, epochs = steps[:c.MaxSteps], epochs[:c.MaxSteps]
	}
	return steps, epochs
}

// cut makes the steps of an epoch out of clusters in their order.
func (c Config) cut(order [][]example) (steps [][]example) {
	var batches [][]example
	if c.BatchTokens > 0 {
		batches = c.pack(order)
	} else {
		batches = slices.Collect(slices.Chunk(slices.Concat(order...), c.BatchSize))
	}
	for some := range slices.Chunk(batches, c.GradAccum) {
		steps = append(steps, slices.Concat(some...))
	}
	return steps
}

// lookAhead is how many clusters may be passed over for one that still fits a batch.
const lookAhead = 32

// pack fills batches of at most BatchTokens positions. What does not fit begins the next batch, so nothing waits long.
func (c Config) pack(waiting [][]example) (batches [][]example) {
	sequence := shape{rows: 1, seq: c.BatchTokens}
	fits := func(batch []example) bool {
		return (c.BatchSize == 0 || len(batch) <= c.BatchSize) && len(sequence.calls(batch)) == 1
	}
	for waiting = slices.Clone(waiting); len(waiting) > 0; {
		batch := waiting[0]
		if !fits(batch) && len(batch) > 1 { // a cluster that is too large by itself
			batch, waiting[0] = batch[:1], batch[1:]
		} else {
			waiting = waiting[1:]
		}
		for i, seen := 0, 0; i < len(waiting) && seen < lookAhead; seen++ {
			if joined := slices.Concat(batch, waiting[i]); fits(joined) {
				batch, waiting = joined, slices.Delete(waiting, i, i+1)
			} else {
				i++
			}
		}
		batches = append(batches, batch)
	}
	return batches
}

// clusterTokens is how long a common beginning must be for examples to be kept together: longer than the fixed opening
// of a chat template, which all have in common.
const clusterTokens = 48

// clusters puts examples that begin with the same passage side by side, so that they meet in a step and the passage is computed
// once for all. They fill two thirds of a step's positions and half of its examples at most: a step on one
// passage alone would pull the model to and fro.
func (c Config) clusters(rows []example) [][]int {
	type cluster struct{ at, positions int }
	var out [][]int
	open := map[[clusterTokens]int32]cluster{} // the one of a beginning that still has room
	for i, x := range rows {
		if x.shareable() < clusterTokens {
			out = append(out, []int{i})
			continue
		}
		beginning := [clusterTokens]int32(x.ids)
		last, ok := open[beginning]
		positions := len(x.ids)
		if ok {
			members := out[last.at]
			positions += last.positions - min(alike(rows[members[0]], x), x.shareable())
			ok = (c.BatchTokens == 0 || positions <= c.BatchTokens*c.GradAccum*2/3) && (c.BatchSize == 0 || len(members) < max(2, c.BatchSize*c.GradAccum/2))
		}
		if !ok {
			last, positions = cluster{at: len(out)}, len(x.ids)
			out = append(out, nil)
		}
		open[beginning] = cluster{last.at, positions}
		out[last.at] = append(out[last.at], i)
	}
	return out
}
