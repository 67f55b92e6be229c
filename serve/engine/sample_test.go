package engine

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/serve"
)

func one(t *testing.T, p serve.Sampling, prompt []int, row ...float32) int {
	t.Helper()
	tok, err := newSampler(serve.Request{Sampling: p}, 0, prompt, 8).next(row, &workspace{})
	require.NoError(t, err)
	return tok.id
}

func TestGreedy(t *testing.T) {
	assert.Equal(t, 2, one(t, serve.Sampling{}, nil, 1, 2, 3, 0))
	assert.Equal(t, 1, one(t, serve.Sampling{}, nil, 1, 3, 3, 3), "ties go to the lowest id")
	ninf := float32(math.Inf(-1))
	assert.Equal(t, 1, one(t, serve.Sampling{}, nil, ninf, -1e30, ninf))
	for _, bad := range [][]float32{{1, float32(math.NaN())}, {float32(math.NaN()), 1}, {float32(math.Inf(1)), 1}} {
		for _, p := range []serve.Sampling{{}, {Temperature: 1}, {RepetitionPenalty: 2}} {
			_, err := newSampler(serve.Request{Sampling: p}, 0, nil, 1).next(bad, &workspace{})
			require.ErrorIs(t, err, errNonFinite)
		}
	}
	for _, none := range [][]float32{{ninf, ninf}, {}} {
		_, err := newSampler(serve.Request{}, 0, nil, 1).next(none, &workspace{})
		require.ErrorIs(t, err, errNoToken)
	}
	row := []float32{1, 2, 3}
	_, err := newSampler(serve.Request{Sampling: serve.Sampling{RepetitionPenalty: 9, LogitBias: map[int]float64{0: 5}}}, 0, []int{2}, 1).next(row, &workspace{})
	require.NoError(t, err)
	assert.Equal(t, []float32{1, 2, 3}, row, "not changed")
}

func TestRepetitionPenalty(t *testing.T) {
	p := serve.Sampling{RepetitionPenalty: 2}
	assert.Equal(t, 1, one(t, p, []int{0}, 3, 2, 1), "positive logits are divided")
	assert.Equal(t, 1, one(t, p, []int{0, 0, 0, 0}, -1, -1.9, -5), "negative ones multiplied, once however often the token came")
	assert.Equal(t, 0, one(t, p, []int{0}, 5, 2, 1))
	s := newSampler(serve.Request{Sampling: p}, 0, nil, 4)
	var ids []int
	for range 4 {
		tok, err := s.next([]float32{4, 3.5, 3, 1}, &workspace{})
		require.NoError(t, err)
		ids = append(ids, tok.id)
	}
	assert.Equal(t, []int{0, 1, 2, 0}, ids, "over the answer too")
}

func TestNoRepeatNgram(t *testing.T) {
	run := func(n int, prompt []int, steps int, row ...float32) (ids []int) {
		s := newSampler(serve.Request{Sampling: serve.Sampling{NoRepeatNgram: n}}, 0, prompt, steps)
		for range steps {
			tok, err := s.next(row, &workspace{})
			if err != nil {
				require.ErrorIs(t, err, errNoToken)
				return append(ids, -1)
			}
			ids = append(ids, tok.id)
		}
		return ids
	}
	assert.Equal(t, []int{0, 1, 2, -1}, run(1, nil, 4, 3, 2, 1))
	assert.Equal(t, []int{0, 0, 1, 0, 2, 0, -1}, run(2, nil, 7, 3, 2, 1))
	assert.Equal(t, []int{1}, run(2, []int{5, 0, 5}, 1, 3, 2, 1, 0, 0, 0), "the prompt counts")
	assert.Equal(t, []int{0}, run(3, []int{0}, 1, 3, 2), "shorter than n")

	// Against the definition: no n-gram occurs twice.
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		n := 1 + rng.IntN(4)
		s := newSampler(serve.Request{Sampling: serve.Sampling{NoRepeatNgram: n}}, 0, []int{1, 2, 1}, 60)
		for range 60 {
			row := make([]float32, 5)
			for i := range row {
				row[i] = rng.Float32()
			}
			if _, err := s.next(row, &workspace{}); err != nil {
				break
			}
		}
		seen := map[[4]int]bool{}
		for i := 0; i+n <= len(s.history); i++ {
			var gram [4]int
			copy(gram[:], s.history[i:i+n])
			if i+n > 3 { // the prompt may repeat itself
				assert.False(t, seen[gram], "%v", s.history)
			}
			seen[gram] = true
		}
	}
}

