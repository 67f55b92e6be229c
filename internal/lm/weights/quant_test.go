package weights

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every quantised type gives, bit for bit, what the reference implementation gives (see testdata/make_blocks.py).
func TestDequantiseAgreesWithReference(t *testing.T) {
	data, err := os.ReadFile("testdata/blocks.json")
	require.NoError(t, err)
	var cases map[string]struct{ Blocks, Values string }
	require.NoError(t, json.Unmarshal(data, &cases))

	tested := 0
	for _, c := range ggufCodecs {
		if c.block == 1 {
			continue
		}
		tested++
		t.Run(string(c.dtype), func(t *testing.T) {
			ref, ok := cases[string(c.dtype)]
			require.True(t, ok, "no reference")
			src, err := hex.DecodeString(ref.Blocks)
			require.NoError(t, err)
			raw, err := hex.DecodeString(ref.Values)
			require.NoError(t, err)
			want := make([]float32, len(raw)/4)
			decodeF32(want, raw)
			require.Equal(t, len(src)/c.bytes*c.block, len(want))
			got := make([]float32, len(want))
			c.decode(got, src)
			for i := range want {
				require.Equal(t, math.Float32bits(want[i]), math.Float32bits(got[i]), "element %d: %g instead of %g", i, got[i], want[i])
			}
		})
	}
	assert.Equal(t, len(cases), tested)
}

// All 65,536 half-precision numbers, by the definition of the format.
func TestHalf(t *testing.T) {
	for bits := range 1 << 16 {
		got := half([]byte{byte(bits), byte(bits >> 8)})
		exponent, fraction := bits>>10&31, float64(bits&1023)
		var want float64
		switch {
		case exponent == 31 && fraction > 0:
			require.True(t, math.IsNaN(float64(got)), "%#x", bits)
			continue
		case exponent == 31:
			want = math.Inf(1)
		case exponent == 0:
			want = math.Ldexp(fraction, -24)
		default:
			want = math.Ldexp(1024+fraction, exponent-25)
		}
		if bits>>15 == 1 {
			want = -want
		}
		require.Equal(t, want, float64(got), "%#x", bits)
		require.Equal(t, bits>>15 == 1, math.Signbit(float64(got)), "%#x", bits)
	}
}

func TestBFloat16RoundsToNearestEven(t *testing.T) {
	for _, c := range []struct {
		in, want uint32 // bit patterns of float32 and bfloat16
	}{
		{0x3F800000, 0x3F80}, {0x3F807FFF, 0x3F80}, {0x3F808000, 0x3F80}, {0x3F808001, 0x3F81}, {0x3F818000, 0x3F82},
		{0x80000000, 0x8000}, {0x00008000, 0x0000}, {0x00018000, 0x0002}, {0x7F7FFFFF, 0x7F80}, {0x7F800000, 0x7F80},
		{0xFF800000, 0xFF80}, {0x7F800001, 0x7FC0}, {0x7FC00000, 0x7FC0}, {0xFFFFFFFF, 0xFFFF},
	} {
		assert.Equal(t, uint16(c.want), ToBFloat16(math.Float32frombits(c.in)), "%#x", c.in)
	}
	for bits := range 1 << 16 { // what is a bfloat16 already stays
		v := math.Float32frombits(uint32(bits) << 16)
		if v == v {
			require.Equal(t, uint16(bits), ToBFloat16(v))
		}
	}
}
