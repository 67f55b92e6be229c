package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/docent-ml/docent/internal/lm/weights"
)

func randomFloats(r *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(r.NormFloat64())
	}
	return out
}

// eachSet runs a test on every set of kernels that the processor has, or that it is emulated for (internal/ci/emulate.py), and on two
// in plain Go: with odd tiles, and with tiles for bfloat16.
func eachSet(t *testing.T, test func(t *testing.T, k *kernels)) {
	for _, k := range append(sets(), newPlain("odd", 2, 8, 24), newPlain("go tiles", 4, 16, tileSize).withTiles()) {
		t.Run(k.name, func(t *testing.T) {
			if !k.has && k.name != os.Getenv("DOCENT_EMULATED") {
				t.Skip("this processor lacks " + k.name)
			}
			test(t, k)
		})
	}
}

// like is plain Go for the tiles of k.
func like(k *kernels) *kernels {
	x := newPlain("like "+k.name, k.floatRows, k.intRows, k.panelWidth)
	if k.outerHalves != nil {
		x.withTiles()
	}
	return x
}

// TestPanels compares the kernels of outer.go with the same in plain Go.
func TestPanels(t *testing.T) {
	eachSet(t, testPanels)
}

func testPanels(t *testing.T, k *kernels) {
	plain, panelWidth := like(k), k.panelWidth
	r := rand.New(rand.NewPCG(1, 2))
	for _, depth := range []int{1, 8, 9, 320} {
		for n := 1; n <= 13; n++ {
			aRow, aStep, yStride := depth+3, 1, panelWidth+5
			if n%2 == 0 {
				aRow, aStep = 1, n+2
			}
			a, b := randomFloats(r, n*(depth+3)+depth*(n+2)), randomFloats(r, depth*panelWidth)
			want := randomFloats(r, n*yStride)
			got := slices.Clone(want)
			plain.outer(a, aRow, aStep, depth, b, n, want, yStride)
			k.outer(a, aRow, aStep, depth, b, n, got, yStride)
			assert.InDeltaSlice(t, want, got, 1e-4)
		}
		src := randomFloats(r, (depth+panelWidth)*(depth+panelWidth))
		want, got := make([]float32, depth*panelWidth), make([]float32, depth*panelWidth)
		plain.lift(want, src, depth+panelWidth, depth)
		k.lift(got, src, depth+panelWidth, depth)
		assert.Equal(t, want, got)
		plain.turn(want, src, depth+1, depth&^7)
		k.turn(got, src, depth+1, depth&^7)
		assert.Equal(t, want, got)
	}
}

// TestKernels compares the kernels with the same in plain Go.
func TestKernels(t *testing.T) {
	eachSet(t, testKernels)
}

