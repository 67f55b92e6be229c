package lm

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRopesAreThoseOfTransformers compares with what transformers 5.23.0 gives for a llama of 64 positions and heads of 12
// dimensions, in texts on both sides of where the frequencies change.
func TestRopesAreThoseOfTransformers(t *testing.T) {
	data, err := os.ReadFile("testdata/ropes.json")
	require.NoError(t, err)
	var cases []struct {
		Rope        json.RawMessage
		Length      int
		Scale       float64
		Frequencies []float64
	}
	require.NoError(t, json.Unmarshal(data, &cases))
	require.NotEmpty(t, cases)
	for _, want := range cases {
		c, err := parse(t, `,"max_position_embeddings":64,"rope_parameters":`+string(want.Rope))
		require.NoError(t, err)
		r := c.Ropes[0]
		assert.InEpsilon(t, want.Scale, r.Scale(), 1e-6, "%s", want.Rope)
		for i, f := range r.Frequencies(c.RotaryDim, want.Length) {
			assert.InEpsilon(t, want.Frequencies[i], f, 1e-5, "%s, %d tokens, frequency %d", want.Rope, want.Length, i)
		}
	}
}

func TestRotatesAlike(t *testing.T) {
	long := Config{Ropes: []Rope{{Type: RopeLong, OriginalContext: 16, Short: []float64{1}, Long: []float64{2}}}}
	dynamic := Config{Ropes: []Rope{{Type: RopeDefault}, {Type: RopeDynamic, OriginalContext: 16}}}
	for _, c := range []struct {
		a, b          int
		long, dynamic bool
	}{{3, 16, true, true}, {16, 17, false, false}, {17, 3, false, false}, {17, 17, true, true}, {17, 18, true, false}} {
		assert.Equal(t, c.long, long.RotatesAlike(c.a, c.b), c)
		assert.Equal(t, c.dynamic, dynamic.RotatesAlike(c.a, c.b), c)
		assert.True(t, Config{Ropes: []Rope{{Type: RopeYarn, OriginalContext: 16}}}.RotatesAlike(c.a, c.b))
	}
}
