package infer_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/model"
)

// BenchmarkDecode measures tokens a second, all streams together, behind prompts of some length, on the model that
// DOCENT_BENCH_MODEL names and the backend of DOCENT_BACKEND. Folding the recent part into the past is in the figure.
func BenchmarkDecode(b *testing.B) {
	ref := os.Getenv("DOCENT_BENCH_MODEL")
	if ref == "" {
		b.Skip("DOCENT_BENCH_MODEL (a model folder or .gguf file) is not set")
	}
	backend := golden.Backend(b)
	for _, precision := range []dtypes.DType{dtypes.Float32, dtypes.BFloat16} {
		m, err := model.Open(b.Context(), ref, model.Options{Backend: backend, DType: precision, Transposed: true})
		require.NoError(b, err)
		for _, size := range []struct{ streams, prompt int }{{1, 32}, {8, 32}, {1, 500}, {8, 500}} {
			b.Run(fmt.Sprintf("%s/streams=%d/prompt=%d", map[dtypes.DType]string{dtypes.Float32: "f32", dtypes.BFloat16: "bf16"}[precision], size.streams, size.prompt), func(b *testing.B) {
				s, err := infer.New(m, backend, infer.Options{Slots: size.streams})
				require.NoError(b, err)
				defer s.Close()
				prompt := make([]int32, size.prompt)
				for i := range prompt {
					prompt[i] = int32(100 + i)
				}
				next := map[int]int32{}
				for range size.streams {
					slot, logits := admit(b, s, prompt)
					next[slot] = best(logits)
				}
				step := func() {
					rows, err := s.Step(next)
					require.NoError(b, err)
					for slot, row := range rows {
						next[slot] = best(row)
					}
				}
				for range 70 { // compiles decoding and the first fold
					step()
				}
				b.ResetTimer()
				for range b.N {
					step()
				}
				b.ReportMetric(float64(b.N*size.streams)/b.Elapsed().Seconds(), "tok/s")
			})
		}
		m.Close()
	}
}

// BenchmarkPrefill measures how fast a prompt is read.
func BenchmarkPrefill(b *testing.B) {
	ref := os.Getenv("DOCENT_BENCH_MODEL")
	if ref == "" {
		b.Skip("DOCENT_BENCH_MODEL (a model folder or .gguf file) is not set")
	}
	backend := golden.Backend(b)
	m, err := model.Open(b.Context(), ref, model.Options{Backend: backend, Transposed: true})
	require.NoError(b, err)
	defer m.Close()
	s, err := infer.New(m, backend, infer.Options{Slots: 1})
	require.NoError(b, err)
	defer s.Close()
	prompt := make([]int32, 1024)
	for i := range prompt {
		prompt[i] = int32(100 + i)
	}
	run := func() {
		slot, _ := admit(b, s, prompt)
		s.Release(slot)
	}
	run()
	b.ResetTimer()
	for range b.N {
		run()
	}
	b.ReportMetric(float64(b.N*len(prompt))/b.Elapsed().Seconds(), "tok/s")
}
