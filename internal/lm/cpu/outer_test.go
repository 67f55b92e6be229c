package cpu

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestOuter: sums of products of all four layouts, of sizes that fill no tile, are those of plain loops, and nothing beside
// them is written.
func TestOuter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, workers := range []int{1, 3} {
		c := newCrew(workers)
		for _, n := range []int{1, 5, 11, 130} {
			for _, width := range []int{1, 16, 40, 100} {
				for _, depth := range []int{1, 21, 330} {
					yStride := width + 3
					want := randomFloats(r, n*yStride)
					got, other := slices.Clone(want), make([]float32, len(want))
					var terms []term
					for kind := range 4 {
						x := term{a: randomFloats(r, n*depth), aRow: depth, aStep: 1, depth: depth, b: randomFloats(r, width*depth), bStride: width}
						if kind&1 > 0 {
							x.aRow, x.aStep = 1, n
						}
						if kind&2 > 0 {
							x.turned, x.bStride = true, depth
						}
						terms = append(terms, x)
					}
					for i := range n {
						for j := range width {
							for _, x := range terms {
								for k := range depth {
									b := x.b[min(k*x.bStride+j, len(x.b)-1)]
									if x.turned {
										b = x.b[j*x.bStride+k]
									}
									want[i*yStride+j] += x.a[i*x.aRow+k*x.aStep] * b
								}
							}
						}
					}
					c.add(sum{got, yStride, n, width, terms}, sum{other, yStride, n, width, terms[:1]})
					assert.InDeltaSlice(t, want, got, 1e-3, "%d rows, %d columns, depth %d", n, width, depth)
				}
			}
		}
		c.close()
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
					c := newCrew(workers)
					defer c.close()
					x := term{a: randomFloats(r, n*depth), aRow: depth, aStep: 1, depth: depth, b: randomFloats(r, width*depth), bStride: width, turned: turned}
					if turned {
						x.bStride = depth
					}
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
				c := newCrew(workers)
				defer c.close()
				var x, y vectors
				x.resize(n, depth)
				y.resize(n, width)
				m := &matrix{out: width, in: depth, stride: depth, floats: randomFloats(r, (width+3)*depth)}
				for b.Loop() {
					c.multiply(&x, product{m, nil, 0, n, y.floats, y.stride})
				}
				b.ReportMetric(float64(b.N)*2*float64(n*depth*width)/b.Elapsed().Seconds()/1e9, "gflops")
			})
		}
	}
}
