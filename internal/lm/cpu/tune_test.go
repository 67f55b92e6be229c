package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/adapter"
)

// oddConfig is a decoder whose widths fill no tile and no register.
func oddConfig() lm.Config {
	return lm.Config{
		VocabSize: 41, HiddenSize: 28, IntermediateSize: 21, Layers: 3, Heads: 4, KVHeads: 2, HeadDim: 6, MaxPositions: 512,
		NormEps: 1e-5, Activation: lm.SiLU, EmbedScale: 1, AttentionScale: 0.4, ResidualScale: 1, LogitScale: 1, RotaryDim: 4,
		Ropes: []lm.Rope{{Type: lm.RopeDefault, Theta: 1e4}}, Rotations: make([]int, 3), Windows: []int{0, 5, 0},
		Names: lm.Names{
			lm.AttentionNorm: "a", lm.Q: "q_proj", lm.K: "k_proj", lm.V: "v_proj", lm.O: "o_proj", lm.MLPNorm: "m",
			lm.Gate: "mlp.gate_proj", lm.Up: "mlp.up_proj", lm.Down: "mlp.down_proj",
		},
	}
}

// randomWeights are those of c, to which modules are merged.
func randomWeights(t *testing.T, c lm.Config, modules map[string]adapter.Module) *Weights {
	return randomWeightsFor(t, best, F32, c, modules)
}

func randomWeightsFor(t *testing.T, k *kernels, s Storage, c lm.Config, modules map[string]adapter.Module) *Weights {
	t.Helper()
	require.NoError(t, c.Validate())
	r := rand.New(rand.NewPCG(11, 12))
	w := NewWeights(s)
	w.k = k
	for _, p := range c.Params() {
		size := 1
		for _, n := range p.Shape {
			size *= n
		}
		values := randomFloats(r, size)
		for i, v := range values {
			if len(p.Shape) < 2 {
				values[i] = 1 + 0.3*v
			} else {
				values[i] = v / float32(math.Sqrt(float64(p.Shape[1])))
			}
		}
		if m, ok := modules[strings.TrimSuffix(p.Name, ".weight")]; ok {
			for i := range values {
				for k := range m.Rank {
					values[i] += float32(m.Scale) * m.B[i/m.In*m.Rank+k] * m.A[k*m.In+i%m.In]
				}
			}
		}
		require.NoError(t, w.Take(p, func(dst []float32) error {
			values = values[copy(dst, values):]
			return nil
		}))
	}
	return w
}

// addNorms gives it all norms that there are.
func addNorms(c *lm.Config) {
	c.Names[lm.QNorm], c.Names[lm.KNorm], c.Names[lm.AttentionOutNorm], c.Names[lm.MLPOutNorm] = "q_norm", "k_norm", "a_out", "m_out"
}

// addExperts gives it experts, all of which are used: where one takes the place of another the loss jumps.
func addExperts(c *lm.Config) {
	c.Names[lm.Router], c.Names[lm.ExpertsGateUp], c.Names[lm.ExpertsDown] = "mlp.gate", "mlp.experts.gate_up_proj", "mlp.experts.down_proj"
	c.Experts = lm.Experts{Count: 4, Used: 4, Size: 9}
}

// fuse gives it one matrix for q, k and v, and one for gate and up.
func fuse(c *lm.Config) {
	c.Names = lm.Names{lm.AttentionNorm: "a", lm.QKV: "qkv_proj", lm.O: "o_proj", lm.MLPNorm: "m", lm.GateUp: "mlp.gate_up_proj", lm.Down: "mlp.down_proj"}
}

// randomTuner has random weights, and updates of all projections from layer first on. theta is random too.
func randomTuner(t *testing.T, c lm.Config, first int, dropout float64) (tuner *Tuner, theta []float32) {
	return randomTunerOf(t, randomWeights(t, c, nil), c, first, dropout)
}