func testKernels(t *testing.T, k *kernels) {
	plain, floatRows, intRows := like(k), k.floatRows, k.intRows
	r := rand.New(rand.NewPCG(1, 2))
	for _, width := range []int{32, 64, 96, 576, 1536} {
		const n = 8
		wStride, xStride, yStride := width+32, width+32, floatRows+3
		w, x := randomFloats(r, floatRows*wStride), randomFloats(r, n*xStride)
		want, got := make([]float32, n*yStride), make([]float32, n*yStride)
		plain.dotFloats(w, wStride, x, xStride, width, n, want, yStride)
		for vectors := 1; vectors <= n; vectors++ {
			clear(got)
			k.dotFloats(w, wStride, x, xStride, width, vectors, got, yStride)
			assert.InDeltaSlice(t, want[:(vectors-1)*yStride+floatRows], got[:(vectors-1)*yStride+floatRows], 1e-6*float64(width))
			assert.Equal(t, make([]float32, (n-vectors)*yStride), got[vectors*yStride:], "nothing is written behind")
			for v := range vectors {
				alone := make([]float32, floatRows)
				k.dotFloats(w, wStride, x[v*xStride:], 0, width, 1, alone, 0)
				assert.Equal(t, alone, got[v*yStride:][:floatRows], "a sum does not depend on what is computed beside it")
			}
		}

		halves := make([]uint16, len(w))
		for i, v := range w {
			halves[i] = weights.ToBFloat16(v)
		}
		clear(want)
		plain.dotHalves(halves, wStride, x, xStride, width, n, want, yStride)
		for vectors := 1; vectors <= n; vectors++ {
			clear(got)
			k.dotHalves(halves, wStride, x, xStride, width, vectors, got, yStride)
			assert.InDeltaSlice(t, want[:(vectors-1)*yStride+floatRows], got[:(vectors-1)*yStride+floatRows], 1e-6*float64(width))
			assert.Equal(t, make([]float32, (n-vectors)*yStride), got[vectors*yStride:], "nothing is written behind")
			for v := range vectors {
				alone := make([]float32, floatRows)
				k.dotHalves(halves, wStride, x[v*xStride:], 0, width, 1, alone, 0)
				assert.Equal(t, alone, got[v*yStride:][:floatRows], "a sum does not depend on what is computed beside it")
			}
		}
		wide, slowWide := make([]float32, width), make([]float32, width)
		k.widen(wide, halves[:width])
		plain.widen(slowWide, halves[:width])
		assert.Equal(t, slowWide, wide)
		copy(x[:8], []float32{0, -1e-30, 3e38, 3.4e38, float32(math.Inf(-1)), float32(math.NaN()), 1.00390625, 1.01171875}) // beyond the largest, and between two
		narrow, slowNarrow := make([]uint16, width), make([]uint16, width)
		k.narrow(narrow, x[:width])
		plain.narrow(slowNarrow, x[:width])
		assert.Equal(t, slowNarrow, narrow)
		copy(x, slices.Repeat([]float32{0.5}, 8))

		rounded, scales := make([]int16, n*xStride), make([]float32, n*xStride/block)
		slow, slowScales := slices.Clone(rounded), slices.Clone(scales)
		k.round(rounded, scales, x)
		plain.round(slow, slowScales, x)
		assert.Equal(t, slow, rounded)
		assert.Equal(t, slowScales, scales)
		for i, v := range rounded {
			if k.intColumns == 4 { // for tiles: low and high bytes
				in, at := rounded[i/block*block:], i%block
				v = int16(int8(in[at/2]>>(at%2*8))) + int16(int8(in[(block+at)/2]>>(at%2*8)))<<8
			}
			assert.InDelta(t, x[i], float32(v)*scales[i/block], 2e-5*5)
		}
		ints, d := make([]int8, intRows*width), randomFloats(r, intRows*width/block)
		for i := range ints {
			ints[i] = int8(r.IntN(255) - 127)
		}
		yStride = intRows + 3
		want, got = make([]float32, n*yStride), make([]float32, n*yStride)
		plain.dotInts(ints, d, rounded, scales, xStride, width, n, want, yStride)
		for vectors := 1; vectors <= n; vectors++ {
			clear(got)
			k.dotInts(ints, d, rounded, scales, xStride, width, vectors, got, yStride)
			assert.InDeltaSlice(t, want[:(vectors-1)*yStride+intRows], got[:(vectors-1)*yStride+intRows], 1e-4*float64(width))
			assert.Equal(t, make([]float32, (n-vectors)*yStride), got[vectors*yStride:], "nothing is written behind")
			for v := range vectors {
				alone := make([]float32, intRows)
				k.dotInts(ints, d, rounded[v*xStride:], scales[v*xStride/block:], 0, width, 1, alone, 0)
				assert.Equal(t, alone, got[v*yStride:][:intRows], "a sum does not depend on what is computed beside it")
			}
		}

		bytes, pairs := make([]int8, n*xStride), make([]float32, 2*n*xStride/block)
		slowBytes, slowPairs := slices.Clone(bytes), slices.Clone(pairs)
		k.roundBytes(bytes, pairs, x)
		plain.roundBytes(slowBytes, slowPairs, x)
		assert.Equal(t, slowBytes, bytes)
		assert.InDeltaSlice(t, slowPairs, pairs, 1e-5)
		fours, d := make([]byte, intRows*width/2), randomFloats(r, 2*intRows*width/block)
		for i := range fours {
			fours[i] = byte(r.Uint32())
		}
		if width == 64 { // the largest sums
			for i := range fours {
				fours[i] = 255
			}
			for i := range bytes {
				bytes[i] = 127
			}
		}
		plain.dotFours(fours, d, bytes, pairs, xStride, width, n, want, yStride)
		for vectors := 1; vectors <= n; vectors++ {
			clear(got)
			k.dotFours(fours, d, bytes, pairs, xStride, width, vectors, got, yStride)
			assert.InDeltaSlice(t, want[:(vectors-1)*yStride+intRows], got[:(vectors-1)*yStride+intRows], 1e-4*float64(width))
			assert.Equal(t, make([]float32, (n-vectors)*yStride), got[vectors*yStride:], "nothing is written behind")
			for v := range vectors {
				alone := make([]float32, intRows)
				k.dotFours(fours, d, bytes[v*xStride:], pairs[2*v*xStride/block:], 0, width, 1, alone, 0)
				assert.InDeltaSlice(t, alone, got[v*yStride:][:intRows], 0, "a sum does not depend on what is computed beside it")
			}
		}

		x = x[:4*width] // long sums of floats depend on their order
		a, b := slices.Clone(x), slices.Clone(x)
		plain.silu(a, x)
		k.silu(b, x)
		assert.InDeltaSlice(t, a, b, 2e-6)
		a, b = slices.Clone(x), slices.Clone(x)
		top := slices.Max(x)
		assert.Equal(t, top, k.largest(x))
		assert.InEpsilon(t, plain.exp(a, top), k.exp(b, top), 3e-6)
		assert.InDeltaSlice(t, a, b, 1e-6)
	}
}

