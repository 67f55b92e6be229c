package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func randomFloats(r *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(r.NormFloat64())
	}
	return out
}

// TestKernels compares the kernels with the same in plain Go, where they are vector code.
func TestKernels(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{32, 64, 96, 576, 1536} {
		stride := n + 32
		w, x, z := randomFloats(r, rowTile*stride), randomFloats(r, n), randomFloats(r, n)
		var want, want2, got, got2, alone [rowTile]float32
		plainFloat(w, stride, x, &want)
		plainFloat(w, stride, z, &want2)
		dotFloats(w, stride, x, z, &got, &got2)
		dotFloat(w, stride, x, &alone)
		assert.InDeltaSlice(t, want[:], got[:], 1e-5*float64(n))
		assert.InDeltaSlice(t, want2[:], got2[:], 1e-5*float64(n))
		assert.Equal(t, got, alone, "a sum does not depend on what is computed beside it")

		q, d := make([]int8, rowTile*n), make([]float32, rowTile*n/block)
		for i := range rowTile * n / block {
			d[i] = packInt8(q[i*block:][:block], w[i*block:][:block])
		}
		i, j := make([]int16, n), make([]int16, n)
		round(i, x, 32767/largest(x))
		round(j, z, 32767/largest(z))
		two, three := float32(2), float32(3)
		plainInt8(q, d, i, two, &want)
		plainInt8(q, d, j, three, &want2)
		dotInt8s(q, d, i, j, &two, &three, &got, &got2)
		dotInt8(q, d, i, &two, &alone)
		assert.InEpsilonSlice(t, want[:], got[:], 1e-3)
		assert.InEpsilonSlice(t, want2[:], got2[:], 1e-3)
		assert.Equal(t, got, alone)

		rounded := make([]int16, n)
		plainRound(rounded, x, 32767/plainLargest(x))
		assert.Equal(t, rounded, i)
		assert.Equal(t, plainLargest(x), largest(x))

		a, b := slices.Clone(x), slices.Clone(x)
		plainSiLU(a, z)
		silu(b, z)
		assert.InDeltaSlice(t, a, b, 1e-6)
		a, b = slices.Clone(x), slices.Clone(x)
		top := slices.Max(x)
		assert.InEpsilon(t, plainExp(a, top), exp(b, top), 1e-6)
		assert.InDeltaSlice(t, a, b, 1e-6)
	}
}

// TestExtremes: where the functions saturate they stay numbers.
func TestExtremes(t *testing.T) {
	x := []float32{0, -86, -88, -1e30, float32(math.Inf(-1)), -1, -2, -3}
	sum := exp(x, 0)
	assert.InDelta(t, 1+math.Exp(-1)+math.Exp(-2)+math.Exp(-3), sum, 1e-6)
	assert.InDeltaSlice(t, []float32{1, 0, 0, 0}, []float32{x[0], x[2], x[3], x[4]}, 1e-37)

	gate := []float32{-1e30, -100, -1, 0, 1, 100, 1e30, 88}
	silu(gate, []float32{1, 1, 1, 1, 1, 1, 1, 1})
	assert.InDeltaSlice(t, []float32{0, 0, -0.26894143, 0, 0.7310586, 100, 88, 88}, append(gate[:6:6], gate[7], gate[7]), 1e-5)
	assert.Equal(t, float32(1e30), gate[6])
}

// BenchmarkKernels measures arithmetic alone: what a kernel reads stays in the nearest cache.
func BenchmarkKernels(b *testing.B) {
	const n = 576
	r := rand.New(rand.NewPCG(1, 2))
	w, x, z := randomFloats(r, rowTile*n), randomFloats(r, n), randomFloats(r, n)
	q, d := make([]int8, rowTile*n), make([]float32, rowTile*n/block)
	i, j := make([]int16, n), make([]int16, n)
	scale := float32(1)
	var y, t [rowTile]float32
	for _, k := range []struct {
		name    string
		vectors int
		run     func()
	}{
		{"f32", 1, func() { dotFloat(w, n, x, &y) }},
		{"f32", 2, func() { dotFloats(w, n, x, z, &y, &t) }},
		{"int8", 1, func() { dotInt8(q, d, i, &scale, &y) }},
		{"int8", 2, func() { dotInt8s(q, d, i, j, &scale, &scale, &y, &t) }},
	} {
		b.Run(fmt.Sprintf("%s/vectors=%d", k.name, k.vectors), func(b *testing.B) {
			for b.Loop() {
				k.run()
			}
			b.ReportMetric(2*float64(rowTile*n*k.vectors*b.N)/b.Elapsed().Seconds()/1e9, "GFLOPS")
		})
	}
}