func randomTunerOf(t *testing.T, w *Weights, c lm.Config, first int, dropout float64) (tuner *Tuner, theta []float32) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	o := TunerOptions{Dropout: dropout}
	for _, p := range c.Params() {
		path := strings.TrimSuffix(p.Name, ".weight")
		if !p.Linear || strings.HasPrefix(path, lm.LayerPath(0)) && first > 0 {
			continue
		}
		u := Update{Path: path, Rank: 3, Scale: 1.5, A: len(theta)}
		theta = append(theta, randomFloats(r, max(1, p.Experts)*u.Rank*p.Shape[1])...)
		u.B = len(theta)
		theta = append(theta, randomFloats(r, u.Rank*p.Shape[0])...)
		o.Updates = append(o.Updates, u)
	}
	for i := range theta {
		theta[i] *= 0.2
	}
	tuner = NewTuner(c, w, o)
	t.Cleanup(tuner.Close)
	return tuner, theta
}

// randomBatch has a segment alone that is longer than a tile, and a parent with two children.
func randomBatch(vocab int) Batch {
	r := rand.New(rand.NewPCG(3, 4))
	b := Batch{Segments: []Segment{
		{From: 0, To: tileQueries + 7, Parent: 0}, {From: tileQueries + 7, To: tileQueries + 18, Parent: 1},
		{From: tileQueries + 18, To: tileQueries + 24, Position: 11, Parent: 1}, {From: tileQueries + 24, To: tileQueries + 33, Position: 11, Parent: 1},
	}}
	for range tileQueries + 33 {
		b.Tokens = append(b.Tokens, r.Int32N(int32(vocab)))
	}
	for i := range lossRows + 9 { // some tokens predict twice, others not at all
		b.Rows, b.Labels = append(b.Rows, int32(i*5%len(b.Tokens)/3*3)), append(b.Labels, r.Int32N(int32(vocab)))
	}
	return b
}

// softened has three labels for each row of b, with weights that add up to anything and are 0 for some.
func softened(b Batch, vocab int) Batch {
	r := rand.New(rand.NewPCG(7, 8))
	b.Labels = nil
	for range 3 * len(b.Rows) {
		b.Labels, b.Weights = append(b.Labels, r.Int32N(int32(vocab))), append(b.Weights, max(0, r.Float32()-0.2))
	}
	return b
}

// TestSoftTargets: loss and gradient are linear in the weights of the labels, each of which alone is a label as always.
func TestSoftTargets(t *testing.T) {
	c := oddConfig()
	c.FinalSoftcap = 2
	tuner, theta := randomTuner(t, c, 0, 0)
	b := softened(randomBatch(c.VocabSize), c.VocabSize)
	got := make([]float32, len(theta))
	loss := tuner.Gradient(b, theta, got, 0)
	assert.InEpsilon(t, loss, tuner.Loss(b, theta), 1e-6)
	want, wantLoss := make([]float64, len(theta)), 0.0
	for i, w := range b.Weights {
		one := b
		one.Rows, one.Labels, one.Weights = b.Rows[i/3:i/3+1], b.Labels[i:i+1], nil
		g := make([]float32, len(theta))
		wantLoss += float64(w) * tuner.Gradient(one, theta, g, 0)
		for j, v := range g {
			want[j] += float64(w) * float64(v)
		}
	}
	assert.InEpsilon(t, wantLoss, loss, 1e-5)
	for j, v := range want {
		require.InDelta(t, v, got[j], 1e-3+1e-3*math.Abs(v))
	}
}

