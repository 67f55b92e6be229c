package lora

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/cpu"
)

// BenchmarkTrainStep measures optimizer steps of all-linear LoRA on random tokens, every token trained, on the model
// that DOCENT_BENCH_MODEL names (see golden.Random), by docent's own code and on the backend of DOCENT_BACKEND. Sub-benchmarks name what computes,
// precision, whether layers are computed again, batch and length. The peak is that of the process: run one alone for its own.
func BenchmarkTrainStep(b *testing.B) {
	ref := golden.BenchModel(b)
	b.Run("cpu", func(b *testing.B) { benchmarkTrainStep(b, ref, nil) })
	if name, _, _ := strings.Cut(os.Getenv("DOCENT_BACKEND"), ":"); name != "" {
		b.Run(name, func(b *testing.B) { benchmarkTrainStep(b, ref, golden.Backend(b)) })
	}
}

func benchmarkTrainStep(b *testing.B, ref string, backend compute.Backend) {
	type way struct {
		precision Precision
		recompute bool
	}
	ways := []way{{F32, false}, {BF16, false}, {Int4, false}, {Stored, false}, {F32, true}, {BF16, true}, {Int4, true}, {Stored, true}}
	for _, way := range ways {
		for _, size := range []struct{ batch, seq int }{{1, 256}, {4, 256}, {8, 128}, {4, 512}} {
			b.Run(fmt.Sprintf("%s/recompute=%t/batch=%d/seq=%d", way.precision, way.recompute, size.batch, size.seq), func(b *testing.B) {
				base := benchBase(b, ref, backend, way.precision)
				c := DefaultConfig()
				c.Rank, c.Alpha, c.MaxSeqLen = 8, 16, size.seq
				tr, err := NewTrainer(base, c, Options{Recompute: way.recompute})
				require.NoError(b, err)
				defer tr.Close()
				r := rand.New(rand.NewPCG(1, 2))
				var batch []example
				for range size.batch {
					x := example{ids: make([]int32, size.seq), trained: all(size.seq)}
					for i := range x.ids {
						x.ids[i] = 3 + r.Int32N(int32(base.model.Config.VocabSize-3))
					}
					x.trained[0] = false
					batch = append(batch, x)
				}
				s := shape{rows: size.batch, seq: size.seq}
				of := largest{shape: s.calls(batch)[0].shape, size: cpu.Size{Tokens: size.batch * size.seq, Rows: size.batch * size.seq, Longest: size.seq}}
				step := func(n int) {
					_, err := tr.update(b.Context(), Step{N: n, LearningRate: 1e-3}, s.calls(batch))
					require.NoError(b, err)
				}
				began := time.Now()
				predicted, err := tr.computer.memory(of)
				require.NoError(b, err)
				step(1)
				first := time.Since(began) // compiles
				for n := 2; b.Loop(); n++ {
					step(n)
					golden.Turn(size.batch * size.seq)
				}
				b.ReportMetric(float64(b.N*size.batch*size.seq)/b.Elapsed().Seconds(), "tok/s")
				b.ReportMetric(first.Seconds(), "first-step-s")
				b.ReportMetric(float64(predicted.Total())/(1<<20), "predicted-MB")
				b.ReportMetric(peakMB(), "peak-MB")
			})
		}
	}
}

// benchBase opens the base model of a benchmark, or makes it.
func benchBase(b *testing.B, ref string, backend compute.Backend, p Precision) *Base {
	b.Helper()
	base := &Base{backend: backend, precision: p, log: slog.New(slog.DiscardHandler)}
	dtype, err := base.choosePrecision(cpu.Tiles)
	if err != nil {
		b.Skip(err)
	}
	var made bool
	if base.model, made = golden.Random(b, backend, ref, dtype, packed(p), false); made {
		return base
	}
	base, err = OpenBase(b.Context(), ref, BaseOptions{Backend: backend, Precision: p})
	require.NoError(b, err)
	b.Cleanup(func() { base.Close() })
	return base
}

// peakMB is the largest resident size of the process so far, where the system tells.
func peakMB() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kb); n == 1 {
			return kb / 1024
		}
	}
	return 0
}
