package cpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm/infer"
)

// TestHalfCache: half the memory, and logits that are off by at most 1/500 of the largest over several pages.
func TestHalfCache(t *testing.T) {
	eachSet(t, func(t *testing.T, k *kernels) {
		c := oddConfig()
		ids := make([]int32, 3*pagePositions-5)
		for i := range ids {
			ids[i] = int32(i * i % c.VocabSize)
		}
		logits := func(half bool) (out []float32, page int64) {
			s := New(c, randomWeightsFor(t, k, F32, c, nil), infer.Options{Slots: 1, HalfCache: half})
			defer s.Close()
			hidden, err := s.Hidden(ids, nil)
			require.NoError(t, err)
			rows, err := s.Logits(hidden[len(hidden)-64:])
			require.NoError(t, err)
			for _, row := range rows {
				out = append(out, row...)
			}
			p, err := s.NewPrompt(ids, nil) // copies a page that is not full
			require.NoError(t, err)
			var first []float32
			for first == nil {
				first, err = p.Prefill()
				require.NoError(t, err)
			}
			slot, err := s.Admit(p, false)
			require.NoError(t, err)
			p.Close()
			next, err := s.Step(map[int]int32{slot: 3})
			require.NoError(t, err)
			row, err := next.Row(slot)
			require.NoError(t, err)
			return append(out, row...), s.pages.pageBytes()
		}
		want, size := logits(false)
		got, small := logits(true)
		assert.Equal(t, size, 2*small)
		var top, most float64
		for i, v := range want {
			top, most = max(top, math.Abs(float64(v))), max(most, math.Abs(float64(got[i]-v)))
		}
		assert.NotZero(t, most)
		assert.Less(t, most, top/500)
		t.Logf("off by %.1g of the largest", most/top)
	})
}