// TestGradient compares gradients with differences of losses, in a random direction of each update.
func TestGradient(t *testing.T) {
	for name, change := range map[string]func(c *lm.Config){
		"silu":       func(*lm.Config) {},
		"vocabulary": func(c *lm.Config) { c.VocabSize = lossColumn + 37 },
		"gelu":       func(c *lm.Config) { c.Activation = lm.GELU },
		"gelu tanh":  func(c *lm.Config) { c.Activation = lm.GELUTanh },
		"norms":      func(c *lm.Config) { addNorms(c); c.UnitOffsetNorm = true },
		"wide norms": func(c *lm.Config) { addNorms(c); c.WideQKNorm = true },
		"no norms": func(c *lm.Config) {
			addNorms(c)
			c.Names[lm.AttentionNorm], c.Names[lm.MLPNorm] = "", ""
		},
		"layer norms":          func(c *lm.Config) { addNorms(c); c.LayerNorm, c.NormBias = true, true },
		"late norms":           func(c *lm.Config) { addNorms(c); c.PlainNorms, c.LateQKNorm, c.NormEmbeddings = true, true, true },
		"side by side":         func(c *lm.Config) { c.Parallel, c.Names[lm.MLPNorm], c.LayerNorm = true, "", true },
		"side by side, normed": func(c *lm.Config) { addNorms(c); c.Parallel, c.ResidualScale = true, 0.3 },
		"factors":              func(c *lm.Config) { c.ResidualScale, c.LogitScale, c.QueryBeta, c.QueryContext = 0.4, 0.5, 0.3, 4 },
		"interleaved": func(c *lm.Config) {
			c.Interleaved, c.Ropes[0].Magnitude, c.Ropes[0].Reversed = true, 1.2, true
		},
		"ungated relu²": func(c *lm.Config) { c.Names[lm.Gate], c.Activation, c.MLPBias = "", lm.ReLU2, true },
		"ungated silu":  func(c *lm.Config) { c.Names[lm.Gate] = "" },
		"ungated xielu": func(c *lm.Config) { c.Names[lm.Gate], c.Names[lm.Act], c.Activation = "", "act", lm.XIELU },
		"bounded":       func(c *lm.Config) { c.AttentionSoftcap = 0.7 },
		"softcap":       func(c *lm.Config) { c.FinalSoftcap, c.TieEmbeddings = 2, true },
		"local rope": func(c *lm.Config) {
			c.Ropes, c.EmbedScale = append(c.Ropes, lm.Rope{Type: lm.RopeDefault, Theta: 100}), 3
			c.Rotations = []int{0, 1, -1}
		},
		"biases": func(c *lm.Config) { c.QKVBias, c.OutBias, c.MLPBias = true, true, true },
		"fused":  fuse,
		"soft":   func(c *lm.Config) { c.FinalSoftcap = 2 },
		"experts": func(c *lm.Config) {
			addExperts(c)
			c.Experts.Normalized, c.Names[lm.Gate], c.Names[lm.Up], c.Names[lm.Down] = true, "", "", ""
		},
		"experts with bounds, biases and sinks": func(c *lm.Config) {
			addExperts(c)
			c.Experts.Normalized, c.Experts.Bias, c.Experts.Limit, c.Experts.Slope, c.Activation = true, true, 9, 1.7, lm.Bounded // at a bound the slope jumps
			c.Names[lm.Gate], c.Names[lm.Up], c.Names[lm.Down], c.Names[lm.Sinks] = "", "", "", "sinks"
		},
		"experts and an MLP": func(c *lm.Config) {
			addExperts(c)
			mlp, experts := []lm.Part{lm.Gate, lm.Up, lm.Down}, []lm.Part{lm.Router, lm.ExpertsGateUp, lm.ExpertsDown}
			c.Lacks = [][]lm.Part{mlp, experts, mlp}
		},
	} {
		for _, x := range []struct {
			dropout float64
			first   int // layer with updates
		}{{0, 0}, {0.3, 0}, {0, 1}} {
			t.Run(fmt.Sprintf("%s/dropout=%v/from layer %d", name, x.dropout, x.first), func(t *testing.T) {
				c := oddConfig()
				change(&c)
				if c.Experts.Count > 0 && x.dropout > 0 {
					t.Skip("PEFT has no dropout for experts")
				}
				tuner, theta := randomTuner(t, c, x.first, x.dropout)
				b := randomBatch(c.VocabSize)
				if name == "soft" {
					b = softened(b, c.VocabSize)
				}
				gradient := make([]float32, len(theta))
				loss := tuner.Gradient(b, theta, gradient, 7)
				if x.dropout == 0 {
					assert.InEpsilon(t, tuner.Loss(b, theta), loss, 1e-6)
				}
				twice := append([]float32{}, gradient...)
				assert.Equal(t, loss, tuner.Gradient(b, theta, twice, 7), "the same seed drops the same")
				for i, g := range gradient {
					require.InDelta(t, 2*g, twice[i], 1e-4+1e-3*math.Abs(float64(g)), "it is added")
				}

				r := rand.New(rand.NewPCG(5, 6))
				at := func(step float64, direction []float32, from int) float64 {
					moved := append([]float32{}, theta...)
					for i, d := range direction {
						moved[from+i] += float32(step) * d
					}
					if x.dropout == 0 {
						return tuner.Loss(b, moved)
					}
					return tuner.Gradient(b, moved, make([]float32, len(theta)), 7)
				}
				ends := []int{}
				for _, u := range tuner.o.Updates {
					ends = append(ends, u.A)
				}
				ends = append(ends, len(theta))
				for i := range len(ends) - 1 {
					from, to := ends[i], ends[i+1]
					direction := randomFloats(r, to-from)
					var want, size float64
					for k, d := range direction {
						g := float64(gradient[from+k])
						want += g * float64(d)
						size += g * g
					}
					slope := func(step float64) float64 {
						return (at(step, direction, from) - at(-step, direction, from)) / (2 * step)
					}
					got := (4*slope(3e-4) - slope(6e-4)) / 3 // without the third derivative
					assert.InDelta(t, want, got, 0.05+0.01*math.Sqrt(size), "update %d", i)
				}
			})
		}
	}
}