func TestPresenceFrequencyBias(t *testing.T) {
	assert.Equal(t, 0, one(t, serve.Sampling{PresencePenalty: 2, FrequencyPenalty: 2}, []int{0, 0}, 3, 2), "the prompt does not count")
	run := func(p serve.Sampling, row ...float32) (ids []int) {
		s := newSampler(serve.Request{Sampling: p}, 0, nil, 6)
		for range 6 {
			tok, err := s.next(row, &workspace{})
			require.NoError(t, err)
			ids = append(ids, tok.id)
		}
		return ids
	}
	assert.Equal(t, []int{0, 1, 0, 0, 0, 0}, run(serve.Sampling{PresencePenalty: 1}, 3, 2.5))
	assert.Equal(t, []int{0, 1, 0, 1, 0, 1}, run(serve.Sampling{FrequencyPenalty: 1}, 3, 2.5))
	assert.Equal(t, 1, one(t, serve.Sampling{LogitBias: map[int]float64{1: 100}}, nil, 50, -20, 30))
	assert.Equal(t, 2, one(t, serve.Sampling{LogitBias: map[int]float64{0: -100, 7: 100}}, nil, 50, -20, 30))
	assert.Equal(t, 1, one(t, serve.Sampling{LogitBias: map[int]float64{0: 100}, NoRepeatNgram: 1}, []int{0}, 5, 1), "a ban is not lifted by a bias")
}

// frequencies draws many times from one row.
func frequencies(t *testing.T, p serve.Sampling, row []float32) []float64 {
	t.Helper()
	seed := uint64(1)
	p.Seed = &seed
	s, w := newSampler(serve.Request{Sampling: p}, 0, nil, 0), &workspace{}
	const n = 40000
	freq := make([]float64, len(row))
	for range n {
		tok, err := s.next(row, w)
		require.NoError(t, err)
		freq[tok.id]++
		s.history = s.history[:0]
	}
	for i := range freq {
		freq[i] /= n
	}
	return freq
}

// logits of given probabilities
func logits(p ...float64) []float32 {
	row := make([]float32, len(p))
	for i, x := range p {
		row[i] = float32(math.Log(x)) + 3
	}
	return row
}

