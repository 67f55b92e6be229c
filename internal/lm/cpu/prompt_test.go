package cpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/infer"
)

// TestPromptInTiles: with weights in bfloat16 a prompt's numbers are near those of float32, and the same whatever part of it is known;
// those of steps, of one token or several, are computed in float32.
func TestPromptInTiles(t *testing.T) {
	eachSet(t, func(t *testing.T, k *kernels) {
		if k.outerHalves == nil {
			t.Skip(k.name + " has no tiles")
		}
		c := oddConfig()
		addExperts(&c)
		c.QKVBias, c.Experts.Normalized, c.Names[lm.Gate], c.Names[lm.Up], c.Names[lm.Down] = true, true, "", "", ""
		ids := make([]int32, largePiece+37)
		if !k.has { // emulated, which takes its time
			ids = ids[:tileSize+1]
		}
		for i := range ids {
			ids[i] = int32(i * i % c.VocabSize)
		}
		slots := func(k *kernels) *Slots {
			s := New(c, randomWeightsFor(t, k, BF16, c, nil), infer.Options{Slots: 2})
			t.Cleanup(s.Close)
			return s
		}
		admit := func(s *Slots) (slot int, logits []float32) {
			p, err := s.NewPrompt(ids, nil)
			require.NoError(t, err)
			defer p.Close()
			for logits == nil {
				logits, err = p.Prefill()
				require.NoError(t, err)
			}
			slot, err = s.Admit(p, false)
			require.NoError(t, err)
			return slot, logits
		}
		_, want := admit(slots(newPlain("no tiles", k.floatRows, k.intRows, k.panelWidth)))
		s := slots(k)
		one, got := admit(s)
		other, again := admit(s)
		assert.Equal(t, got, again, "all but the last token was known")
		var top, most float64
		for i, v := range want {
			top, most = max(top, math.Abs(float64(v))), max(most, math.Abs(float64(got[i]-v)))
		}
		assert.NotZero(t, most)
		assert.Less(t, most, top/50)

		rows, err := s.Extend(other, []int32{3, 4})
		require.NoError(t, err)
		want = append([]float32{}, rows[0]...)
		s.Retract(other, 2)
		steps, err := s.Step(map[int]int32{one: 3, other: 3})
		require.NoError(t, err)
		for _, slot := range []int{one, other} {
			row, err := steps.Row(slot)
			require.NoError(t, err)
			assert.Equal(t, want, row)
		}
	})
}
