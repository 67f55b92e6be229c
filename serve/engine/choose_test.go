package engine

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/grammar"
	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/lm/sample"
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/serve"
)

// A device chooses what the sampler of the host would, under all settings and as the histories grow. Scores are far enough
// from each other that float32 penalties make no difference.
func TestDeviceChoosesLikeTheHost(t *testing.T) {
	const vocab, steps = 300, 12
	bytes, err := grammar.NewVocabulary(vocab, func(id int) []byte {
		if id >= 256 {
			return nil
		}
		return []byte{byte(id)}
	}, 299)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	programs := sample.NewPrograms(golden.Backend(t), vocab)
	defer programs.Close()
	device := programs.New()
	defer device.Close()

	biases := map[int]float64{3: 4.5, 250: -100, 17: 2}
	var requests []serve.Request
	for _, p := range []serve.Sampling{
		{}, {RepetitionPenalty: 1.7}, {RepetitionPenalty: 0.5}, {NoRepeatNgram: 1}, {NoRepeatNgram: 2}, {PresencePenalty: 1.5},
		{FrequencyPenalty: -0.7}, {LogitBias: biases}, {RepetitionPenalty: 1.3, NoRepeatNgram: 3, PresencePenalty: 0.4, FrequencyPenalty: 0.3, LogitBias: biases},
		{Temperature: 1, TopK: 1}, {Temperature: 0.7, TopP: 1e-9}, {Temperature: 2, MinP: 1, NoRepeatNgram: 2},
	} {
		requests = append(requests, serve.Request{Sampling: p}, serve.Request{Sampling: p, Format: serve.Format{JSON: true}})
	}
	var here, there []*sampler
	for _, r := range requests {
		prompt := []int{3, 17, 3, 40, 17, 3}
		for _, all := range []*[]*sampler{&here, &there} {
			s := newSampler(r, 0, prompt, steps)
			if r.Format.JSON {
				s.state, s.words = grammar.JSONObject().Start(bytes), bytes.Words()
			}
			*all = append(*all, s)
		}
	}
	w := &workspace{}
	for step := range steps {
		flat := make([]float32, 0, len(requests)*vocab)
		for range requests {
			row := make([]float32, vocab)
			for i, x := range rng.Perm(vocab) {
				row[i] = float32(x)/64 - 2
			}
			flat = append(flat, row...)
		}
		by := map[int]*sample.Choice{}
		for i, s := range there {
			by[i] = s.plan()
		}
		ids, err := device.Choose(tensors.FromFlatDataAndDimensions(flat, len(requests), vocab), by)
		require.NoError(t, err)
		for i, s := range here {
			want, err := s.next(flat[i*vocab:(i+1)*vocab], w)
			require.NoError(t, err)
			got, err := there[i].chosen(ids[i])
			require.NoError(t, err)
			assert.Equal(t, want.id, got.id, "step %d: %+v", step, requests[i])
		}
	}
	for i := range here {
		assert.Equal(t, here[i].history, there[i].history)
		assert.Equal(t, here[i].counts, there[i].counts)
	}
}

func TestDeviceErrors(t *testing.T) {
	s := newSampler(serve.Request{}, 0, nil, 1)
	_, err := s.chosen(sample.NonFinite)
	require.ErrorIs(t, err, errNonFinite)
	_, err = s.chosen(sample.NoToken)
	require.ErrorIs(t, err, errNoToken)
}

