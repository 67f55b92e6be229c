package lora

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/golden"
)

// random examples of which many begin alike.
func randomExamples(r *rand.Rand, n, longest int) []example {
	beginnings := make([][]int32, 3)
	for i := range beginnings {
		for range 8 + r.IntN(longest/2) {
			beginnings[i] = append(beginnings[i], r.Int32N(90))
		}
	}
	var out []example
	for range n {
		ids := slices.Clone(beginnings[r.IntN(3)][:1+r.IntN(8)])
		if r.IntN(2) == 0 {
			ids = slices.Clone(beginnings[r.IntN(3)])
		}
		for range 2 + r.IntN(longest-len(ids)-2) {
			ids = append(ids, r.Int32N(90))
		}
		x := example{ids: ids, trained: make([]bool, len(ids))}
		for i := 1 + r.IntN(len(ids)-1); i < len(ids); i++ {
			x.trained[i] = true
		}
		out = append(out, x)
	}
	return out
}

// TestPackingKeepsEveryTarget checks on random batches that each trained token is a target once, in a sequence in which
// its whole example can be read back, on one device or another.
func TestPackingKeepsEveryTarget(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		batch := randomExamples(r, 1+r.IntN(20), 60)
		devices := 1 + i%3
		p := (&layout{perPosition: 1000, perPair: 1, devices: devices}).newPlan([][]example{batch}, 256)
		var want, got [][]int32 // example up to and with the target
		for _, x := range batch {
			for i, trained := range x.trained {
				if trained {
					want = append(want, x.ids[:i+1])
				}
			}
		}
		for _, c := range p.calls(batch) {
			for d := range devices {
				a := c.on(d).arrays()
				require.LessOrEqual(t, a.count, c.shape.targets)
				for k := range a.count {
					got = append(got, append(a.history(int(a.rows[k]), c.shape.seq), a.labels[k]))
				}
			}
		}
		slices.SortFunc(want, slices.Compare)
		slices.SortFunc(got, slices.Compare)
		require.Equal(t, want, got)
	}
}

// history are the tokens that a place attends to, in order, by the rule of decoder.Hidden.
func (a arrays) history(place, seq int) []int32 {
	var out []int32
	for k := place / seq * seq; k <= place; k++ {
		if a.segments[k] == a.segments[place] || a.segments[k] == a.parents[place] {
			out = append(out, a.tokens[k])
		}
	}
	return out
}

// TestPackingIsExact compares loss and gradient of a batch that shares sequences and beginnings with those of its
// examples computed one by one.
func TestPackingIsExact(t *testing.T) {
	bothComputers(t, func(t *testing.T, backend compute.Backend) {
		for _, dir := range golden.Tiny(t) {
			t.Run(filepath.Base(dir), func(t *testing.T) {
				b := openBase(t, backend, "dir:"+filepath.Join(dir, "model"))
				c := DefaultConfig()
				c.Rank, c.MaxSeqLen = 4, 64
				tr, err := NewTrainer(b, c, Options{})
				require.NoError(t, err)
				defer tr.Close()
				theta, err := tr.layout.initial(3)
				require.NoError(t, err)
				r := rand.New(rand.NewPCG(5, 6))
				for i := range theta {
					theta[i] += float32(r.NormFloat64()) * 0.05 // B too, so that every gradient is there
				}
				require.NoError(t, tr.computer.setState(theta, nil, nil))
				batch := randomExamples(rand.New(rand.NewPCG(7, 8)), 6, 40)

				run := func(calls []call) (loss float64, gradient []float32, computed int) {
					for _, c := range calls {
						l, err := tr.computer.gradient(c, 0)
						require.NoError(t, err)
						loss, computed = loss+l, computed+c.tokens()
					}
					defer tr.computer.discard()
					if c, ok := tr.computer.(*onCPU); ok {
						return loss, slices.Clone(c.sum), computed
					}
					gradient, err := device.Floats(tr.computer.(*graphs).sum[0])
					require.NoError(t, err)
					return loss, gradient, computed
				}
				p := tr.layout.newPlan([][]example{batch}, 256)
				loss, gradient, computed := run(p.calls(batch))
				var single []call
				total := 0
				for _, x := range batch {
					single = append(single, tr.layout.newPlan([][]example{{x}}, 1).calls([]example{x})...)
					total += len(x.ids)
				}
				wantLoss, wantGradient, _ := run(single)
				assert.InEpsilon(t, wantLoss, loss, 1e-5)
				assert.Less(t, distance(wantGradient, gradient), 1e-4)
				assert.Less(t, computed, total, "some beginnings are shared")
			})
		}
	})
}

func TestClustersKeepPassagesTogether(t *testing.T) {
	var rows []example
	for i := range 20 {
		x := example{ids: make([]int32, 100), trained: make([]bool, 100)}
		for j := range x.ids {
			x.ids[j] = int32(j)
		}
		x.ids[0] = int32(i % 4) // four passages
		x.trained[99] = true
		rows = append(rows, x)
	}
	c := DefaultConfig()
	steps, _ := c.batches(rows)
	seen := 0
	for _, s := range steps {
		passages := map[int32]int{}
		for _, x := range s {
			passages[x.ids[0]]++
			seen++
		}
		for _, n := range passages {
			assert.LessOrEqual(t, n, 8)
		}
	}
	assert.Equal(t, 20*c.Epochs, seen, "every row once an epoch")
	again, _ := c.batches(rows)
	assert.Equal(t, steps, again)
}