// TestSetsAgree: losses and gradients are the same, whatever computes them.
func TestSetsAgree(t *testing.T) {
	c := oddConfig()
	var want []float32
	var wantLoss float64
	eachSet(t, func(t *testing.T, k *kernels) {
		tuner, theta := randomTunerOf(t, randomWeightsFor(t, k, F32, c, nil), c, 0, 0.2)
		got := make([]float32, len(theta))
		loss := tuner.Gradient(randomBatch(c.VocabSize), theta, got, 7)
		if want == nil {
			want, wantLoss = got, loss
		}
		assert.InEpsilon(t, wantLoss, loss, 1e-5)
		for i, v := range want {
			require.InDelta(t, v, got[i], 1e-3+1e-3*math.Abs(float64(v)))
		}
	})
}

// TestLossIsThatOfInference: logits of the other forward pass in this package give the same loss.
func TestLossIsThatOfInference(t *testing.T) {
	eachSet(t, testLossIsThatOfInference)
}

func testLossIsThatOfInference(t *testing.T, k *kernels) {
	c := oddConfig()
	tuner, theta := randomTunerOf(t, randomWeightsFor(t, k, F32, c, nil), c, 0, 0)
	clear(theta)
	b := randomBatch(c.VocabSize)
	w := newInference(tuner.model, 1)
	defer w.crew.close()
	want := 0.0
	for i, row := range b.Rows {
		var text []int32
		for k, s := range b.Segments {
			if int(row) >= s.From && int(row) < s.To {
				if s.Parent != k {
					text = append(text, b.Tokens[b.Segments[s.Parent].From:b.Segments[s.Parent].To]...)
				}
				text = append(text, b.Tokens[s.From:row+1]...)
			}
		}
		q := &sequence{}
		(&pages{shape: w.shape}).reserve(q, len(text))
		last := w.compute(text, []span{{q, 0, len(text), 0}}, []int32{int32(len(text) - 1)})
		logits := make([]float32, c.VocabSize)
		w.logits(last, logits)
		sum := 0.0
		for _, v := range logits {
			sum += math.Exp(float64(v))
		}
		want += math.Log(sum) - float64(logits[b.Labels[i]])
	}
	assert.InEpsilon(t, want, tuner.Loss(b, theta), 1e-5)
}

