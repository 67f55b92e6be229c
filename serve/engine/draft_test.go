package engine

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/serve"
)

// TestDrafts: what is computed ahead changes no token and no probability, greedy or at random, and is counted.
func TestDrafts(t *testing.T) {
	e, err := Load(t.Context(), "dir:"+testmodel.Write(t, 3), Options{})
	require.NoError(t, err)
	t.Cleanup(func() { e.Close() })
	seed := uint64(7)
	for name, sampling := range map[string]serve.Sampling{
		"greedy": {}, "warm": {Temperature: 0.3, Seed: &seed}, "penalty": {RepetitionPenalty: 1.01, Temperature: 0.2, Seed: &seed},
	} {
		t.Run(name, func(t *testing.T) {
			r := ask("abc abc abc abc abc", 150)
			r.Sampling, r.Logprobs, r.IgnoreEOS = sampling, true, true
			run := func(without bool) (tokens []serve.TokenLogprob, drafted, kept int) {
				e.noDrafts = without // nothing is running
				for d, err := range e.Generate(t.Context(), r) {
					require.NoError(t, err)
					tokens = append(tokens, d.Tokens...)
					drafted, kept = drafted+d.Drafted, kept+d.Kept
				}
				return tokens, drafted, kept
			}
			want, none, _ := run(true)
			got, drafted, kept := run(false)
			assert.Equal(t, want, got)
			assert.Zero(t, none)
			assert.LessOrEqual(t, kept, drafted)
			t.Logf("%d tokens, %d drafted, %d kept", len(got), drafted, kept)
			if name == "greedy" { // a small model repeats itself
				assert.Greater(t, kept, 0)
			}
		})
	}
}

// TestDrafter: it foresees what followed, doubles what comes true, and rests when nothing does.
func TestDrafter(t *testing.T) {
	d := drafter{size: 2}
	history := []int{1, 2, 3, 4, 5, 6, 9, 1, 2, 3}
	assert.Equal(t, []int32{4, 5}, d.draft(history, 5))
	assert.Equal(t, []int32{4}, d.draft(history, 1))
	d.learn(2, 2)
	assert.Equal(t, []int32{4, 5, 6, 9}, d.draft(history, 5))
	assert.Empty(t, d.draft(history[:9], 5), "nothing like it was there")
	assert.Empty(t, d.draft(history[:2], 5))
	for range 3 {
		d.learn(4, 0)
	}
	n := slices.IndexFunc(make([]int, 100), func(int) bool { return d.draft(history, 5) != nil })
	assert.Equal(t, pause-1, n)
}