func TestDrawFollowsTheDistribution(t *testing.T) {
	row := logits(0.1, 0.4, 0.05, 0.3, 0.15)
	for name, c := range map[string]struct {
		p    serve.Sampling
		want []float64
	}{
		"plain":            {serve.Sampling{Temperature: 1}, []float64{0.1, 0.4, 0.05, 0.3, 0.15}},
		"temperature":      {serve.Sampling{Temperature: 0.5}, []float64{0.01, 0.16, 0.0025, 0.09, 0.0225}},
		"top-k":            {serve.Sampling{Temperature: 1, TopK: 2}, []float64{0, 0.4, 0, 0.3, 0}},
		"top-k 1":          {serve.Sampling{Temperature: 1, TopK: 1}, []float64{0, 1, 0, 0, 0}},
		"top-k all":        {serve.Sampling{Temperature: 1, TopK: 9}, []float64{0.1, 0.4, 0.05, 0.3, 0.15}},
		"top-p":            {serve.Sampling{Temperature: 1, TopP: 0.75}, []float64{0, 0.4, 0, 0.3, 0.15}},
		"top-p small":      {serve.Sampling{Temperature: 1, TopP: 1e-9}, []float64{0, 1, 0, 0, 0}},
		"top-p zero wire":  {serve.Sampling{Temperature: 1, TopP: math.SmallestNonzeroFloat64}, []float64{0, 1, 0, 0, 0}},
		"top-p one":        {serve.Sampling{Temperature: 1, TopP: 1}, []float64{0.1, 0.4, 0.05, 0.3, 0.15}},
		"min-p":            {serve.Sampling{Temperature: 1, MinP: 0.3}, []float64{0, 0.4, 0, 0.3, 0.15}},
		"top-k then top-p": {serve.Sampling{Temperature: 1, TopK: 3, TopP: 0.8}, []float64{0, 0.4, 0, 0.3, 0}}, // 0.4/0.85, 0.7/0.85 = 0.82
		"top-k and min-p":  {serve.Sampling{Temperature: 1, TopK: 4, MinP: 0.5}, []float64{0, 0.4, 0, 0.3, 0}},
		"top-p and min-p":  {serve.Sampling{Temperature: 1, TopP: 0.99, MinP: 0.5}, []float64{0, 0.4, 0, 0.3, 0}},
		"bias":             {serve.Sampling{Temperature: 1, LogitBias: map[int]float64{2: math.Log(10)}}, []float64{0.1, 0.4, 0.5, 0.3, 0.15}},
	} {
		var sum float64
		for _, x := range c.want {
			sum += x
		}
		got := frequencies(t, c.p, row)
		for i := range got {
			// Four standard deviations of a frequency over 40,000 draws.
			want := c.want[i] / sum
			assert.InDelta(t, want, got[i], 4*math.Sqrt(want*(1-want)/40000), "%s: token %d", name, i)
		}
	}
	tied := frequencies(t, serve.Sampling{Temperature: 1, TopK: 2}, []float32{1, 3, 1, 2, 2})
	assert.Zero(t, tied[0]+tied[2])
	assert.Greater(t, min(tied[3], tied[4]), 0.1, "ties at the border stay")
	ninf := float32(math.Inf(-1))
	assert.Equal(t, []float64{0, 1, 0}, frequencies(t, serve.Sampling{Temperature: 2}, []float32{ninf, -5, ninf}))
}

// The heap against a plain sort, with ties.
func TestNucleusIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		all := make([]scored, 1+rng.IntN(500))
		var total float64
		for i := range all {
			x := math.Round(rng.NormFloat64()*20) / 8 // few different values, and sums that are exact
			all[i] = scored{id: int32(i), score: float32(x), weight: math.Exp2(math.Floor(x))}
			total += all[i].weight
		}
		sorted := slices.Clone(all)
		slices.SortStableFunc(sorted, func(a, b scored) int { return cmp.Compare(b.score, a.score) })

		k := 1 + rng.IntN(len(all))
		want := sorted[:k]
		for len(want) < len(sorted) && sorted[len(want)].score == sorted[k-1].score {
			want = sorted[:len(want)+1]
		}
		require.Equal(t, want, topK(slices.Clone(all), nil, k))

		enough := (1 - rng.Float64()) * total
		want = sorted[:nucleusSize(sorted, enough)]
		require.Equal(t, want, nucleus(slices.Clone(all), nil, enough))
		var sum float64
		for _, c := range want[:len(want)-1] {
			sum += c.weight
		}
		require.Less(t, sum, enough)
		require.GreaterOrEqual(t, sum+want[len(want)-1].weight, enough)
	}
}

func TestSeeds(t *testing.T) {
	run := func(p serve.Sampling, choice int) (ids []int) {
		s, w := newSampler(serve.Request{Sampling: p}, choice, nil, 0), &workspace{}
		for range 20 {
			tok, err := s.next(logits(0.25, 0.25, 0.25, 0.25), w)
			require.NoError(t, err)
			ids = append(ids, tok.id)
		}
		return ids
	}
	seed, next := uint64(math.MaxUint64), uint64(0)
	assert.Equal(t, run(serve.Sampling{Temperature: 1, Seed: &seed}, 0), run(serve.Sampling{Temperature: 1, Seed: &seed}, 0))
	assert.Equal(t, run(serve.Sampling{Temperature: 1, Seed: &seed}, 1), run(serve.Sampling{Temperature: 1, Seed: &next}, 0), "choice i has seed+i")
	assert.NotEqual(t, run(serve.Sampling{Temperature: 1, Seed: &seed}, 0), run(serve.Sampling{Temperature: 1, Seed: &next}, 0))
	assert.NotEqual(t, run(serve.Sampling{Temperature: 1}, 0), run(serve.Sampling{Temperature: 1}, 0), "without a seed they differ")
}

