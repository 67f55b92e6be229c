package decoder

import (
	"testing"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/device"
)

// TestDropout: the share that is kept is scaled so that the expectation stays, and every use drops others.
func TestDropout(t *testing.T) {
	const rate = 0.25
	backend, err := compute.NewWithConfig("go")
	require.NoError(t, err)
	defer backend.Finalize()
	p, err := device.NewProgram(backend, "dropout", func(in []*Node) []*Node {
		drop := NewDropout(in[1], rate)
		return []*Node{drop(in[0]), drop(in[0])}
	})
	require.NoError(t, err)
	defer p.Close()
	state, err := RNGStateFromSeed(7)
	require.NoError(t, err)
	ones := make([]float32, 10_000)
	for i := range ones {
		ones[i] = 1
	}
	out, err := p.Run([]any{ones, state})
	require.NoError(t, err)
	defer device.Free(out...)
	first, err := device.Floats(out[0])
	require.NoError(t, err)
	second, err := device.Floats(out[1])
	require.NoError(t, err)
	kept, both := 0, 0
	for i, x := range first {
		if x != 0 {
			assert.InDelta(t, 1/(1-rate), x, 1e-6)
			kept++
			if second[i] != 0 {
				both++
			}
		}
	}
	assert.InDelta(t, 1-rate, float64(kept)/float64(len(first)), 0.02)
	assert.InDelta(t, (1-rate)*(1-rate), float64(both)/float64(len(first)), 0.02)
}
