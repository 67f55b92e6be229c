package cpu

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
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
