package weights

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestPack: what is packed is read back within half a step of its block.
func TestPack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 4*32) // the last block is zeros
	for i := range x[:96] {
		x[i] = float32(r.NormFloat64()) + float32(i/32)
	}
	for dtype, steps := range map[DType]float32{"Q8_0": 127, "Q4_1": 15} {
		data := Pack(dtype, nil, x)
		assert.Len(t, data, 4*Packed(dtype))
		got := make([]float32, len(x))
		codecOf(dtype).decode(got, data)
		for b := 0; b < len(x); b += 32 {
			least, most, top := x[b], x[b], float32(0)
			for _, v := range x[b : b+32] {
				least, most, top = min(least, v), max(most, v), max(top, v, -v)
			}
			width := top
			if dtype == "Q4_1" {
				width = most - least
			}
			for i := b; i < b+32; i++ {
				assert.InDelta(t, x[i], got[i], float64(width/steps)*0.51+float64(top)/1000, "%s %d", dtype, i)
			}
		}
	}
}
