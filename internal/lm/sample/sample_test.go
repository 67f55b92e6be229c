package sample

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/golden"
)

var never, infinite, nan = float32(math.Inf(-1)), float32(math.Inf(1)), float32(math.NaN())

// matrix makes logits of rows.
func matrix(rows ...[]float32) *tensors.Tensor {
	return tensors.FromFlatDataAndDimensions(slices.Concat(rows...), len(rows), len(rows[0]))
}

func newSampler(t *testing.T, vocab int) *Sampler {
	p := NewPrograms(golden.Backend(t), vocab)
	s := p.New()
	t.Cleanup(func() { s.Close(); p.Close() })
	return s
}

func choose(t *testing.T, s *Sampler, c Choice, rows ...[]float32) []int32 {
	t.Helper()
	by := map[int]*Choice{}
	for slot := range rows {
		each := c
		by[slot] = &each
	}
	ids, err := s.Choose(matrix(rows...), by)
	require.NoError(t, err)
	out := make([]int32, len(rows))
	for slot := range out {
		out[slot] = ids[slot]
	}
	return out
}

func TestGreedy(t *testing.T) {
	for name, c := range map[string]Choice{
		"greedy": {}, "cold": {Temperature: 1e-300}, "top-k": {Temperature: 1, TopK: 1}, "edited": {Edits: &Edits{RepetitionPenalty: 1}},
		"top-p": {Temperature: 1, TopP: math.SmallestNonzeroFloat64},
	} {
		got := choose(t, newSampler(t, 3), c,
			[]float32{1, 2, 0}, []float32{never, -1e30, never}, []float32{3e38, -3e38, 0}, []float32{-2, -1, -3},
			[]float32{nan, 1, 2}, []float32{1, 2, nan}, []float32{1, infinite, 2}, []float32{never, never, never}, []float32{never, nan, never})
		assert.Equal(t, []int32{1, 1, 0, 1, NonFinite, NonFinite, NonFinite, NoToken, NonFinite}, got, name)
	}
	assert.Equal(t, []int32{1, 0}, choose(t, newSampler(t, 3), Choice{}, []float32{1, 3, 3}, []float32{0, float32(math.Copysign(0, -1)), 0}), "ties go to the lowest id")
}

// leaves is what top-k, top-p and min-p leave of a row, by sorting, and how near top-p came to another answer.
func leaves(row []float32, c Choice) (kept []bool, margin float64) {
	ids := make([]int, 0, len(row))
	for id, x := range row {
		if x > never {
			ids = append(ids, id)
		}
	}
	slices.SortStableFunc(ids, func(a, b int) int { return -1 * less(row[a], row[b]) })
	largest := float64(row[ids[0]])
	if c.TopK > 0 && c.TopK < len(ids) {
		n := c.TopK
		for n < len(ids) && row[ids[n]] == row[ids[c.TopK-1]] {
			n++
		}
		ids = ids[:n]
	}
	weight := func(id int) float64 { return math.Exp((float64(row[id]) - largest) / c.Temperature) }
	margin = math.Inf(1)
	if c.narrows() {
		var total, before float64
		for _, id := range ids {
			total += weight(id)
		}
		n := 0
		for n < len(ids) && (n == 0 || before < c.TopP*total) {
			before += weight(ids[n])
			margin = min(margin, math.Abs(before-c.TopP*total)/total)
			n++
		}
		ids = ids[:n]
	}
	kept = make([]bool, len(row))
	for _, id := range ids {
		kept[id] = c.MinP == 0 || float64(row[id]) >= largest+c.Temperature*math.Log(c.MinP)
	}
	return kept, margin
}

