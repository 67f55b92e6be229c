package device_test

import (
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/golden"
)

// A program has a compiled form for each shape, however many there are, and compiles none twice.
func TestManyShapes(t *testing.T) {
	p, err := device.NewProgram(golden.Backend(t), "double", func(in []*graph.Node) []*graph.Node {
		return []*graph.Node{graph.Add(in[0], in[0])}
	})
	require.NoError(t, err)
	defer p.Close()
	for range 2 {
		for n := range 40 {
			out, err := p.Run([]any{make([]float32, n+1)})
			require.NoError(t, err)
			assert.Equal(t, n+1, out[0].Shape().Dim(0))
			device.Free(out...)
		}
		assert.Equal(t, 40, p.Compiled())
	}
}
