package weights

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestHalfRoundsToTheNearest goes through all finite halves, what lies between two, and the ties.
func TestHalfRoundsToTheNearest(t *testing.T) {
	at := func(bits int) float32 { return half([]byte{byte(bits), byte(bits >> 8)}) }
	for bits := range 0x7BFF {
		low, high := at(bits), at(bits+1)
		middle := low + (high-low)/2
		for x, want := range map[float32]int{
			low: bits, middle: bits + bits&1, math.Nextafter32(middle, 0): bits, math.Nextafter32(middle, 1e6): bits + 1,
		} {
			for sign, y := range map[int]float32{0: x, 0x8000: -x} {
				if y == 0 && sign != 0 {
					continue
				}
				got := appendHalf(nil, y)
				if !assert.Equal(t, want|sign, int(got[0])|int(got[1])<<8, "%g", y) {
					return
				}
			}
		}
	}
}

// TestQuantise: about half a step from what is stored, the scale being rounded too; of Q4_0 the step at one end is whole.
func TestQuantise(t *testing.T) {
	x := make([]float32, 32)
	for i := range x {
		x[i] = float32(math.Sin(float64(i))) * 1e-3
	}
	back := make([]float32, 32)
	decodeQ8_0(back, encodeQ8_0(nil, x))
	assert.InDeltaSlice(t, x, back, 1e-3/127*0.6)
	decodeQ4_0(back, encodeQ4_0(nil, x))
	assert.InDeltaSlice(t, x, back, 1e-3/8*1.01)
}
