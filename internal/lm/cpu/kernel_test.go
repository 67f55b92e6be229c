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
	for _, width := range []int{32, 64, 96, 576, 1536} {
		const n = 5
		wStride, xStride, yStride := width+32, width+8, rowTile+3
		w, x := randomFloats(r, rowTile*wStride), randomFloats(r, n*xStride)
		want, got := make([]float32, n*yStride), make([]float32, n*yStride)
		plainFloats(w, wStride, x, xStride, width, n, want, yStride)
		for vectors := 1; vectors <= n; vectors++ {
			clear(got)
			dotFloats(w, wStride, x, xStride, width, vectors, got, yStride)
			assert.InDeltaSlice(t, want[:(vectors-1)*yStride+rowTile], got[:(vectors-1)*yStride+rowTile], 1e-6*float64(width))
			assert.Equal(t, make([]float32, (n-vectors)*yStride), got[vectors*yStride:], "nothing is written behind")
			for v := range vectors {
				var alone [rowTile]float32
				dotFloats(w, wStride, x[v*xStride:], 0, width, 1, alone[:], 0)
				assert.Equal(t, alone[:], got[v*yStride:][:rowTile], "a sum does not depend on what is computed beside it")
			}
		}

		q, d := make([]int8, rowTile*width), make([]float32, rowTile*width/block)
		for i := range d {
			d[i] = packInt8(q[i*block:][:block], w[i*block:][:block])
		}
		floats, unpacked := make([]float32, rowTile*width), make([]float32, rowTile*width)
		plainUnpack(floats, q, d, width)
		unpack(unpacked, q, d, width)
		assert.Equal(t, floats, unpacked)
		dotFloats(floats, width, x, xStride, width, n, want, yStride)
		dotInts(q, d, x, xStride, width, n, got, yStride)
		assert.Equal(t, want, got, "8-bit weights are those floats")

		a, b := slices.Clone(x), slices.Clone(x)
		plainSiLU(a, x)
		silu(b, x)
		assert.InDeltaSlice(t, a, b, 2e-6)
		a, b = slices.Clone(x), slices.Clone(x)
		top := slices.Max(x)
		assert.InEpsilon(t, plainExp(a, top), exp(b, top), 3e-6)
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
	const width = 576
	r := rand.New(rand.NewPCG(1, 2))
	w, x, y := randomFloats(r, rowTile*width), randomFloats(r, floatGroup*width), make([]float32, floatGroup*rowTile)
	q, d := make([]int8, rowTile*width), make([]float32, rowTile*width/block)
	floats := func(n int) func() {
		return func() { dotFloats(w, width, x, width, width, n, y, rowTile) }
	}
	ints := func(n int) func() {
		return func() { dotInts(q, d, x, width, width, n, y, rowTile) }
	}
	for _, k := range []struct {
		name    string
		vectors int
		run     func()
	}{
		{"f32", 1, floats(1)},
		{"f32", 2, floats(2)},
		{"f32", floatGroup, floats(floatGroup)},
		{"int8", 1, ints(1)},
		{"int8", floatGroup, ints(floatGroup)},
	} {
		b.Run(fmt.Sprintf("%s/vectors=%d", k.name, k.vectors), func(b *testing.B) {
			for b.Loop() {
				k.run()
			}
			b.ReportMetric(2*float64(rowTile*width*k.vectors*b.N)/b.Elapsed().Seconds()/1e9, "GFLOPS")
		})
	}
}
