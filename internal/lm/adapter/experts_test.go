package adapter_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "github.com/docent-ml/docent/internal/lm/adapter"
)

func random(r *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = r.Float32() - 0.5
	}
	return out
}

// TestExpertsOfOlderTransformers: updates of single experts, as adapters of transformers 4 have them, are one update of what
// transformers 5 has, which changes the matrices as they did, and is read back.
func TestExpertsOfOlderTransformers(t *testing.T) {
	const count, rank, hidden, inner = 3, 2, 6, 4
	r := rand.New(rand.NewPCG(1, 2))
	old := &Adapter{Config: Config{Rank: rank, Alpha: 6}, Modules: map[string]Module{}}
	for e := range count {
		for name, size := range map[string][2]int{"w1": {hidden, inner}, "w3": {hidden, inner}, "w2": {inner, hidden}} {
			in, out := size[0], size[1]
			old.Modules[fmt.Sprintf("model.layers.0.block_sparse_moe.experts.%d.%s", e, name)] = Module{
				Rank: rank, In: in, Out: out, Scale: 3, A: random(r, rank*in), B: random(r, out*rank),
			}
		}
	}
	old.Modules["model.layers.0.block_sparse_moe.gate"] = Module{Rank: rank, In: hidden, Out: count, Scale: 3, A: random(r, rank*hidden), B: random(r, count*rank)}
	dir := t.TempDir()
	require.NoError(t, old.Save(t.Context(), dir))
	a, err := Load(os.DirFS(dir))
	require.NoError(t, err)
	assert.Equal(t, []string{"model.layers.0.mlp.experts.down_proj", "model.layers.0.mlp.experts.gate_up_proj", "model.layers.0.mlp.gate"}, a.Paths())

	apply := func(a *Adapter, name string, n int) []float32 {
		dst := make([]float32, n)
		require.NoError(t, a.Apply(name, 0, dst))
		return dst
	}
	var gateUp, down []float32
	for e := range count {
		old := func(name string) []float32 {
			return apply(old, fmt.Sprintf("model.layers.0.block_sparse_moe.experts.%d.%s.weight", e, name), hidden*inner)
		}
		gateUp, down = append(append(gateUp, old("w1")...), old("w3")...), append(down, old("w2")...)
	}
	assert.InDeltaSlice(t, gateUp, apply(a, "model.layers.0.mlp.experts.gate_up_proj.weight", len(gateUp)), 1e-6)
	assert.InDeltaSlice(t, down, apply(a, "model.layers.0.mlp.experts.down_proj.weight", len(down)), 1e-6)
	part := make([]float32, 2*inner*hidden) // of the second expert
	require.NoError(t, a.Apply("model.layers.0.mlp.experts.gate_up_proj.weight", len(part), part))
	assert.InDeltaSlice(t, gateUp[len(part):2*len(part)], part, 1e-6)

	again := t.TempDir()
	require.NoError(t, a.Save(t.Context(), again))
	back, err := Load(os.DirFS(again))
	require.NoError(t, err)
	assert.Equal(t, a.Modules, back.Modules)

	delete(old.Modules, "model.layers.0.block_sparse_moe.experts.1.w3")
	require.NoError(t, old.Save(t.Context(), dir))
	_, err = Load(os.DirFS(dir))
	require.ErrorIs(t, err, ErrFormat)
}
