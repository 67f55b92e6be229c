package lora

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/adapter"
)

const variants = "../internal/golden/testdata/variants"

// variantRun is run.json of a variant, which internal/ci/variants.py writes.
type variantRun struct {
	Checkpoint string
	NewTokens  int     `json:"new_tokens"`
	Ratio      float64 // of LoRA+
	Settings   struct {
		Targets     any      `json:"target_modules"`
		DoRA        bool     `json:"use_dora"`
		RSLoRA      bool     `json:"use_rslora"`
		LoRABias    bool     `json:"lora_bias"`
		Bias        Bias     `json:"bias"`
		SaveModules []string `json:"modules_to_save"`
		Tokens      []int    `json:"trainable_token_indices"`
		Start       Start    `json:"init_lora_weights"`
	}
	Optimizer golden.Optimizer
	Batches   [][][]int32
	Losses    []float64
	GradNorm  float64 `json:"grad_norm_step0"`
}

func (r variantRun) config() Config {
	c := DefaultConfig()
	c.Rank, c.Alpha, c.Targets = 4, 8, nil
	if list, ok := r.Settings.Targets.([]any); ok {
		for _, x := range list {
			c.Targets = append(c.Targets, x.(string))
		}
	} else {
		c.Targets = []string{AllLinear}
	}
	s := r.Settings
	c.DoRA, c.RSLoRA, c.LoRABias, c.Bias, c.SaveModules, c.Tokens, c.Start, c.LoRAPlus = s.DoRA, s.RSLoRA, s.LoRABias, s.Bias, s.SaveModules, s.Tokens, s.Start, r.Ratio
	c.LearningRate, c.WeightDecay, c.Schedule, c.MaxGradNorm, c.MaxSeqLen = r.Optimizer.Rate, r.Optimizer.Decay, Constant, 0, 64
	return c
}

// steps are the batches; in every other one the second row ends early.
func (r variantRun) steps() (out [][]example) {
	for i, batch := range r.Batches {
		var step []example
		for row, ids := range batch {
			length := len(ids)
			if i%2 == 1 && row == 1 {
				length = 14
			}
			step = append(step, untrained(ids, length))
		}
		out = append(out, step)
	}
	return out
}

// TestVariants repeats twelve steps of PEFT for each kind of LoRA beside the plain one, and reads what PEFT and docent saved.
func TestVariants(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join(variants, "*"))
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	bothComputers(t, func(t *testing.T, backend compute.Backend) {
		for _, dir := range folders {
			t.Run(filepath.Base(dir), func(t *testing.T) { repeatVariant(t, backend, dir) })
		}
	})
}