func less(a, b float32) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// What may be drawn is compared with what a sort leaves, on rows with few ties and with many, and with tokens that cannot be.
func TestKept(t *testing.T) {
	const slots = 6
	rng := rand.New(rand.NewPCG(1, 2))
	for _, vocab := range []int{5, 500, 1 << 12} {
		r := recipe{truncated: true}
		program, err := device.NewProgram(golden.Backend(t), "kept", func(in []*Node) []*Node {
			largest := ReduceAndKeep(in[0], ReduceMax, 1)
			z := Div(Sub(in[0], largest), column(in[1], temperature))
			return []*Node{ConvertDType(r.kept(in[0], largest, z, in[1], in[2]), in[0].DType())}
		})
		require.NoError(t, err)
		t.Cleanup(program.Close)
		compared := 0
		rounds := min(40, 1<<14/vocab)
		for round := range rounds {
			by, rows := map[int]*Choice{}, make([][]float32, slots)
			for slot := range slots {
				c := &Choice{Temperature: 0.2 + 2*rng.Float64()}
				if rng.IntN(2) == 0 {
					c.TopK = 1 + rng.IntN(vocab+2)
				}
				if rng.IntN(2) == 0 {
					c.TopP = rng.Float64()
				}
				if rng.IntN(2) == 0 {
					c.MinP = math.Pow(rng.Float64(), 4)
				}
				by[slot], rows[slot] = c, make([]float32, vocab)
				for i := range vocab {
					x := rng.NormFloat64() * 4
					if round%2 == 0 {
						x = math.Round(x*4) / 4 // as in bfloat16
					}
					if rng.IntN(10) == 0 && i > 0 {
						x = math.Inf(-1)
					}
					rows[slot][i] = float32(x)
				}
			}
			reals, words := settings(slots, by)
			out, err := program.Run([]any{matrix(rows...), reals, words})
			require.NoError(t, err)
			flat, err := device.Floats(out[0])
			require.NoError(t, err)
			for slot, row := range rows {
				want, margin := leaves(row, *by[slot])
				if margin < 1e-5 { // float32 sums may fall on the other side
					continue
				}
				compared++
				got := make([]bool, vocab)
				for i := range got {
					got[i] = flat[slot*vocab+i] == 1
				}
				require.Equal(t, want, got, "%+v", *by[slot])
			}
		}
		assert.Greater(t, compared, rounds*slots*7/10)
	}
}

// logits of given probabilities
func logits(p ...float64) []float32 {
	row := make([]float32, len(p))
	for i, x := range p {
		row[i] = float32(math.Log(x)) + 3
	}
	return row
}

const draws = 10000

// frequencies draws many times from one row.
func frequencies(t *testing.T, s *Sampler, c Choice, row []float32) []float64 {
	t.Helper()
	const slots = 200
	rng := rand.New(rand.NewPCG(5, 6))
	rows := matrix(slices.Repeat([][]float32{row}, slots)...)
	freq := make([]float64, len(row))
	for range draws / slots {
		by := map[int]*Choice{}
		for slot := range slots {
			each := c
			each.Key = rng.Uint64()
			by[slot] = &each
		}
		ids, err := s.Choose(rows, by)
		require.NoError(t, err)
		for _, id := range ids {
			freq[id] += 1. / draws
		}
	}
	return freq
}

func TestDrawFollowsTheDistribution(t *testing.T) {
	row := logits(0.1, 0.4, 0.05, 0.3, 0.15)
	s := newSampler(t, len(row))
	for name, c := range map[string]struct {
		c    Choice
		want []float64
	}{
		"plain":            {Choice{Temperature: 1}, []float64{0.1, 0.4, 0.05, 0.3, 0.15}},
		"temperature":      {Choice{Temperature: 0.5}, []float64{0.01, 0.16, 0.0025, 0.09, 0.0225}},
		"hot":              {Choice{Temperature: 1e300}, []float64{1, 1, 1, 1, 1}},
		"top-k":            {Choice{Temperature: 1, TopK: 2}, []float64{0, 0.4, 0, 0.3, 0}},
		"top-k all":        {Choice{Temperature: 1, TopK: 9}, []float64{0.1, 0.4, 0.05, 0.3, 0.15}},
		"top-p":            {Choice{Temperature: 1, TopP: 0.75}, []float64{0, 0.4, 0, 0.3, 0.15}},
		"top-p one":        {Choice{Temperature: 1, TopP: 1}, []float64{0.1, 0.4, 0.05, 0.3, 0.15}},
		"min-p":            {Choice{Temperature: 1, MinP: 0.3}, []float64{0, 0.4, 0, 0.3, 0.15}},
		"top-k then top-p": {Choice{Temperature: 1, TopK: 3, TopP: 0.8}, []float64{0, 0.4, 0, 0.3, 0}}, // 0.4/0.85, 0.7/0.85 = 0.82
		"top-p and min-p":  {Choice{Temperature: 1, TopP: 0.99, MinP: 0.5}, []float64{0, 0.4, 0, 0.3, 0}},
	} {
		var sum float64
		for _, x := range c.want {
			sum += x
		}
		got := frequencies(t, s, c.c, row)
		for i := range got {
			// Four standard deviations of a frequency over so many draws.
			want := c.want[i] / sum
			assert.InDelta(t, want, got[i], 4*math.Sqrt(want*(1-want)/draws)+1e-9, "%s: token %d", name, i)
		}
	}
}