func TestBatchTokensFillsSequences(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var rows []example
	for i := range 300 {
		n := 20 + r.IntN(30)
		if i%10 == 0 {
			n = 150 + r.IntN(100)
		}
		if i == 77 {
			n = 400 // longer than a batch
		}
		x := example{ids: make([]int32, n), trained: make([]bool, n)}
		for j := range x.ids {
			x.ids[j] = r.Int32N(1000)
		}
		x.trained[n-1] = true
		rows = append(rows, x)
	}
	c := DefaultConfig()
	c.Epochs, c.BatchSize, c.BatchTokens = 2, 0, 256
	steps, epochs := c.batches(rows)
	seen, positions, padded := map[*int32]int{}, 0, 0
	for i, s := range steps {
		tokens := 0
		for _, x := range s {
			seen[&x.ids[0]]++
			tokens += len(x.ids)
		}
		assert.True(t, tokens <= 256 || len(s) == 1, "step %d has %d tokens", i, tokens)
		positions += tokens
		padded += max(256, tokens)
	}
	assert.Len(t, seen, len(rows))
	for _, n := range seen {
		assert.Equal(t, 2, n)
	}
	assert.Equal(t, 2, epochs[len(epochs)-1])
	assert.Greater(t, float64(positions)/float64(padded), 0.93, "little padding")

	c.BatchSize = 4
	limited, _ := c.batches(rows)
	for _, s := range limited {
		assert.LessOrEqual(t, len(s), 4)
	}
	c.BatchSize, c.GradAccum = 0, 2
	accumulated, _ := c.batches(rows)
	assert.InDelta(t, len(steps)/2, len(accumulated), 1)
}

// numbered is an example of the tokens first, first+1, …, of which the last is trained.
func numbered(shared, own int, first int32) example {
	x := example{ids: make([]int32, shared+own), trained: make([]bool, shared+own)}
	for i := range x.ids {
		x.ids[i] = int32(i)
		if i >= shared {
			x.ids[i] += first
		}
	}
	x.trained[shared+own-1] = true
	return x
}

// TestGroupJoinsWhatSavesPositions, and nothing else.
func TestGroupJoinsWhatSavesPositions(t *testing.T) {
	sizes := func(size int, batch ...example) (members, positions []int) {
		for _, f := range group(batch, size) {
			members, positions = append(members, len(f.members)), append(positions, f.size())
		}
		return members, positions
	}
	members, positions := sizes(100, numbered(leastShared-1, 5, 1000), numbered(leastShared-1, 5, 2000))
	assert.Equal(t, []int{1, 1}, members, "too short a beginning")
	assert.Equal(t, []int{12, 12}, positions)
	members, positions = sizes(100, numbered(leastShared, 5, 1000), numbered(leastShared, 5, 2000))
	assert.Equal(t, []int{2}, members)
	assert.Equal(t, []int{18}, positions)
	members, _ = sizes(18, numbered(leastShared, 5, 1000), numbered(leastShared, 5, 2000))
	assert.Equal(t, []int{2}, members, "it just fits")
	members, _ = sizes(17, numbered(leastShared, 5, 1000), numbered(leastShared, 5, 2000))
	assert.Equal(t, []int{1, 1}, members, "it does not fit")

	// A third with less in common shortens what all share: joined when that is more than the two lose.
	for third, want := range map[int][]int{20: {2, 1}, 21: {3}} {
		members, _ = sizes(200, numbered(40, 5, 1000), numbered(40, 5, 2000), numbered(third, 5, 3000))
		assert.Equal(t, want, members, "%d tokens in common with two that share 40", third)
	}

	// Of a family with a long shared part none is trained in it.
	early := numbered(40, 5, 1000)
	early.trained[12] = true
	_, positions = sizes(200, early, numbered(40, 5, 2000))
	assert.Equal(t, []int{90 - 12}, positions)

	calls := shape{rows: 1, seq: 24}.calls([]example{numbered(0, 12, 1000), numbered(0, 12, 2000)})
	assert.Len(t, calls, 1, "two that just fill a sequence")
	calls = shape{rows: 1, seq: 23}.calls([]example{numbered(0, 12, 1000), numbered(0, 12, 2000)})
	assert.Len(t, calls, 2)
}

// TestClustersAreHalfABatch: a step is never of one passage alone by rule, but those of a pair always meet.
func TestClustersAreHalfABatch(t *testing.T) {
	passages := func(c Config, rows []example) (out []map[int32]int) {
		steps, _ := c.batches(rows)
		for _, s := range steps {
			of := map[int32]int{}
			for _, x := range s {
				of[x.ids[0]]++
			}
			out = append(out, of)
		}
		return out
	}
	passage := func(n int, number int32) (out []example) {
		for range n {
			x := numbered(clusterTokens+10, 5, 1000)
			x.ids[0] = number
			out = append(out, x)
		}
		return out
	}
	c := DefaultConfig()
	c.BatchSize, c.GradAccum, c.Epochs = 8, 1, 30
	mixed := 0
	for _, of := range passages(c, append(passage(8, 1), passage(8, 2)...)) {
		for _, n := range of {
			assert.Contains(t, []int{4, 8}, n, "clusters of four")
		}
		if len(of) == 2 {
			mixed++
		}
	}
	assert.Greater(t, mixed, 0)
	c.BatchSize = 2
	for _, of := range passages(c, append(passage(2, 1), append(passage(2, 2), passage(2, 3)...)...)) {
		assert.Len(t, of, 1, "a pair meets")
	}
	c.BatchSize, c.BatchTokens = 8, 8*(clusterTokens+15)
	mixed = 0
	for _, of := range passages(c, append(passage(8, 1), passage(8, 2)...)) {
		if len(of) == 2 {
			mixed++
		}
	}
	assert.Greater(t, mixed, 0, "batches that are bounded by their tokens too")
}