func repeatVariant(t *testing.T, backend compute.Backend, dir string) {
	run := golden.JSON[variantRun](t, dir, "run.json")
	ids, shape := golden.Ints(t, dir, "logits.safetensors", "input_ids")
	want, _ := golden.Floats(t, dir, "logits.safetensors", "logits")
	final := filepath.Join(dir, "final")
	if backend == nil { // reading and merging are the same for both
		golden.Close(t, want, mergedLogits(t, final, ids, shape), 1e-4, "logits of PEFT's adapter")
	}

	folder, err := filepath.Abs(filepath.Join(dir, "../../tiny", run.Checkpoint, "model"))
	require.NoError(t, err)
	if run.NewTokens > 0 { // the model with the rows of the new tokens
		grown := filepath.Join(t.TempDir(), "grown")
		require.NoError(t, Merge(t.Context(), openBase(t, backend, "dir:"+filepath.Join(dir, "init")), nil, grown, MergeOptions{}))
		folder = grown
	}
	base, c := openBase(t, backend, "dir:"+folder), run.config()
	start, err := LoadAdapter(os.DirFS(filepath.Join(dir, "init")))
	require.NoError(t, err)
	if c.Start != "" {
		sameStart(t, base, c, start.a)
		for path, m := range start.a.Modules {
			start.a.Modules[path] = doubled(m)
		}
	}
	tr, err := NewTrainer(base, c, Options{Init: start})
	if run.Checkpoint == "gemma2" && c.Tokens == nil { // of which PEFT trains the two uses apart
		require.ErrorContains(t, err, "Targets")
		return
	}
	require.NoError(t, err)
	defer tr.Close()
	steps := run.steps()
	p := tr.layout.newPlan(steps, c.MicroTokens)
	for i, batch := range steps {
		s, err := tr.update(t.Context(), Step{N: i + 1, LearningRate: c.LearningRate}, p.calls(batch))
		require.NoError(t, err)
		require.InEpsilon(t, run.Losses[i], s.Loss, 1e-4, "loss of step %d", i+1)
		if i == 0 {
			assert.InEpsilon(t, run.GradNorm, s.GradNorm, 1e-4, "gradient norm")
		}
	}
	theirs, err := LoadAdapter(os.DirFS(final))
	require.NoError(t, err)
	fitted, err := base.model.Fit(theirs.a)
	require.NoError(t, err)
	ours, err := tr.Adapter()
	require.NoError(t, err)
	compareAll(t, fitted, ours.a)

	if backend != nil {
		return
	}
	saved := t.TempDir()
	require.NoError(t, ours.Save(t.Context(), saved))
	golden.Close(t, want, mergedLogits(t, saved, ids, shape), 5e-3, "logits of our adapter, saved")
	merged := filepath.Join(t.TempDir(), "merged")
	require.NoError(t, Merge(t.Context(), base, ours, merged, MergeOptions{}))
	golden.Close(t, want, mergedLogits(t, merged, ids, shape), 5e-3, "logits of our adapter, merged")
	back, err := LoadAdapter(os.DirFS(saved))
	require.NoError(t, err)
	again, err := NewTrainer(base, c, Options{Init: back})
	require.NoError(t, err)
	defer again.Close()
	theta, _, _, err := tr.computer.state()
	require.NoError(t, err)
	resumed, _, _, err := again.computer.state()
	require.NoError(t, err)
	assert.Equal(t, theta, resumed)
}

// compareAll compares all that two adapters have, as compareAdapter does.
func compareAll(t *testing.T, want, got *adapter.Adapter) {
	t.Helper()
	require.Equal(t, want.Paths(), got.Paths())
	worst := 0.0
	for path, w := range want.Modules {
		g := got.Modules[path]
		for i, pair := range [][2][]float32{{w.A, g.A}, {w.B, g.B}, {w.Magnitude, g.Magnitude}, {w.Bias, g.Bias}} {
			require.Equal(t, len(pair[0]), len(pair[1]), "%s, vector %d", path, i)
			worst = max(worst, distance(pair[0], pair[1]))
		}
	}
	for name, g := range got.Weights {
		worst = max(worst, distance(want.Weights[name].Values, g.Values))
	}
	for name, g := range got.Rows {
		assert.Equal(t, want.Rows[name].Tokens, g.Tokens)
		worst = max(worst, distance(want.Rows[name].Values, g.Values))
	}
	assert.Less(t, worst, 0.02, "relative distance")
	t.Logf("largest relative distance: %.2g", worst)
}

// doubled is a start of PEFT in docent's form: what is frozen takes it off.
func doubled(m adapter.Module) adapter.Module {
	out := adapter.Module{Rank: 2 * m.Rank, In: m.In, Out: m.Out, Scale: m.Scale, A: slices.Concat(m.A, m.A)}
	for o := range m.Out {
		row := m.B[o*m.Rank : (o+1)*m.Rank]
		out.B = append(out.B, row...)
		for _, v := range row {
			out.B = append(out.B, -v)
		}
	}
	return out
}