func TestLogprobsAreOfTheRawRow(t *testing.T) {
	row := logits(0.1, 0.4, 0.05, 0.3, 0.15)
	seed := uint64(5)
	r := serve.Request{Logprobs: true, TopLogprobs: 3, Sampling: serve.Sampling{
		Temperature: 0.3, TopK: 1, RepetitionPenalty: 5, LogitBias: map[int]float64{2: 50}, Seed: &seed,
	}}
	tok, err := newSampler(r, 0, []int{1}, 1).next(row, &workspace{})
	require.NoError(t, err)
	assert.Equal(t, 2, tok.id)
	assert.InDelta(t, math.Log(0.05), tok.logprob, 1e-6)
	require.Len(t, tok.top, 3)
	for i, want := range []struct {
		id int
		p  float64
	}{{1, 0.4}, {3, 0.3}, {4, 0.15}} {
		assert.Equal(t, want.id, tok.top[i].id)
		assert.InDelta(t, math.Log(want.p), tok.top[i].value, 1e-6)
	}
	r = serve.Request{Logprobs: true, TopLogprobs: 20}
	tok, err = newSampler(r, 0, nil, 1).next([]float32{2, 2, float32(math.Inf(-1))}, &workspace{})
	require.NoError(t, err)
	require.Len(t, tok.top, 2, "what cannot be is left out")
	assert.Equal(t, []int{0, 1}, []int{tok.top[0].id, tok.top[1].id}, "ties by id")
	assert.InDelta(t, -math.Ln2, tok.top[1].value, 1e-12)
}

// full is every setting at once.
func full() serve.Request {
	seed := uint64(1)
	return serve.Request{Logprobs: true, TopLogprobs: 5, Sampling: serve.Sampling{
		Temperature: 0.8, TopK: 50, TopP: 0.9, MinP: 0.01, RepetitionPenalty: 1.1, NoRepeatNgram: 3, PresencePenalty: 0.1,
		FrequencyPenalty: 0.1, LogitBias: map[int]float64{5: 1}, Seed: &seed,
	}}
}

func bigRow(n int) []float32 {
	rng := rand.New(rand.NewPCG(7, 7))
	row := make([]float32, n)
	for i := range row {
		row[i] = float32(rng.NormFloat64() * 3)
	}
	return row
}

func TestSamplingAllocatesNothing(t *testing.T) {
	row, w := bigRow(5000), &workspace{}
	for name, r := range map[string]serve.Request{"greedy": {}, "plain": {Sampling: serve.Sampling{Temperature: 1}}, "full": full()} {
		s := newSampler(r, 0, []int{1, 2, 3, 4}, 400)
		for range 50 { // warms the workspace
			_, err := s.next(row, w)
			require.NoError(t, err)
		}
		assert.Zero(t, testing.AllocsPerRun(300, func() { _, _ = s.next(row, w) }), name)
	}
}

func BenchmarkSample(b *testing.B) {
	row := bigRow(49152)
	for name, r := range map[string]serve.Request{
		"greedy": {}, "temperature": {Sampling: serve.Sampling{Temperature: 1}}, "top-p": {Sampling: serve.Sampling{Temperature: 1, TopP: 0.9}},
		"top-k": {Sampling: serve.Sampling{Temperature: 1, TopK: 40}}, "full": full(),
	} {
		b.Run(name, func(b *testing.B) {
			s, w := newSampler(r, 0, []int{1, 2, 3, 4}, 100), &workspace{}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.next(row, w); err != nil {
					b.Fatal(err)
				}
				s.history = s.history[:4]
			}
		})
	}
}

// The smallest penalty that may be asked for drives no logit out of the finite numbers.
func TestTinyRepetitionPenalty(t *testing.T) {
	for _, penalty := range []float64{5e-324, 1e-40, 1e-5} {
		s := newSampler(serve.Request{Sampling: serve.Sampling{RepetitionPenalty: penalty}}, 0, []int{0, 1, 2}, 4)
		got, err := s.next([]float32{0, -3, 2, 5}, &workspace{})
		require.NoError(t, err)
		assert.Equal(t, 2, got.id)
	}
}
