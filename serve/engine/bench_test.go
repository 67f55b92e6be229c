package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/serve"
)

// BenchmarkSampled measures tokens a second of eight choices of a short prompt, chosen here and by the backend of
// DOCENT_BACKEND, which computes the model that DOCENT_BENCH_MODEL names.
func BenchmarkSampled(b *testing.B) {
	ref := golden.BenchModel(b)
	backend := golden.Backend(b)
	mo := model.Options{Transposed: true}
	_, err := Options{Backend: backend}.device(&mo) // for the precision
	require.NoError(b, err)
	mo.Backend, mo.Keep, mo.Transposed = backend, nil, true
	for _, x := range []struct {
		name string
		p    serve.Sampling
	}{
		{"greedy", serve.Sampling{}}, {"temperature", serve.Sampling{Temperature: 1}}, {"top-p", serve.Sampling{Temperature: 1, TopP: 0.9}},
		{"full", full().Sampling},
	} {
		for _, place := range []string{"host", "device"} {
			b.Run(x.name+"/"+place, func(b *testing.B) {
				const choices, tokens = 8, 64
				m, err := model.Open(b.Context(), ref, mo)
				require.NoError(b, err)
				s := infer.New(m, backend, infer.Options{Choose: place == "device"}, nil)
				e := newEngine(Options{}.newBatch(m, s), m)
				go e.run()
				defer e.Close()
				r := serve.Request{Prompt: &serve.Prompt{Text: "When is the exam?"}, N: choices, MaxTokens: tokens, IgnoreEOS: true, Sampling: x.p}
				run := func() {
					for _, err := range e.Generate(b.Context(), r) {
						require.NoError(b, err)
					}
				}
				run() // compiles
				b.ResetTimer()
				for range b.N {
					run()
					golden.Turn(choices * tokens)
				}
				b.ReportMetric(float64(b.N*choices*tokens)/b.Elapsed().Seconds(), "tok/s")
			})
		}
	}
}

// BenchmarkFirstToken measures how long the first token takes behind a system message of about 1,000 tokens, one that is
// new and one that was seen before, on the model that DOCENT_BENCH_MODEL names and the backend of DOCENT_BACKEND. The two
// take turns, and the medians are reported.
func BenchmarkFirstToken(b *testing.B) {
	ref := golden.BenchModel(b)
	e, err := Load(b.Context(), ref, Options{Backend: golden.Backend(b), Warm: true})
	require.NoError(b, err)
	defer e.Close()
	var cached, tokens int
	ask := func(course int, question string) float64 {
		system := fmt.Sprintf("Course %d. ", course) + strings.Repeat("The exam is in June. ", 166)
		r := serve.Request{Messages: []serve.Message{{Role: "system", Content: system}, {Role: "user", Content: question}}, N: 1, MaxTokens: 1}
		began := time.Now()
		for d, err := range e.Generate(b.Context(), r) {
			require.NoError(b, err)
			if d.Start != nil {
				cached, tokens = d.Start.CachedTokens, d.Start.PromptTokens
			}
		}
		return time.Since(began).Seconds()
	}
	ask(-1, "When?") // compiles what prompts of this length need
	ask(-1, "Where is it?")
	var fresh, known []float64
	b.ResetTimer()
	for i := range b.N {
		fresh = append(fresh, ask(i, "When is the exam?"))
		require.Less(b, cached, tokens/10)
		known = append(known, ask(i, "Where will it be?"))
		require.Greater(b, cached, tokens*9/10)
	}
	slices.Sort(fresh)
	slices.Sort(known)
	b.ReportMetric(float64(tokens), "tokens")
	b.ReportMetric(fresh[b.N/2], "s-new")
	b.ReportMetric(known[b.N/2], "s-known")
	b.ReportMetric(known[b.N/2]/fresh[b.N/2], "known/new")
}
