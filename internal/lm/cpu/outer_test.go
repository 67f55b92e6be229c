package cpu

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm/weights"
)

// TestOuter: sums of products of all four layouts, of sizes that fill no tile, are those of plain loops, and nothing beside
// them is written.
func TestOuter(t *testing.T) {
	eachSet(t, testOuter)
}

func testOuter(t *testing.T, set *kernels) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range [][3]int{{1, 16, 21}, {5, 40, 325}, {11, 110, 1}, {97, 20, 325}, {130, 1, 21}, {7, 49, 8}} {
		n, width, depth := size[0], size[1], size[2]
		yStride := width + 3
		start := randomFloats(r, n*yStride)
		want := slices.Clone(start)
		var terms []term
		for kind := range 4 {
			b := dense{randomFloats(r, (width+2)*(depth+2)), width}
			x := term{a: randomFloats(r, n*depth), aRow: depth, aStep: 1, depth: depth, from: 2}
			if kind&1 > 0 {
				x.aRow, x.aStep = 1, n
			}
			if kind&2 > 0 {
				x.turned, b.stride = true, depth+2
			}
			x.b = b
			terms = append(terms, x)
			for i := range n {
				for j := range width {
					for k := range depth {
						at := (x.from+k)*b.stride + j
						if x.turned {
							at = j*b.stride + x.from + k
						}
						want[i*yStride+j] += x.a[i*x.aRow+k*x.aStep] * b.floats[at]
					}
				}
			}
		}
		for _, workers := range []int{1, 3} {
			c := newCrew(workers, set)
			got, other := slices.Clone(start), make([]float32, len(want))
			c.add(sum{got, yStride, n, width, terms}, sum{other, yStride, n, width, terms[:1]})
			c.close()
			for i, v := range want {
				require.InDelta(t, v, got[i], 1e-3, "%d rows, %d columns, depth %d: %d", n, width, depth, i)
			}
		}
	}
}

// TestOuterHalves: products with weights in bfloat16 are those of vectors rounded to it, turned or not, from any row on, and nothing
// beside them is written.
func TestOuterHalves(t *testing.T) {
	eachSet(t, func(t *testing.T, set *kernels) {
		r := rand.New(rand.NewPCG(1, 2))
		rounded := func(x float32) float64 { return float64(half(weights.ToBFloat16(x))) }
		for _, size := range [][3]int{{1, 16, 21}, {5, 40, 68}, {97, 33, 32}, {33, 32, 670}, {130, 70, 9}} {
			n, width, depth := size[0], size[1], size[2]
			yStride, aRow := width+3, depth+5
			start, a, w := randomFloats(r, n*yStride), randomFloats(r, n*aRow), randomFloats(r, (width+3)*(depth+3))
			want := make([]float64, len(start))
			straight, turned := newHalves(set, depth+3, width), newHalves(set, width, depth)
			for k := range depth + 3 {
				require.NoError(t, straight.set(k, w[k*width:][:width]))
			}
			for j := range width {
				require.NoError(t, turned.set(j, w[j*depth:][:depth]))
			}
			for i := range want {
				want[i] = float64(start[i])
				for k := 0; k < depth && i%yStride < width; k++ {
					want[i] += rounded(a[i/yStride*aRow+k]) * (rounded(w[(k+3)*width+i%yStride]) + rounded(w[i%yStride*depth+k]))
				}
			}
			for _, workers := range []int{1, 3} {
				c := newCrew(workers, set)
				got, other := slices.Clone(start), make([]float32, len(start))
				terms := []term{
					{a: a, aRow: aRow, aStep: 1, depth: depth, b: &matrix{depth + 3, width, straight}, from: 3},
					{a: a, aRow: aRow, aStep: 1, depth: depth, b: &matrix{width, depth, turned}, turned: true},
				}
				c.add(sum{got, yStride, n, width, terms}, sum{other, yStride, n, width, slices.Clone(terms[1:])})
				c.close()
				for i, v := range want {
					require.InDelta(t, v, got[i], 2e-4, "%d rows, %d columns, depth %d: %d", n, width, depth, i)
				}
			}
		}
	})
}

// BenchmarkOuter multiplies as a training step does.
func BenchmarkOuter(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, workers := range []int{1, 2} {
		for _, turned := range []bool{false, true} {
			for _, size := range [][3]int{{320, 576, 1536}, {320, 1536, 576}, {320, 576, 576}, {320, 576, 192}} {
				n, depth, width := size[0], size[1], size[2]
				b.Run(fmt.Sprintf("workers=%d/turned=%v/%dx%dx%d", workers, turned, n, depth, width), func(b *testing.B) {
					c := newCrew(workers, best)
					defer c.close()
					w := dense{randomFloats(r, width*depth), width}
					if turned {
						w.stride = depth
					}
					x := term{a: randomFloats(r, n*depth), aRow: depth, aStep: 1, depth: depth, b: w, turned: turned}
					y := make([]float32, n*width)
					for b.Loop() {
						c.add(sum{y, width, n, width, []term{x}})
					}
					b.ReportMetric(float64(b.N)*2*float64(n*depth*width)/b.Elapsed().Seconds()/1e9, "gflops")
				})
			}
		}
		for _, size := range [][3]int{{320, 576, 1536}, {320, 1536, 576}} {
			n, depth, width := size[0], size[1], size[2]
			b.Run(fmt.Sprintf("dot/workers=%d/%dx%dx%d", workers, n, depth, width), func(b *testing.B) {
				c := newCrew(workers, best)
				defer c.close()
				var x, y vectors
				x.resize(n, depth)
				y.resize(n, width)
				m := &matrix{width, depth, &floats{dense{randomFloats(r, (width+3)*depth), depth}, c.k, depth}}
				for b.Loop() {
					c.multiply(&x, product{m, nil, 0, n, y.floats, y.stride})
				}
				b.ReportMetric(float64(b.N)*2*float64(n*depth*width)/b.Elapsed().Seconds()/1e9, "gflops")
			})
		}
	}
}
