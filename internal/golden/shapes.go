package golden

import (
	"embed"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/model"
)

// configs are those of models that are measured with random weights, made where they are computed with: no file has to be brought.
//
//go:embed shapes/*.json
var configs embed.FS

// Random makes the model that ref names as "shape:NAME", if it is such a name. The weights of what is normed are 1.
func Random(b *testing.B, backend compute.Backend, ref string, dtype dtypes.DType, transposed bool) (m *model.Model, ok bool) {
	b.Helper()
	name, ok := strings.CutPrefix(ref, "shape:")
	if !ok {
		return nil, false
	}
	if backend == nil {
		b.Skip("docent's own code for CPUs reads models from files")
	}
	data, err := configs.ReadFile("shapes/" + name + ".json")
	require.NoError(b, err)
	m = &model.Model{Transposed: transposed}
	m.Config, err = lm.ParseConfig(data)
	require.NoError(b, err)
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
