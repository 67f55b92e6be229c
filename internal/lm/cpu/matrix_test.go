package cpu

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestProducts compares products with those of the rows that a matrix says it has: of odd sizes, with a bias, for few vectors
// and many.
func TestProducts(t *testing.T) {
	eachSet(t, testProducts)
}

func testProducts(t *testing.T, k *kernels) {
	r := rand.New(rand.NewPCG(3, 4))
	const out, in = 77, 70
	for storage := range storages {
		weights := randomFloats(r, out*in)
		var buffer []float32
		whole, err := newMatrix(k, storage, out, in, &buffer, func(dst []float32) error {
			weights = weights[copy(dst, weights):]
			return nil
		})
		require.NoError(t, err)
		for _, bias := range [][]float32{make([]float32, out), randomFloats(r, out)} {
			for _, n := range []int{1, 4, 7, 35} {
				m := whole
				var x, y vectors
				x.resize(n, in)
				y.resize(n, m.out)
				for i := range n {
					copy(x.row(i), randomFloats(r, in))
				}
				c := newCrew(2, k)
				c.multiply(&x, product{m, bias, 0, n, y.floats, y.stride})
				c.close()
				row := make([]float32, in)
				for o := range m.out {
					m.row(o, row)
					for i := range n {
						want := float64(bias[o])
						for j, v := range x.row(i) {
							want += float64(v) * float64(row[j])
						}
						bound := 1e-3
						if m.takes() == inputBytes {
							bound += roundingOfBytes(x.row(i), row)
						}
						assert.InDelta(t, want, y.row(i)[o], bound, "%s, row %d, vector %d of %d", storage, o, i, n)
					}
				}
			}
		}
	}
}

// roundingOfBytes is how far a product is at most from the exact one when its vector is rounded to 8 bits: each number by half a
// step, which is 1/127 of the largest in its block.
func roundingOfBytes(x, row []float32) (most float64) {
	for from := 0; from < len(x); from += block {
		to, largest := min(from+block, len(x)), 0.0
		for _, v := range x[from:to] {
			largest = max(largest, math.Abs(float64(v)))
		}
		for _, w := range row[from:to] {
			most += math.Abs(float64(w)) * largest / 127 / 2
		}
	}
	return most
}
