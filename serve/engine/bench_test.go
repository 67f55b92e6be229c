package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/testmodel"
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

// BenchmarkAdapters measures what adapters of rank 16 of all projections cost on the model that DOCENT_BENCH_MODEL names: the
// memory of a hundred of them beside what their files hold, how long it takes to attach one, and eight streams with eight
// different ones beside eight of the model alone. The two take turns, and the medians are reported.
func BenchmarkAdapters(b *testing.B) {
	const adapters, streams, tokens = 100, 8, 32
	ref := golden.BenchModel(b)
	e, err := Load(b.Context(), ref, Options{Backend: golden.Backend(b)})
	require.NoError(b, err)
	defer e.Close()
	folders := make([]string, streams)
	var file int64
	for i := range folders {
		folders[i] = b.TempDir()
		require.NoError(b, testmodel.AdapterOf(e.model.Config, "", uint64(i), 16, 0.01).Save(b.Context(), folders[i]))
		info, err := os.Stat(filepath.Join(folders[i], adapter.WeightsFile))
		require.NoError(b, err)
		file = info.Size()
	}
	before := held()
	var attached []*Engine
	var took []float64
	for i := range adapters {
		began := time.Now()
		x, err := e.Attach(b.Context(), os.DirFS(folders[i%streams]))
		require.NoError(b, err)
		took = append(took, time.Since(began).Seconds())
		attached = append(attached, x)
		defer x.Close()
	}
	memory := float64(held()-before) / float64(adapters*file)
	slices.Sort(took)

	run := func(engine func(i int) *Engine) float64 {
		began := time.Now()
		var all sync.WaitGroup
		for i := range streams {
			all.Go(func() {
				r := serve.Request{Prompt: &serve.Prompt{Text: "When is the exam?"}, MaxTokens: tokens, IgnoreEOS: true}
				for _, err := range engine(i).Generate(b.Context(), r) {
					assert.NoError(b, err)
				}
			})
		}
		all.Wait()
		return streams * tokens / time.Since(began).Seconds()
	}
	alone, mixed := func(int) *Engine { return e }, func(i int) *Engine { return attached[i] }
	run(alone) // compiles, and reads the prompt
	run(mixed)
	var base, with, ratio []float64
	b.ResetTimer()
	for range b.N {
		base, with = append(base, run(alone)), append(with, run(mixed))
		ratio = append(ratio, with[len(with)-1]/base[len(base)-1])
	}
	for _, x := range [][]float64{base, with, ratio} {
		slices.Sort(x)
	}
	b.ReportMetric(memory, "memory/files")
	b.ReportMetric(took[adapters/2], "s-attach")
	b.ReportMetric(base[b.N/2], "tok/s-base")
	b.ReportMetric(with[b.N/2], "tok/s-adapters")
	b.ReportMetric(ratio[b.N/2], "adapters/base")
}

// held is the memory of the Go heap, after what can be freed is.
func held() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}