// Chi-square over a vocabulary of 500 tokens, the probabilities of which differ by a factor of thousands.
func TestDrawFromManyTokens(t *testing.T) {
	const vocab = 500
	rng := rand.New(rand.NewPCG(7, 8))
	row := make([]float32, vocab)
	var sum float64
	for i := range row {
		row[i] = float32(rng.NormFloat64() * 2)
		sum += math.Exp(float64(row[i]))
	}
	got := frequencies(t, newSampler(t, vocab), Choice{Temperature: 1}, row)
	var chi, rest, restWant float64
	n := 0
	for i, x := range row {
		want := draws * math.Exp(float64(x)) / sum
		if want < 5 {
			rest, restWant = rest+draws*got[i], restWant+want
			continue
		}
		chi += (draws*got[i] - want) * (draws*got[i] - want) / want
		n++
	}
	chi += (rest - restWant) * (rest - restWant) / restWant
	assert.Less(t, chi, float64(n)+4*math.Sqrt(2*float64(n)), "%d classes", n+1)
	assert.Greater(t, chi, float64(n)-4*math.Sqrt(2*float64(n)), "%d classes: too even for chance", n+1)
}

// A key draws the same token whatever else is in the batch, in any slot, and whichever graph the others ask for.
func TestKeysDecideWhateverTheCompany(t *testing.T) {
	const vocab, slots = 300, 5
	rng := rand.New(rand.NewPCG(9, 10))
	s := newSampler(t, vocab)
	for range 20 {
		row := make([]float32, vocab)
		for i := range row {
			row[i] = rng.Float32() * 3
		}
		mine := &Choice{Temperature: 1, MinP: 0.01, Key: rng.Uint64()}
		want, err := s.Choose(matrix(row), map[int]*Choice{0: mine})
		require.NoError(t, err)
		for _, other := range []Choice{
			{}, {Temperature: 2, Key: rng.Uint64()}, {Temperature: 1, TopK: 3, TopP: 0.5, Key: rng.Uint64()},
			{Temperature: 1, Edits: &Edits{RepetitionPenalty: 2, Banned: []int{1}}},
		} {
			slot := rng.IntN(slots)
			by, rows := map[int]*Choice{}, make([][]float32, slots)
			for i := range slots {
				each := other
				by[i], rows[i] = &each, slices.Clone(row)
				rng.Shuffle(vocab, func(a, b int) { rows[i][a], rows[i][b] = rows[i][b], rows[i][a] })
			}
			by[slot], rows[slot] = mine, row
			got, err := s.Choose(matrix(rows...), by)
			require.NoError(t, err)
			assert.Equal(t, want[0], got[slot])
			for i := range slots {
				s.Release(i)
			}
		}
	}
	by := map[int]*Choice{}
	for slot := range 50 {
		by[slot] = &Choice{Temperature: 1, Key: uint64(slot)}
	}
	even := make([]float32, vocab)
	ids, err := s.Choose(matrix(slices.Repeat([][]float32{even}, 50)...), by)
	require.NoError(t, err)
	different := map[int32]bool{}
	for _, id := range ids {
		different[id] = true
	}
	assert.Greater(t, len(different), 40, "keys that are neighbours draw different tokens")
}

