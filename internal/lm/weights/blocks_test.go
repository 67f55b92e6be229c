package weights

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestUnpackedBlocks: the parts of a block give what decode gives, bit for bit.
func TestUnpackedBlocks(t *testing.T) {
	data, err := os.ReadFile("testdata/blocks.json")
	require.NoError(t, err)
	var cases map[string]struct{ Blocks string }
	require.NoError(t, json.Unmarshal(data, &cases))
	for dtype, f := range BlockFormats {
		src, err := hex.DecodeString(cases[string(dtype)].Blocks)
		require.NoError(t, err)
		require.NotEmpty(t, src)
		size := codecOf(dtype).bytes
		for ; len(src) > 0; src = src[size:] {
			want, got := make([]float32, f.Elements), make([]float32, f.Elements)
			codecOf(dtype).decode(want, src[:size])
			q, halves, small := make([]byte, f.Elements), make([]uint16, 2), make([]int8, 2*f.Elements/f.Sub)
			f.Unpack(q, halves, small, src[:size])
			number := func(i, which int) float32 {
				n := half([]byte{byte(halves[which]), byte(halves[which] >> 8)})
				if !f.Small {
					return n
				}
				if f.Minima {
					return n * float32(small[2*(i/f.Sub)+which])
				}
				return n * float32(small[i/f.Sub])
			}
			for i := range got {
				scale := number(i, 0)
				switch {
				case f.Bits == 8:
					got[i] = scale * float32(int8(q[i]))
				case f.Minima:
					got[i] = float32(float64(scale)*float64(q[i]) + float64(number(i, 1)))
				default:
					got[i] = float32(float64(scale)*float64(q[i]) + float64(f.Bias*scale))
				}
				assert.Less(t, int(q[i]), 1<<f.Bits)
			}
			require.Equal(t, want, got, dtype)
		}
	}
}