// TestKept: what is kept of the layers below gives the same loss and gradient, when some, all or nothing of a batch is known, and
// beyond the limit.
func TestKept(t *testing.T) {
	c := oddConfig()
	plain, theta := randomTuner(t, c, 1, 0.2)
	tuner, _ := randomTuner(t, c, 1, 0.2)
	tuner.Keep(int64(4 * c.HiddenSize * 70)) // not all 93 rows of the batch
	whole := randomBatch(c.VocabSize)
	last := whole // its second family, with one child less
	last.Tokens = whole.Tokens[tileQueries+7 : tileQueries+24]
	last.Segments = []Segment{{From: 0, To: 11}, {From: 11, To: 17, Position: 11}}
	last.Rows, last.Labels = []int32{16, 3, 12}, []int32{5, 6, 7}
	for i, b := range []Batch{last, whole, last, whole, whole} {
		want, got := make([]float32, len(theta)), make([]float32, len(theta))
		assert.InDelta(t, plain.Gradient(b, theta, want, 3), tuner.Gradient(b, theta, got, 3), 1e-4, i)
		assert.InDeltaSlice(t, want, got, 1e-4, i)
		assert.InDelta(t, plain.Loss(b, theta), tuner.Loss(b, theta), 1e-4, i)
	}
	assert.Len(t, tuner.kept.at, 70)
	assert.Empty(t, func() []int32 { tuner.Loss(last, theta); return tuner.kept.rows }(), "all of it is known")
}

// TestRecompute gives the same loss and gradients, bit for bit, in less memory.
func TestRecompute(t *testing.T) {
	for _, first := range []int{0, 1} {
		c := oddConfig()
		plain, theta := randomTuner(t, c, first, 0.2)
		tuner, _ := randomTuner(t, c, first, 0.2)
		tuner.o.Recompute = true
		b := randomBatch(c.VocabSize)
		for seed := range uint64(2) {
			want, got := make([]float32, len(theta)), make([]float32, len(theta))
			assert.Equal(t, plain.Gradient(b, theta, want, seed), tuner.Gradient(b, theta, got, seed))
			assert.Equal(t, want, got)
			assert.Equal(t, plain.Loss(b, theta), tuner.Loss(b, theta))
		}
		whole := 0
		for _, tp := range tuner.tapes {
			if cap(tp.gateUp.floats) > 0 {
				whole++
			}
		}
		assert.Equal(t, 1, whole, "one layer's tape is whole")
	}
}

// TestRoundedIsPredicted: what holds rounded vectors is as large as predicted, with experts, whose rows fill no tiles, below the layers
// that are tuned and among them.
func TestRoundedIsPredicted(t *testing.T) {
	mlp, experts := []lm.Part{lm.Gate, lm.Up, lm.Down}, []lm.Part{lm.Router, lm.ExpertsGateUp, lm.ExpertsDown}
	for name, lacks := range map[string][][]lm.Part{"no experts": {experts, experts, experts}, "below": {mlp, experts, experts}, "among them": {experts, mlp, mlp}} {
		c := oddConfig()
		addExperts(&c)
		c.Lacks = lacks
		tuner, theta := randomTunerOf(t, randomWeightsFor(t, best, BF16, c, nil), c, 1, 0)
		b := randomBatch(c.VocabSize)
		tuner.Gradient(b, theta, make([]float32, len(theta)), 7)
		got, want := cap(tuner.crew.rounder.bits), tuner.rounded(len(b.Tokens), lossRows)
		assert.LessOrEqual(t, got, want, name)
		assert.Less(t, float64(want), 1.2*float64(got), name)
	}
}

// TestMemoryBelow: layers below those that are tuned share memory, which is that of the largest, wherever it is.
func TestMemoryBelow(t *testing.T) {
	mlp, experts := []lm.Part{lm.Gate, lm.Up, lm.Down}, []lm.Part{lm.Router, lm.ExpertsGateUp, lm.ExpertsDown}
	memory := func(lacks ...[]lm.Part) int64 {
		c := oddConfig()
		addExperts(&c)
		c.Lacks = lacks
		tuner := NewTuner(c, randomWeights(t, c, nil), TunerOptions{Updates: []Update{{Path: c.Path(2, lm.O), Rank: 3, Scale: 1, B: 3 * c.QDim()}}})
		t.Cleanup(tuner.Close)
		return tuner.Memory(Size{Tokens: 100, Rows: 50, Longest: 40}, false)
	}
	assert.Equal(t, memory(mlp, experts, experts), memory(experts, mlp, experts))
	assert.Greater(t, memory(mlp, experts, experts), memory(experts, experts, experts))
}
