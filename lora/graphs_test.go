package lora

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/testmodel"
)

// onGraphs is a trainer on the backend under test; the test is skipped where that computes bfloat16 wrongly.
func onGraphs(t *testing.T, p Precision, o Options) *Trainer {
	t.Helper()
	backend := golden.Backend(t)
	if err := device.Check(backend, dtypes.BFloat16); p == BF16 && err != nil {
		t.Skip(err)
	}
	b, err := OpenBase(t.Context(), testmodel.Write(t, 1), BaseOptions{Backend: backend, Precision: p})
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	c := smallConfig()
	c.BatchSize = 1 // a row is one text
	tr, err := NewTrainer(b, c, o)
	require.NoError(t, err)
	t.Cleanup(func() { tr.Close() })
	return tr
}

// TestProductsAreInThePrecisionOfTheBase, those of the way back and of the adapters too: in float32 a GPU takes twelve times as long.
func TestProductsAreInThePrecisionOfTheBase(t *testing.T) {
	tr := onGraphs(t, BF16, Options{})
	g := tr.computer.(*graphs)
	products := map[string]int{}
	build := g.stepProgram
	var err error
	g.stepProgram, err = device.NewProgram(tr.base.backend, "looked into", func(in []*graph.Node) []*graph.Node {
		out := g.buildStep(in)
		for _, n := range in[0].Graph().Nodes() {
			if n.Type() == graph.NodeTypeDotGeneral {
				products[n.Inputs()[0].DType().String()+"·"+n.Inputs()[1].DType().String()]++
				assert.LessOrEqual(t, n.Rank(), 3)
			}
		}
		return out
	})
	require.NoError(t, err)
	build.Close()
	assert.Len(t, losses(t, tr, tokenized(t, tr, 2), 1), 1)
	assert.Len(t, products, 1, "%v", products)
	assert.Greater(t, products["BFloat16·BFloat16"], 2*3*7, "%v", products)
}

// TestRecomputingLayersOnGraphs changes no loss.
func TestRecomputingLayersOnGraphs(t *testing.T) {
	run := func(o Options) []float64 {
		tr := onGraphs(t, F32, o)
		return losses(t, tr, tokenized(t, tr, 6), 4)
	}
	assert.InEpsilonSlice(t, run(Options{}), run(Options{Recompute: true}), 1e-5)
}

// TestFusedAttention computes what the decomposed one does, as far as bfloat16 goes.
func TestFusedAttention(t *testing.T) {
	run := func() []float64 {
		tr := onGraphs(t, BF16, Options{})
		if !tr.base.backend.Capabilities().Operations[compute.OpTypeFusedScaledDotProductAttentionVJP] {
			t.Skip("the backend has no fused attention")
		}
		var out []float64
		for s, err := range tr.Steps(t.Context(), tokenized(t, tr, 6)) {
			require.NoError(t, err)
			out = append(out, s.Loss, s.GradNorm)
		}
		return out
	}
	fused := run()
	t.Setenv(graph.FusionEnv, "0")
	assert.InEpsilonSlice(t, run(), fused, 0.03)
}

// TestStepsOfOneCallAreThoseOfSeveral: loss, gradient and update in one program are those of three.
func TestStepsOfOneCallAreThoseOfSeveral(t *testing.T) {
	run := func(several bool) (losses []float64, theta []float32) {
		tr := onGraphs(t, F32, Options{})
		e := tokenized(t, tr, 6)
		calls, _ := tr.config.batches(e.rows)
		p := tr.layout.newPlan(calls, tr.config.MicroTokens)
		tr.several = several
		for i, b := range calls {
			s, err := tr.update(t.Context(), Step{N: i + 1, LearningRate: 1e-2}, p.calls(b))
			require.NoError(t, err)
			losses = append(losses, s.Loss, s.GradNorm)
		}
		theta, _, _, err := tr.computer.state()
		require.NoError(t, err)
		return losses, theta
	}
	want, wantTheta := run(true)
	got, gotTheta := run(false)
	assert.InEpsilonSlice(t, want, got, 1e-5)
	assert.Less(t, distance(wantTheta, gotTheta), 1e-4)
}

// TestPackedBase: losses and gradients are those of the weights that its blocks stand for, whichever way they come.
func TestPackedBase(t *testing.T) {
	backend := golden.Backend(t)
	if !model.CanPack(backend) {
		t.Skip("the backend's graphs cannot have packed weights")
	}
	folder := testmodel.Write(t, 1)
	run := func(b *Base, o Options) (out []float64) {
		c := smallConfig()
		c.BatchSize, c.Epochs = 3, 1
		tr, err := NewTrainer(b, c, o)
		require.NoError(t, err)
		defer tr.Close()
		for s, err := range tr.Steps(t.Context(), tokenized(t, tr, 6)) {
			require.NoError(t, err)
			out = append(out, s.Loss, s.GradNorm)
		}
		return out
	}
	for p, error := range map[Precision]float64{Int8: 0.01, Int4: 0.1} {
		b, err := OpenBase(t.Context(), folder, BaseOptions{Backend: backend, Precision: p})
		require.NoError(t, err)
		defer b.Close()
		params := b.model.Config.Params()
		unpack, err := device.NewProgram(backend, "unpack", func(in []*graph.Node) (out []*graph.Node) {
			nodes := model.Nodes(b.model.Config, in)
			for _, p := range params {
				out = append(out, nodes[p.Name])
			}
			return out
		})
		require.NoError(t, err)
		defer unpack.Close()
		plain := *b.model
		plain.Weights, err = unpack.Run(b.model.Inputs())
		require.NoError(t, err)
		for i, x := range params {
			want := make([]float32, piece{Param: x}.Size())
			require.NoError(t, b.model.Read(x, want))
			got, err := device.Floats(plain.Weights[i])
			require.NoError(t, err)
			assert.Less(t, distance(want, got), error, x.Name)
			assert.Equal(t, x.Linear, distance(want, got) > 0, x.Name)
		}
		want := run(&Base{model: &plain, backend: backend, precision: F32, log: b.log}, Options{})
		assert.InEpsilonSlice(t, want, run(b, Options{}), 1e-5, p)
		assert.InEpsilonSlice(t, want, run(b, Options{Recompute: true}), 1e-5, p)
		device.Free(plain.Weights...)
	}
}