// What the device counts follows its sequence, while others come and go and the batch grows.
func TestEditsFollowTheirSlot(t *testing.T) {
	row := []float32{4, 3.5, 3, 1}
	s := newSampler(t, len(row))
	penalty := func() *Choice {
		return &Choice{Edits: &Edits{RepetitionPenalty: 2, History: func(func(int, int) bool) {}}}
	}
	run := func(by map[int]*Choice, slots int) map[int]int32 {
		ids, err := s.Choose(matrix(slices.Repeat([][]float32{row}, slots)...), by)
		require.NoError(t, err)
		return ids
	}
	a, b := penalty(), penalty()
	plain := &Choice{}
	assert.Equal(t, map[int]int32{0: 0}, run(map[int]*Choice{0: a}, 1))
	assert.Equal(t, map[int]int32{0: 1, 1: 0, 2: 0}, run(map[int]*Choice{0: a, 1: plain, 2: b}, 3), "grown")
	assert.Equal(t, map[int]int32{0: 2, 1: 0}, run(map[int]*Choice{0: a, 1: plain}, 3), "one is not asked for")
	assert.Equal(t, map[int]int32{2: 1}, run(map[int]*Choice{2: b}, 3))
	s.Release(0)
	a = penalty()
	assert.Equal(t, map[int]int32{0: 0, 2: 2}, run(map[int]*Choice{0: a, 2: b}, 3), "another one in the slot")
	biased := &Choice{Edits: &Edits{RepetitionPenalty: 1, FrequencyPenalty: 4, Bias: map[int]float64{3: 10, 99: 5}, History: func(yield func(int, int) bool) { yield(3, 1) }}}
	assert.Equal(t, map[int]int32{1: 3}, run(map[int]*Choice{1: biased}, 3), "1 + 10 - 4")
	assert.Equal(t, map[int]int32{1: 0}, run(map[int]*Choice{1: biased}, 3), "1 + 10 - 8")
	s.Close()
	assert.Equal(t, map[int]int32{0: 0, 1: 3}, run(map[int]*Choice{0: a, 1: biased}, 3), "closed, it begins again")
}

func TestBansAndForms(t *testing.T) {
	row := []float32{4, 3.5, 3, 1}
	for _, c := range []struct {
		name    string
		banned  []int
		allowed []uint64
		want    int32
	}{
		{"neither", nil, nil, 0},
		{"banned", []int{0, 1}, nil, 2},
		{"form", nil, []uint64{0b1100}, 2},
		{"both", []int{2}, []uint64{0b1100}, 3},
		{"a ban of all that is allowed gives way", []int{2, 3}, []uint64{0b1100}, 2},
		{"all banned", []int{0, 1, 2, 3}, nil, NoToken},
		{"nothing allowed", nil, []uint64{0}, NoToken},
	} {
		got := choose(t, newSampler(t, 4), Choice{Edits: &Edits{RepetitionPenalty: 1, Banned: c.banned, Allowed: c.allowed}}, row)
		assert.Equal(t, []int32{c.want}, got, c.name)
	}
	wide := make([]float32, 100)
	wide[70], wide[99] = 3, 2
	assert.Equal(t, []int32{99}, choose(t, newSampler(t, 100), Choice{Edits: &Edits{RepetitionPenalty: 1, Banned: []int{70}}}, wide))
	assert.Equal(t, []int32{70}, choose(t, newSampler(t, 100), Choice{Edits: &Edits{RepetitionPenalty: 1, Allowed: []uint64{0, 1 << 6}}}, wide))
}

func BenchmarkChoose(b *testing.B) {
	const slots, vocab = 8, 49152
	rng := rand.New(rand.NewPCG(11, 12))
	flat := make([]float32, slots*vocab)
	for i := range flat {
		flat[i] = float32(rng.NormFloat64() * 3)
	}
	p := NewPrograms(golden.Backend(b), vocab)
	defer p.Close()
	logits := tensors.FromFlatDataAndDimensions(flat, slots, vocab)
	for _, x := range []struct {
		name string
		c    Choice
	}{
		{"greedy", Choice{}}, {"temperature", Choice{Temperature: 1}}, {"top-p", Choice{Temperature: 1, TopP: 0.9}},
		{"full", Choice{Temperature: 0.8, TopK: 50, TopP: 0.9, MinP: 0.01, Edits: &Edits{
			RepetitionPenalty: 1.1, PresencePenalty: 0.1, FrequencyPenalty: 0.1, Bias: map[int]float64{5: 1}, Banned: []int{1, 2, 3},
			History: func(yield func(int, int) bool) { yield(7, 1) },
		}}},
	} {
		b.Run(fmt.Sprintf("%s/slots=%d", x.name, slots), func(b *testing.B) {
			s := p.New()
			defer s.Close()
			by := map[int]*Choice{}
			for slot := range slots {
				c := x.c
				by[slot] = &c
			}
			run := func() {
				for slot := range slots {
					by[slot].Key = rng.Uint64()
				}
				_, err := s.Choose(logits, by)
				require.NoError(b, err)
			}
			run()
			for b.Loop() {
				run()
			}
		})
	}
}