// sameStart compares docent's start with PEFT's, in which each column of B and row of A may have the other sign.
func sameStart(t *testing.T, base *Base, c Config, want *adapter.Adapter) {
	tr, err := NewTrainer(base, c, Options{})
	require.NoError(t, err)
	defer tr.Close()
	a, err := tr.Adapter()
	require.NoError(t, err)
	for path, w := range want.Modules {
		g := a.a.Modules[path]
		for r := range w.Rank {
			var along float32
			for i := range w.In {
				along += w.A[r*w.In+i] * g.A[r*w.In+i]
			}
			sign := float32(cmp.Compare(along, 0))
			for i := range w.In {
				require.InDelta(t, w.A[r*w.In+i], sign*g.A[r*w.In+i], 1e-4, path)
			}
			for o := range w.Out {
				require.InDelta(t, w.B[o*w.Rank+r], sign*g.B[o*g.Rank+r], 1e-4, path)
			}
		}
	}
}

// TestRefusedKinds: what PEFT does not have, or docent would not compute as PEFT does, is named.
func TestRefusedKinds(t *testing.T) {
	tied, untied := openBase(t, nil, "dir:"+filepath.Join(variants, "../tiny/qwen2/model")), openBase(t, nil, "dir:"+filepath.Join(variants, "../tiny/llama/model"))
	quantised, err := OpenBase(t.Context(), "dir:"+filepath.Join(variants, "../tiny/llama/model"), BaseOptions{Precision: Int8})
	require.NoError(t, err)
	defer quantised.Close()
	for _, x := range []struct {
		base   *Base
		change func(c *Config)
		want   string
	}{
		{tied, func(c *Config) { c.LoRABias = true }, "o_proj has no bias"},
		{tied, func(c *Config) { c.Targets = []string{"q_proj", "embed_tokens"} }, "SaveModules"},
		{tied, func(c *Config) { c.Targets = []string{"q_proj", "lm_head"} }, "its head is its embedding, embed_tokens"},
		{tied, func(c *Config) { c.SaveModules = []string{"lm_head"} }, "its head is its embedding, embed_tokens"},
		{tied, func(c *Config) { c.SaveModules, c.Tokens = []string{"embed_tokens"}, []int{3} }, "Tokens"},
		{tied, func(c *Config) { c.SaveModules = []string{"up_proj"} }, "up_proj"},
		{tied, func(c *Config) { c.Tokens = []int{3, 160} }, "below 160"},
		{tied, func(c *Config) { c.Tokens = []int{3, 3} }, "different ids"},
		{tied, func(c *Config) { c.Bias = "some" }, "Bias"},
		{tied, func(c *Config) { c.Start = "corda" }, "Start"},
		{tied, func(c *Config) { c.DoRA, c.Dropout = true, 0.1 }, "Dropout"},
		{tied, func(c *Config) { c.Start, c.Dropout = PiSSA, 0.1 }, "Dropout"},
		{tied, func(c *Config) { c.DoRA, c.Start = true, OLoRA }, "DoRA"},
		{tied, func(c *Config) { c.LoRABias, c.Start = true, OLoRA }, "LoRABias"},
		{tied, func(c *Config) { c.LoRAPlus = -1 }, "LoRAPlus"},
		{tied, func(c *Config) { c.Start, c.Rank = PiSSA, 64 }, "rank 64"},
		{tied, func(c *Config) { c.Patience = 1 }, "EvalEvery"},
		{quantised, func(c *Config) { c.DoRA = true }, "held as int8"},
		{untied, func(c *Config) { c.Targets, c.Dropout = []string{"lm_head"}, 0.1 }, "Dropout"},
		{untied, func(c *Config) { c.Targets, c.DoRA = []string{"embed_tokens"}, true }, "plain LoRA only"},
		{untied, func(c *Config) { c.Targets, c.SaveModules = []string{"lm_head"}, []string{"lm_head"} }, "one of Targets too"},
	} {
		c := DefaultConfig()
		c.MaxSeqLen = 64
		x.change(&c)
		_, err := NewTrainer(x.base, c, Options{})
		assert.ErrorContains(t, err, x.want)
	}
}
