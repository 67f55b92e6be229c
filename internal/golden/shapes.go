package golden

import (
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/lm/weights"
	"github.com/docent-ml/docent/internal/testmodel"
)

// Random makes the model that ref names as "shape:NAME", if it is such a name, where it is computed with, as model.Options of the
// same names would: no file has to be brought. The weights of what is normed are 1.
func Random(b *testing.B, backend compute.Backend, ref string, dtype dtypes.DType, packed weights.DType, transposed bool) (m *model.Model, ok bool) {
	b.Helper()
	name, ok := strings.CutPrefix(ref, "shape:")
	if !ok {
		return nil, false
	}
	if backend == nil {
		b.Skip("docent's own code for CPUs reads models from files")
	}
	c, err := testmodel.Known(name)
	require.NoError(b, err)
	m = &model.Model{Transposed: transposed, Config: c}
	b.Cleanup(func() { m.Close() })
	for i, p := range m.Config.Params() {
		dims := p.Shape
		if transposed && (p.Linear || p.Head) {
			dims = []int{dims[1], dims[0]}
		}
		make, err := device.NewProgram(backend, "random", func(in []*graph.Node) []*graph.Node {
			if len(dims) == 1 {
				return []*graph.Node{graph.Ones(in[0].Graph(), shapes.Make(dtype, dims...))}
			}
			if n := weights.Packed(packed); p.Linear && n > 0 {
				return []*graph.Node{blocks(in[0], dims[0], dims[1]/32, n)}
			}
			_, x := graph.RandomNormal(in[0], shapes.Make(dtypes.Float32, dims...))
			return []*graph.Node{graph.ConvertDType(graph.MulScalar(x, 0.02), dtype)}
		})
		require.NoError(b, err)
		state, err := graph.RNGStateFromSeed(int64(i))
		require.NoError(b, err)
		out, err := make.Run([]any{state})
		require.NoError(b, err)
		make.Close()
		m.Weights = append(m.Weights, out[0])
	}
	return m, true
}

// blocks are random integers with a scale, and in Q4_1 with a minimum: [out, n, size] uint8.
func blocks(state *graph.Node, out, n, size int) *graph.Node {
	head := []uint8{0x19, 0x1c} // 0.004 in half precision
	if size == weights.Packed("Q4_1") {
		head = append(head, 0xae, 0xa7) // -0.03
	}
	g := state.Graph()
	_, x := graph.RandomUniform(state, shapes.Make(dtypes.Float32, out, n, size-len(head)))
	first := graph.BroadcastToDims(graph.Reshape(graph.Const(g, head), 1, 1, len(head)), out, n, len(head))
	return graph.Concatenate([]*graph.Node{first, graph.ConvertDType(graph.MulScalar(x, 255), dtypes.Uint8)}, -1)
}