// TestTiles: products in tiles are bit for bit those in plain Go, whose order of sums is the processor's, and nothing beside them is written.
func TestTiles(t *testing.T) {
	eachSet(t, func(t *testing.T, k *kernels) {
		if k.outerHalves == nil {
			t.Skip(k.name + " has no tiles")
		}
		r := rand.New(rand.NewPCG(1, 2))
		halves := func(n int) []uint16 {
			out := make([]uint16, n)
			for i, v := range randomFloats(r, n) {
				out[i] = weights.ToBFloat16(v)
			}
			return out
		}
		for _, size := range [][2]int{{tileSize, block}, {3 * tileSize, block}, {tileSize, 5 * block}} {
			n, depth := size[0], size[1]
			aRow, yStride := depth+6, tileSize+5
			a, b := halves(n*aRow), make([]float32, depth/2*tileSize)
			rows := halves(depth * tileSize)
			for i := range depth / 2 {
				want, got := b[i*tileSize:][:tileSize], make([]float32, tileSize)
				plainBraid(want, rows[2*i*tileSize:], rows[(2*i+1)*tileSize:])
				k.braid(got, rows[2*i*tileSize:], rows[(2*i+1)*tileSize:])
				for j, v := range want { // some are no numbers
					assert.Equal(t, math.Float32bits(v), math.Float32bits(got[j]))
				}
			}
			want := randomFloats(r, n*yStride)
			got := slices.Clone(want)
			plainOuterHalves(a, aRow, depth, b, n, want, yStride)
			k.outerHalves(a, aRow, depth, b, n, got, yStride)
			assert.Equal(t, want, got)
		}
		assert.NoError(t, k.checkTiles())
		broken := *k
		broken.outerHalves = func(a []uint16, aRow, depth int, b []float32, n int, y []float32, yStride int) {
			k.outerHalves(a, aRow, depth-block, b, n, y, yStride)
		}
		assert.Error(t, broken.checkTiles())
		broken = *k
		broken.dotInts = func(w []int8, d []float32, x []int16, dx []float32, xStride, width, n int, y []float32, yStride int) {
			k.dotInts(w, d, x, dx, xStride, width-block, n, y, yStride)
		}
		assert.Error(t, broken.checkTiles())
	})
}

