package golden

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/lm/decoder"
	"github.com/docent-ml/docent/internal/lm/model"
)

// Open opens the model that ref names.
func Open(t testing.TB, backend compute.Backend, ref string, transposed bool) *model.Model {
	t.Helper()
	m, err := model.Open(t.Context(), ref, model.Options{Backend: backend, Transposed: transposed})
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

// Logits runs the model over ids [shape] without a cache: [batch·seq·vocab].
func Logits(t testing.TB, backend compute.Backend, m *model.Model, ids []int32, shape []int) []float32 {
	t.Helper()
	batch, seq := 1, shape[len(shape)-1]
	if len(shape) == 2 {
		batch = shape[0]
	}
	positions := make([]int32, len(ids))
	for i := range positions {
		positions[i] = int32(i % seq)
	}
	p, err := device.NewProgram(backend, "logits", func(in []*graph.Node) []*graph.Node {
		d := &decoder.Decoder{Config: m.Config, Weights: model.Nodes(m.Config, in[4:]), Transposed: m.Transposed}
		return []*graph.Node{d.Logits(d.Hidden(in[0], in[1], in[2], in[3]))}
	})
	require.NoError(t, err)
	defer p.Close()
	grid := func(x []int32) any { return tensors.FromFlatDataAndDimensions(x, batch, seq) }
	alone := grid(make([]int32, len(ids)))
	out, err := p.Run(append([]any{grid(ids), grid(positions), alone, alone}, m.Inputs()...))
	require.NoError(t, err)
	defer device.Free(out...)
	got, err := device.Floats(out[0])
	require.NoError(t, err)
	return got
}
