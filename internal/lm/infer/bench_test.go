package infer_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/cpu"
	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/lm/sample"
)

// implementations open the model that ref names, in each of its forms.
var implementations = []struct {
	name string
	open func(b *testing.B, ref string, o infer.Options) infer.Slots
}{
	{"graphs/f32", func(b *testing.B, ref string, o infer.Options) infer.Slots {
		return openGraphs(b, ref, dtypes.Float32, o)
	}},
	{"graphs/bf16", func(b *testing.B, ref string, o infer.Options) infer.Slots {
		return openGraphs(b, ref, dtypes.BFloat16, o)
	}},
	{"cpu/f32", func(b *testing.B, ref string, o infer.Options) infer.Slots { return newCPU(b, ref, o) }},
	{"cpu/bf16", func(b *testing.B, ref string, o infer.Options) infer.Slots {
		return openCPU(b, ref, cpu.NewWeights(cpu.BF16), o)
	}},
	{"cpu/int8", func(b *testing.B, ref string, o infer.Options) infer.Slots {
		return openCPU(b, ref, cpu.NewWeights(cpu.Int8), o)
	}},
	{"cpu/int4", func(b *testing.B, ref string, o infer.Options) infer.Slots {
		return openCPU(b, ref, cpu.NewWeights(cpu.Int4), o)
	}},
	{"cpu/stored", func(b *testing.B, ref string, o infer.Options) infer.Slots {
		return openCPU(b, ref, cpu.NewWeights(cpu.Stored), o)
	}},
}

func openGraphs(b *testing.B, ref string, precision dtypes.DType, o infer.Options) infer.Slots {
	backend := golden.Backend(b)
	if m, made := golden.Random(b, backend, ref, precision, "", true); made {
		return newSlots(b, m, backend, o)
	}
	m, err := model.Open(b.Context(), ref, model.Options{Backend: backend, DType: precision, Transposed: true})
	require.NoError(b, err)
	b.Cleanup(func() { m.Close() })
	return newSlots(b, m, backend, o)
}

// benchmarks runs a benchmark on the model that DOCENT_BENCH_MODEL names; graphs are on the backend of DOCENT_BACKEND.
func benchmarks(b *testing.B, run func(b *testing.B, open func(b *testing.B, o infer.Options) infer.Slots)) {
	ref := golden.BenchModel(b)
	for _, x := range implementations {
		b.Run(x.name, func(b *testing.B) {
			if strings.HasPrefix(ref, "shape:") && strings.HasPrefix(x.name, "cpu/") {
				b.Skip("docent's own code for CPUs reads models from files")
			}
			run(b, func(b *testing.B, o infer.Options) infer.Slots { return x.open(b, ref, o) })
		})
	}
}

// BenchmarkDecode measures tokens a second, all streams together, behind prompts of some length. Folding the recent part
// of graphs into the past is in the figure.
func BenchmarkDecode(b *testing.B) {
	benchmarks(b, func(b *testing.B, open func(b *testing.B, o infer.Options) infer.Slots) {
		for _, size := range []struct{ streams, prompt int }{{1, 32}, {8, 32}, {1, 500}, {8, 500}, {1, 1000}, {8, 1000}, {64, 1000}} {
			for _, choose := range []bool{false, true} {
				b.Run(fmt.Sprintf("streams=%d/prompt=%d/choose=%t", size.streams, size.prompt, choose), func(b *testing.B) {
					s := open(b, infer.Options{Slots: size.streams, Choose: choose})
					if _, graphs := s.(*infer.Graphs); choose && !graphs {
						b.Skip("docent's own code for CPUs chooses on the host")
					}
					benchmarkDecode(b, s, size.streams, size.prompt)
				})
			}
		}
	})
}

// benchmarkDecode takes the likeliest tokens, on the host or, where that is asked for and can be had, on the device.
func benchmarkDecode(b *testing.B, s infer.Slots, streams, prompt int) {
	ids := make([]int32, prompt)
	for i := range ids {
		ids[i] = int32(100 + i%400)
	}
	next := map[int]int32{}
	for range streams {
		slot, logits := admit(b, s, ids)
		next[slot] = best(logits)
	}
	greedy := map[int]*sample.Choice{}
	for slot := range next {
		greedy[slot] = &sample.Choice{}
	}
	run := func() {
		rows, err := s.Step(next)
		require.NoError(b, err)
		if chooser, ok := rows.(infer.Chooser); ok {
			next, err = chooser.Choose(greedy)
			require.NoError(b, err)
			return
		}
		for slot := range next {
			row, err := rows.Row(slot)
			require.NoError(b, err)
			next[slot] = best(row)
		}
	}
	for range 70 { // compiles decoding and the first fold
		run()
	}
	for b.Loop() {
		run()
		golden.Turn(streams)
	}
	b.ReportMetric(float64(b.N*streams)/b.Elapsed().Seconds(), "tok/s")
}

// BenchmarkPrefill measures how fast a prompt of 1,000 tokens is read.
func BenchmarkPrefill(b *testing.B) {
	benchmarks(b, func(b *testing.B, open func(b *testing.B, o infer.Options) infer.Slots) {
		s := open(b, infer.Options{Slots: 1, PrefixBytes: -1})
		prompt := make([]int32, 1000)
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
			golden.Turn(len(prompt))
		}
		b.ReportMetric(float64(b.N*len(prompt))/b.Elapsed().Seconds(), "tok/s")
	})
}
