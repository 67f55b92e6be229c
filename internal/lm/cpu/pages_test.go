package cpu

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm/infer"
)

// Requests that come and go, to their end or not, use the pages of those before: their number depends on what is held at once,
// not on how many there were. What a page had before does not show.
func TestPagesComeBack(t *testing.T) {
	c := oddConfig()
	c.MaxPositions = 4 * pagePositions
	w := randomWeights(t, c, nil)
	r := rand.New(rand.NewPCG(1, 1))
	text := func() []int32 {
		ids := make([]int32, 1+r.IntN(3*pagePositions))
		for i := range ids {
			ids[i] = int32(r.IntN(c.VocabSize))
		}
		return ids
	}
	s := New(c, w, infer.Options{Slots: 2})
	defer s.Close()
	s.pages.most = 1000
	const remembered = 10
	s.prefixes = infer.NewPrefixes(remembered*s.pages.pageBytes(), func(q *sequence) int64 { return int64(len(q.pages)) * s.pages.pageBytes() }, s.pages.drop)

	for i := range 200 {
		ids := text()
		p, err := s.NewPrompt(ids, nil)
		require.NoError(t, err)
		var logits []float32
		for logits == nil && (i%5 > 0 || p.Len() == 0) { // every fifth is given up while it is read
			logits, err = p.Prefill()
			require.NoError(t, err)
		}
		if logits == nil {
			p.Close()
			continue
		}
		var slots []int
		for range 2 {
			slot, err := s.Admit(p, false)
			require.NoError(t, err)
			slots = append(slots, slot)
		}
		p.Close()
		p.Close() // which is allowed
		for range r.IntN(pagePositions) {
			_, err := s.Step(map[int]int32{slots[0]: 1, slots[1]: 2})
			require.NoError(t, err)
		}
		for _, slot := range slots {
			s.Release(slot)
		}
		if i%50 == 7 {
			_, err := s.Hidden(text(), nil)
			require.NoError(t, err)
			fresh := New(c, w, infer.Options{Slots: 1, PrefixBytes: -1})
			p, err := fresh.NewPrompt(ids, nil)
			require.NoError(t, err)
			var want []float32
			for want == nil {
				want, err = p.Prefill()
				require.NoError(t, err)
			}
			fresh.Close()
			assert.Equal(t, want, logits)
		}
	}
	// Beside what is remembered: a prompt and two choices of at most four pages each.
	assert.LessOrEqual(t, s.pages.made, remembered+3*4)
	s.prefixes.Clear()
	back := map[*page]bool{}
	for _, x := range s.pages.free {
		back[x] = true
	}
	assert.Len(t, back, s.pages.made, "each came back")
	assert.Len(t, s.pages.free, s.pages.made, "and once")
}
