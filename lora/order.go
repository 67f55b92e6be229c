package lora

import "math/rand/v2"

// batches cuts the epochs into steps: every row once an epoch, in an order that depends on the seed and the epoch
// alone, so that the position in the data is just the number of the step.
func (c Config) batches(rows []example) (steps [][]example, epochs []int) {
	perStep := c.BatchSize * c.GradAccum
	clusters := clusters(rows, max(2, perStep/2))
	for epoch := 0; ; epoch++ {
		if c.Epochs > 0 && epoch == c.Epochs || c.Epochs == 0 && len(steps) >= c.MaxSteps {
			break
		}
		var order []int
		for _, i := range rand.New(rand.NewPCG(c.Seed, uint64(epoch))).Perm(len(clusters)) {
			order = append(order, clusters[i]...)
		}
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

// clusterTokens is how long a common beginning must be for examples to be kept together: longer than the fixed opening
// of a chat template, which all have in common.
const clusterTokens = 48

// clusters puts examples that begin with the same passage side by side, at most limit of them, so that they meet in a
// step and the passage is computed once for all. Half a batch at most: a step on one passage alone would pull the
// model to and fro.
func clusters(rows []example, limit int) [][]int {
	var out [][]int
	open := map[[clusterTokens]int32]int{} // the cluster of a beginning that still has room
	for i, x := range rows {
		if x.shareable() < clusterTokens {
			out = append(out, []int{i})
			continue
		}
		beginning := [clusterTokens]int32(x.ids)
		at, ok := open[beginning]
		if !ok || len(out[at]) == limit {
			at = len(out)
			open[beginning] = at
			out = append(out, nil)
		}
		out[at] = append(out[at], i)
	}
	return out
}