// TestExtremes: where the functions saturate they stay numbers.
func TestExtremes(t *testing.T) {
	eachSet(t, testExtremes)
}

func testExtremes(t *testing.T, k *kernels) {
	x := append([]float32{0, -86, -88, -1e30, float32(math.Inf(-1)), -1, -2, -3}, slices.Repeat([]float32{-90}, 8)...)
	sum := k.exp(x, 0)
	assert.InDelta(t, 1+math.Exp(-1)+math.Exp(-2)+math.Exp(-3), sum, 1e-6)
	assert.InDeltaSlice(t, []float32{1, 0, 0, 0}, []float32{x[0], x[2], x[3], x[4]}, 1e-37)

	gate := append([]float32{-1e30, -100, -1, 0, 1, 100, 1e30, 88}, make([]float32, 8)...)
	k.silu(gate, slices.Repeat([]float32{1}, 16))
	assert.InDeltaSlice(t, []float32{0, 0, -0.26894143, 0, 0.7310586, 100, 88, 88}, append(gate[:6:6], gate[7], gate[7]), 1e-5)
	assert.Equal(t, float32(1e30), gate[6])
}

// BenchmarkKernels measures arithmetic alone: what a kernel reads stays in the nearest cache.
func BenchmarkKernels(b *testing.B) {
	for _, k := range sets() {
		b.Run(k.name, func(b *testing.B) {
			if !k.has {
				b.Skip("this processor lacks " + k.name)
			}
			benchmarkKernels(b, k)
		})
	}
}

func benchmarkKernels(b *testing.B, set *kernels) {
	const width = 576
	floatRows, intRows := set.floatRows, set.intRows
	r := rand.New(rand.NewPCG(1, 2))
	w, x, y := randomFloats(r, floatRows*width), randomFloats(r, vectorGroup*width), make([]float32, vectorGroup*intRows)
	q, d := make([]int8, intRows*width), make([]float32, intRows*width/block)
	rounded, scales := make([]int16, len(x)), make([]float32, len(x)/block)
	set.round(rounded, scales, x)
	floats := func(n int) func() {
		return func() { set.dotFloats(w, width, x, width, width, n, y, floatRows) }
	}
	ints := func(n int) func() {
		return func() { set.dotInts(q, d, rounded, scales, width, width, n, y, intRows) }
	}
	bytes, pairs, fours, numbers := make([]int8, len(x)), make([]float32, 2*len(x)/block), make([]byte, intRows*width/2), make([]float32, 2*intRows*width/block)
	set.roundBytes(bytes, pairs, x)
	fourBits := func(n int) func() {
		return func() { set.dotFours(fours, numbers, bytes, pairs, width, width, n, y, intRows) }
	}
	for _, k := range []struct {
		name    string
		rows    int
		vectors int
		run     func()
	}{
		{"f32", floatRows, 1, floats(1)},
		{"f32", floatRows, 2, floats(2)},
		{"f32", floatRows, vectorGroup, floats(vectorGroup)},
		{"int8", intRows, 1, ints(1)},
		{"int8", intRows, vectorGroup, ints(vectorGroup)},
		{"int4", intRows, 1, fourBits(1)},
		{"int4", intRows, vectorGroup, fourBits(vectorGroup)},
	} {
		b.Run(fmt.Sprintf("%s/vectors=%d", k.name, k.vectors), func(b *testing.B) {
			for b.Loop() {
				k.run()
			}
			b.ReportMetric(2*float64(k.rows*width*k.vectors*b.N)/b.Elapsed().Seconds()/1e9, "GFLOPS")
		})
	}
}