// choosing is the engine of tinyChat with tokens chosen by the backend, as on an accelerator.
func choosing(t *testing.T, slots int) *Engine {
	t.Helper()
	backend := golden.Backend(t)
	m, err := model.Open(t.Context(), "dir:"+testmodel.Write(t, 1), model.Options{Backend: backend, Transposed: true})
	require.NoError(t, err)
	e := newEngine(Options{}.newBatch(m, infer.New(m, backend, infer.Options{Slots: slots, Choose: true}, nil)), m)
	go e.run()
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

// Whoever asks for log probabilities gets tokens of the host's sampler, from the same logits.
func TestEngineChoosesOnTheDevice(t *testing.T) {
	e := choosing(t, 3)
	schema := []byte(`{"type":"object","properties":{"n":{"type":"integer","maximum":99,"minimum":0}},"required":["n"],"additionalProperties":false}`)
	requests := map[string]serve.Request{}
	for name, p := range map[string]serve.Sampling{
		"greedy": {}, "penalties": {RepetitionPenalty: 1.4, PresencePenalty: 0.5, FrequencyPenalty: 0.2}, "ngrams": {NoRepeatNgram: 2},
		"bias": {LogitBias: map[int]float64{'a': 5, 'b': 4.9}, FrequencyPenalty: 0.3}, "top-k 1": {Temperature: 1, TopK: 1},
	} {
		r := ask("what is "+name, 40)
		r.Sampling = p
		requests[name] = r
	}
	form := ask("a form", 40)
	form.Format = serve.Format{JSON: true, Schema: schema}
	requests["form"] = form

	host := map[string]string{}
	for name, r := range requests {
		r.Logprobs = true
		host[name], _, _ = answer(t, e, r)
		require.NotEmpty(t, host[name])
	}
	assert.Regexp(t, `^\{\s*"n"\s*:`, host["form"])
	compiled := e.slots.(*infer.Graphs).Programs().Compiled()
	for name, r := range requests {
		text, _, _ := answer(t, e, r)
		assert.Equal(t, host[name], text, "%s alone", name)
	}
	assert.Equal(t, compiled+3, e.slots.(*infer.Graphs).Programs().Compiled(), "graphs that choose: plain, truncated, edited")
	var wg sync.WaitGroup
	var mu sync.Mutex
	together := map[string]string{}
	for name, r := range requests {
		for _, logprobs := range []bool{false, true} {
			wg.Go(func() {
				r := r
				r.Logprobs = logprobs
				text, _, _ := answer(t, e, r)
				mu.Lock()
				defer mu.Unlock()
				together[fmt.Sprint(name, logprobs)] = text
			})
		}
	}
	wg.Wait()
	for name := range requests {
		assert.Equal(t, host[name], together[name+"true"], "%s together, on the host", name)
		assert.Equal(t, host[name], together[name+"false"], "%s together, on the device", name)
	}
	assert.Equal(t, 3, e.slots.Free())
}

// A seed gives the same answer alone, again, and among others; another seed another one.
func TestDeviceSeeds(t *testing.T) {
	e := choosing(t, 4)
	draw := func(seed uint64, p serve.Sampling) string {
		r := ask("draw", 30)
		p.Temperature, p.Seed = 1.2, &seed
		r.Sampling = p
		text, _, _ := answer(t, e, r)
		return text
	}
	settings := []serve.Sampling{{}, {TopP: 0.9}, {TopK: 20, RepetitionPenalty: 1.2}, {MinP: 0.02, NoRepeatNgram: 2}}
	alone := map[string]bool{}
	var texts []string
	for i, p := range settings {
		texts = append(texts, draw(uint64(i), p))
		assert.Equal(t, texts[i], draw(uint64(i), p))
		alone[texts[i]] = true
	}
	assert.NotEqual(t, texts[0], draw(99, settings[0]))
	assert.Len(t, slices.Collect(maps.Keys(alone)), len(settings))
	var wg sync.WaitGroup
	together := make([]string, len(settings))
	for i, p := range settings {
		wg.Go(func() { together[i] = draw(uint64(i), p) })
	}
	wg.Wait()
	assert.Equal(t, texts, together)

	r := ask("choices", 10)
	seed := uint64(math.MaxUint64)
	r.N, r.Sampling = 3, serve.Sampling{Temperature: 1.5, Seed: &seed}
	var first []string
	for range 2 {
		out := make([]strings.Builder, r.N)
		for d, err := range e.Generate(t.Context(), r) {
			require.NoError(t, err)
			out[d.Choice].WriteString(d.Text)
		}
		got := []string{out[0].String(), out[1].String(), out[2].String()}
		if first == nil {
			first = got
		}
		assert.Equal(t, first, got)
	}
}
