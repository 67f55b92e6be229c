package engine

import (
	"errors"
	"math"
	"math/rand/v2"

	"github.com/docent-ml/docent/internal/lm/grammar"
	"github.com/docent-ml/docent/internal/lm/sample"
	"github.com/docent-ml/docent/serve"
)

var (
	errNonFinite = errors.New("serve: the logits are not finite")
	errNoToken   = errors.New("serve: every token is forbidden")
)

// sampler chooses the tokens of one choice from rows of logits, in the order of Hugging Face: repetition penalty and
// n-gram ban over prompt and answer; presence, frequency and bias; then temperature, top-k, top-p, min-p. One goroutine.
type sampler struct {
	p       serve.Sampling
	bias    []ranked
	rng     *rand.Rand
	history []int // prompt and answer

	// Tokens of the history, each once, for the penalties.
	index  map[int]int // token to its place in counts
	counts []tokenCount

	logprobs bool
	top      int // alternatives asked for

	state *grammar.State // the form that the answer is kept to; nil: none
	words int            // of its masks

	device *sample.Choice // what a device is told, once one has been
}

type tokenCount struct {
	id       int
	inAnswer int
}

// workspace is the memory that samplers of one goroutine share, so that a token allocates nothing.
type workspace struct {
	scores []float32 // the row, changed
	heap   []scored
	kept   []scored
	top    []ranked
	mask   []uint64
}

type scored struct {
	id     int32
	score  float32
	weight float64 // not normalised; 1 for the most likely
}

type ranked struct {
	id    int
	value float64
}

// token is a chosen token. The logprobs are of the raw row, and there if asked for; top is valid until the next one.
type token struct {
	id      int
	logprob float64
	top     []ranked // most likely first
}

// newSampler starts choice i of r behind the prompt. room is how many tokens are expected at most.
func newSampler(r serve.Request, i int, prompt []int, room int) *sampler {
	p := r.Sampling
	if p.RepetitionPenalty == 0 {
		p.RepetitionPenalty = 1
	}
	seed := rand.Uint64()
	if p.Seed != nil {
		seed = *p.Seed + uint64(i)
	}
	s := &sampler{
		p: p, rng: rand.New(rand.NewPCG(seed, 0)), logprobs: r.Logprobs, top: r.TopLogprobs,
		history: append(make([]int, 0, len(prompt)+room), prompt...),
	}
	for id, b := range p.LogitBias {
		s.bias = append(s.bias, ranked{id, b})
	}
	if p.RepetitionPenalty != 1 || p.PresencePenalty != 0 || p.FrequencyPenalty != 0 {
		s.index = make(map[int]int, len(prompt)+room)
		s.counts = make([]tokenCount, 0, len(prompt)+room)
		for _, id := range prompt {
			s.place(id)
		}
	}
	return s
}

// place is where a token is counted.
func (s *sampler) place(id int) *tokenCount {
	i, ok := s.index[id]
	if !ok {
		i = len(s.counts)
		s.index[id] = i
		s.counts = append(s.counts, tokenCount{id: id})
	}
	return &s.counts[i]
}

// next chooses a token from row (one logit for each token, not changed) and takes it into the history. -Inf marks a
// token that cannot be; NaN and +Inf are errors.
func (s *sampler) next(row []float32, w *workspace) (token, error) {
	best, err := argmax(row)
	if err != nil {
		return token{}, err
	}
	scores := row
	if s.shapes() || s.state != nil {
		w.scores = append(w.scores[:0], row...)
		scores = w.scores
		s.shape(scores)
		if s.state != nil {
			s.forbid(scores, row, w)
		}
		if best, err = argmax(scores); err != nil {
			return token{}, err
		}
	}
	t := token{id: best}
	if s.p.Temperature > 0 {
		t.id = s.draw(scores, best, w)
	}
	if s.logprobs {
		t.top = w.mostLikely(row, s.top)
		t.logprob = float64(row[t.id]) - logSumExp(row)
	}
	return t, s.accept(t.id)
}

// accept takes a token into the history.
func (s *sampler) accept(id int) error {
	if s.state != nil && !s.state.Accept(id) {
		return errNoToken
	}
	s.history = append(s.history, id)
	if s.index != nil {
		s.place(id).inAnswer++
	}
	return nil
}

// argmax is the lowest id of the largest logit.
func argmax(row []float32) (int, error) {
	best, largest := -1, float32(math.Inf(-1))
	for i, x := range row {
		if x > largest {
			best, largest = i, x
		} else if x != x { //nolint:gocritic // NaN
			return 0, errNonFinite
		}
	}
	if math.IsInf(float64(largest), 1) {
		return 0, errNonFinite
	}
	if best < 0 {
		return 0, errNoToken
	}
	return best, nil
}

// shapes reports whether shape would do anything.
func (s *sampler) shapes() bool {
	return s.index != nil || s.p.NoRepeatNgram > 0 || len(s.bias) > 0
}

// shape applies penalties, ban and bias.
func (s *sampler) shape(scores []float32) {
	if r := s.p.RepetitionPenalty; r != 1 {
		for _, c := range s.counts {
			if x := float64(scores[c.id]); x < 0 {
				scores[c.id] = float32(x * r)
			} else { // a penalty of nearly nothing makes what is there certain, not infinite
				scores[c.id] = float32(min(x/r, math.MaxFloat32))
			}
		}
	}
	for id := range s.banned {
		scores[id] = float32(math.Inf(-1))
	}
	if s.p.PresencePenalty != 0 || s.p.FrequencyPenalty != 0 {
		for _, c := range s.counts {
			if c.inAnswer > 0 {
				scores[c.id] -= float32(s.p.PresencePenalty + s.p.FrequencyPenalty*float64(c.inAnswer))
			}
		}
	}
	for _, b := range s.bias {
		if b.id < len(scores) {
			scores[b.id] += float32(b.value)
		}
	}
}

// banned are the tokens that would complete an n-gram the history has already.
func (s *sampler) banned(yield func(id int) bool) {
	n := s.p.NoRepeatNgram
	if n == 0 || len(s.history) < n {
		return
	}
	tail := s.history[len(s.history)-n+1:] // the n-1 latest tokens
	for i := 0; i+n <= len(s.history); i++ {
		if equal(s.history[i:i+n-1], tail) && !yield(s.history[i+n-1]) {
			return
		}
	}
}

// equal compares from the end, where two places of a text differ first.
func equal(a, b []int) bool {
	for i := len(a) - 1; i >= 0; i-- {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// logSumExp is the logarithm of the sum of exponentials, what turns logits into log probabilities.
func logSumExp(row []float32) float64 {
	largest := float32(math.Inf(-1))
	for _, x := range row {
		largest = max(largest, x)
	}
	var sum float64
	for _, x := range row {
		sum += math.Exp(float64(x - largest))
	}
	return float64(largest) + math.Log(sum)
}

// mostLikely are the n largest of the row as log probabilities, by insertion: n is at most 20.
func (w *workspace) mostLikely(row []float32, n int) []ranked {
	w.top = w.top[:0]
	if n == 0 {
		return w.top
	}
	for i, x := range row {
		v := float64(x)
		if len(w.top) == n && v <= w.top[n-1].value || math.IsInf(v, -1) {
			continue
		}
		if len(w.top) < n {
			w.top = append(w.top, ranked{})
		}
		j := len(w.top) - 1
		for ; j > 0 && w.top[j-1].value < v; j-- {
			w.top[j] = w.top[j-1]
		}
		w.top[j] = ranked{i, v}
	}
	z := logSumExp(row)
	for i := range w.top {
		w.top[i].value -= z
	}
	return w.top
}
