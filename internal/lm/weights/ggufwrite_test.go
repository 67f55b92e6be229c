package weights

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHalfRoundsToTheNearest goes through all finite halves, what lies between two, and the ties.
func TestHalfRoundsToTheNearest(t *testing.T) {
	for in, want := range map[float32]float32{1e9: 65504, float32(math.Inf(-1)): -65504, 1e-9: 0, 3e-8: 0x1p-24} {
		assert.Equal(t, want, FromHalf(ToHalf(in)), "%v", in)
	}
	assert.True(t, math.IsNaN(float64(FromHalf(ToHalf(float32(math.NaN()))))))
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

// TestQuantise: byte for byte what the quantisers of the reference implementation make (see testdata/make_blocks.py).
func TestQuantise(t *testing.T) {
	data, err := os.ReadFile("testdata/quantised.json")
	require.NoError(t, err)
	var cases map[string]string
	require.NoError(t, json.Unmarshal(data, &cases))
	raw, err := hex.DecodeString(cases["values"])
	require.NoError(t, err)
	x := make([]float32, len(raw)/4)
	decodeF32(x, raw)
	for name, encode := range map[string]func(out []byte, block []float32) []byte{"Q8_0": encodeQ8_0, "Q4_0": encodeQ4_0, "Q4_1": encodeQ4_1} {
		var got []byte
		for block := range slices.Chunk(x, 32) {
			got = encode(got, block)
		}
		assert.Equal(t, cases[name], hex.EncodeToString(got), name)
	}
}
