package lora

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/testmodel"
)

// chatRows are a few small conversations.
func chatRows(n int) iter.Seq2[dataset.Row, error] {
	return func(yield func(dataset.Row, error) bool) {
		for i := range n {
			row := dataset.Row{Source: "test", Messages: []dataset.Message{
				{Role: "system", Content: "You know numbers."},
				{Role: "user", Content: fmt.Sprintf("What is number %d?", i)},
				{Role: "assistant", Content: fmt.Sprintf("It is %d.", i*i)},
			}}
			if !yield(row, nil) {
				return
			}
		}
	}
}

func smallConfig() Config {
	c := DefaultConfig()
	c.Rank, c.Alpha, c.MaxSeqLen, c.BatchSize, c.Epochs, c.LearningRate = 4, 8, 256, 3, 2, 1e-2
	return c
}

// bothComputers runs a test on docent's own code and on graphs.
func bothComputers(t *testing.T, test func(t *testing.T, backend compute.Backend)) {
	t.Run("cpu", func(t *testing.T) { test(t, nil) })
	t.Run("graphs", func(t *testing.T) { test(t, golden.Backend(t)) })
}

func newTrainer(t *testing.T, backend compute.Backend, c Config, o Options) *Trainer {
	t.Helper()
	tr, err := NewTrainer(openBase(t, backend, "dir:"+testmodel.Write(t, 1)), c, o)
	require.NoError(t, err)
	t.Cleanup(func() { tr.Close() })
	return tr
}

func tokenized(t *testing.T, tr *Trainer, n int) *Examples {
	t.Helper()
	e, err := tr.Tokenize(t.Context(), chatRows(n))
	require.NoError(t, err)
	return e
}

// losses ranges over the steps, up to stop of them.
func losses(t *testing.T, tr *Trainer, e *Examples, stop int) (out []float64) {
	t.Helper()
	for s, err := range tr.Steps(t.Context(), e) {
		require.NoError(t, err)
		out = append(out, s.Loss)
		if len(out) == stop {
			break
		}
	}
	return out
}

func TestTrainLearnsAndReports(t *testing.T) {
	bothComputers(t, func(t *testing.T, backend compute.Backend) {
		var stages []string
		evaluations := 0
		dir := t.TempDir()
		c := smallConfig()
		c.Epochs, c.EvalEvery, c.SaveEvery, c.KeepCheckpoints = 10, 5, 4, 2
		tr := newTrainer(t, backend, c, Options{Dir: dir, Progress: func(p Progress) {
			stages = append(stages, p.Stage)
			if p.Eval != nil {
				evaluations++
			}
		}})
		e := tokenized(t, tr, 7)
		r, err := tr.Train(t.Context(), e, e)
		require.NoError(t, err)
		assert.Equal(t, 30, r.Steps, "seven rows are three steps an epoch, the last one short")
		assert.Less(t, r.Final.Loss, r.Base.Loss)
		assert.LessOrEqual(t, r.Best.Loss, r.Final.Loss)
		assert.InDelta(t, math.Exp(r.Final.Loss), r.Final.Perplexity, 1e-9)
		assert.Equal(t, 7, r.Final.Rows)
		assert.Equal(t, e.Stats().TrainedTokens, r.Final.Tokens)
		assert.Contains(t, stages, "train")
		assert.Equal(t, 1+5+1, evaluations, "before, after every fifth step but the last, and at the end")
		assert.Contains(t, stages, "checkpoint")
		kept, err := filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		assert.Len(t, kept, 3, "the last two checkpoints and the best adapter, and nothing else")
		assert.Equal(t, filepath.Join(dir, "step-000030"), r.Checkpoint)
		if g, ok := tr.computer.(*graphs); ok {
			assert.Len(t, g.shapes, 2, "one graph for training and one for evaluation")
		}
	})
}

func TestResumeGivesTheLossesOfTheUnbrokenRun(t *testing.T) {
	bothComputers(t, func(t *testing.T, backend compute.Backend) {
		c := smallConfig()
		c.Epochs, c.Dropout, c.Schedule, c.Warmup = 4, 0.2, Cosine, 0.25
		whole := newTrainer(t, backend, c, Options{})
		want := losses(t, whole, tokenized(t, whole, 8), 0)

		dir := t.TempDir()
		first := newTrainer(t, backend, c, Options{Dir: dir})
		got := losses(t, first, tokenized(t, first, 8), 5)
		_, err := first.Save(t.Context())
		require.NoError(t, err)

		second := newTrainer(t, backend, c, Options{Dir: dir})
		require.NoError(t, second.Resume(t.Context(), ""))
		got = append(got, losses(t, second, tokenized(t, second, 8), 0)...)
		assert.Equal(t, want, got)
	})
}

// TestKilledAndResumed kills a training process at several moments. What it leaves resumes to the same losses.
func TestKilledAndResumed(t *testing.T) {
	if os.Getenv("DOCENT_TEST_KILLED") != "" {
		killedChild(t)
		return
	}
	if testing.Short() {
		t.Skip("it starts processes")
	}
	folder := testmodel.Write(t, 1)
	run := func(dir string, killAt int) []float64 {
		child := exec.Command(os.Args[0], "-test.run=^TestKilledAndResumed$", "-test.timeout=2m")
		child.Env = append(os.Environ(), "DOCENT_TEST_KILLED="+dir, "DOCENT_TEST_MODEL="+folder)
		var out bytes.Buffer
		child.Stdout = &out
		require.NoError(t, child.Start())
		if killAt > 0 { // at some moment after this checkpoint was begun
			require.Eventually(t, func() bool {
				latest, err := LatestCheckpoint(filepath.Join(dir, "artifacts_tmp"))
				return err == nil && latest >= filepath.Join(dir, "artifacts_tmp", fmt.Sprintf("step-%06d", killAt))
			}, time.Minute, time.Millisecond)
			child.Process.Kill()
			child.Wait()
			return nil
		}
		require.NoError(t, child.Wait(), out.String())
		data, err := os.ReadFile(filepath.Join(dir, "losses.json"))
		require.NoError(t, err)
		var losses []float64
		require.NoError(t, json.Unmarshal(data, &losses))
		return losses
	}
	want := run(t.TempDir(), 0)
	require.Len(t, want, 12)
	dir := t.TempDir()
	for _, step := range []int{2, 4, 7} {
		run(dir, step)
	}
	got := run(dir, 0)
	require.NotEmpty(t, got)
	assert.Equal(t, want[12-len(got):], got, "the steps after the last checkpoint")
	t.Logf("%d of %d steps were left after the kills", len(got), len(want))
}

// killedChild trains, saving at every step, and writes its losses at the end.
func killedChild(t *testing.T) {
	dir := os.Getenv("DOCENT_TEST_KILLED")
	c := smallConfig()
	c.Epochs, c.SaveEvery, c.KeepCheckpoints = 4, 1, 2
	tr, err := NewTrainer(openBase(t, nil, "dir:"+os.Getenv("DOCENT_TEST_MODEL")), c, Options{Dir: filepath.Join(dir, "artifacts_tmp")})
	require.NoError(t, err)
	if err := tr.Resume(t.Context(), ""); !errors.Is(err, ErrNoCheckpoint) {
		require.NoError(t, err)
	}
	e := tokenized(t, tr, 9)
	var out []float64
	for s, err := range tr.Steps(t.Context(), e) {
		require.NoError(t, err)
		out = append(out, s.Loss)
		_, err = tr.Save(t.Context())
		require.NoError(t, err)
	}
	data, err := json.Marshal(out)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "losses.json"), data, 0o644))
}

// TestAccumulationAveragesOverTokens: rows of different length in several batches and device calls weigh as in one.
func TestAccumulationAveragesOverTokens(t *testing.T) {
	bothComputers(t, func(t *testing.T, backend compute.Backend) {
		c := smallConfig()
		c.BatchSize, c.GradAccum, c.Epochs = 8, 1, 1
		one := newTrainer(t, backend, c, Options{})
		want := losses(t, one, tokenized(t, one, 8), 0)
		wantAdapter, err := one.Adapter()
		require.NoError(t, err)

		c.BatchSize, c.GradAccum, c.MicroTokens = 2, 4, 64
		parts := newTrainer(t, backend, c, Options{})
		got := losses(t, parts, tokenized(t, parts, 8), 0)
		require.Len(t, got, 1)
		assert.InEpsilon(t, want[0], got[0], 1e-5)
		adapter, err := parts.Adapter()
		require.NoError(t, err)
		for path, m := range wantAdapter.a.Modules {
			assert.Less(t, distance(m.A, adapter.a.Modules[path].A), 1e-3, path)
		}
	})
}

func TestAdapterRoundTripAndMerge(t *testing.T) {
	bothComputers(t, func(t *testing.T, backend compute.Backend) {
		tr := newTrainer(t, backend, smallConfig(), Options{})
		e := tokenized(t, tr, 6)
		losses(t, tr, e, 0)
		tuned, err := tr.Evaluate(t.Context(), e)
		require.NoError(t, err)
		a, err := tr.Adapter()
		require.NoError(t, err)

		dir := t.TempDir()
		require.NoError(t, a.Save(t.Context(), dir))
		back, err := LoadAdapter(os.DirFS(dir))
		require.NoError(t, err)
		assert.Equal(t, a.a.Modules, back.a.Modules)
		assert.Equal(t, 4, back.Info().Rank)
		assert.Equal(t, tr.base.Modules(), sortedLike(tr.base.Modules(), back.Info().Modules))

		again, err := NewTrainer(tr.base, smallConfig(), Options{Init: back})
		require.NoError(t, err)
		defer again.Close()
		same, err := again.Evaluate(t.Context(), e)
		require.NoError(t, err)
		assert.InDelta(t, tuned.Loss, same.Loss, 1e-6)

		// The merged folder, and the adapter folder opened as a model, give the loss of base and adapter together.
		merged := filepath.Join(t.TempDir(), "out", "model_out")
		require.NoError(t, Merge(t.Context(), tr.base, a, merged, MergeOptions{}))
		for _, ref := range []string{merged, dir} {
			b := openBase(t, tr.base.backend, "dir:"+ref)
			plain, err := NewTrainer(b, smallConfig(), Options{}) // a new adapter changes nothing
			require.NoError(t, err)
			got, err := plain.Evaluate(t.Context(), e)
			require.NoError(t, err)
			assert.InDelta(t, tuned.Loss, got.Loss, 1e-5, ref)
			plain.Close()
		}
		require.NoError(t, Merge(t.Context(), tr.base, nil, merged, MergeOptions{Precision: BF16, ShardBytes: 20_000}), "a model folder is replaced")
		shards, err := filepath.Glob(filepath.Join(merged, "model-*.safetensors"))
		require.NoError(t, err)
		assert.NotEmpty(t, shards)
		openBase(t, tr.base.backend, "dir:"+merged)

		other := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(other, "thesis.tex"), []byte("years of work"), 0o644))
		assert.ErrorContains(t, Merge(t.Context(), tr.base, a, other, MergeOptions{}), "not a model folder")
		assert.FileExists(t, filepath.Join(other, "thesis.tex"))
		left, err := filepath.Glob(filepath.Join(filepath.Dir(merged), ".*"))
		require.NoError(t, err)
		assert.Empty(t, left, "no temporary folder is left")
	})
}

// sortedLike returns b in the order of a, if they hold the same.
func sortedLike(a, b []string) []string {
	out := slices.Clone(b)
	slices.SortFunc(out, func(x, y string) int { return slices.Index(a, x) - slices.Index(a, y) })
	return out
}

func TestTrainableParametersByFormula(t *testing.T) {
	c := smallConfig()
	c.Targets = []string{"q_proj", "v_proj"}
	tr := newTrainer(t, nil, c, Options{})
	m := tr.base.model.Config
	assert.Equal(t, m.Layers*c.Rank*(2*m.HiddenSize+m.QDim()+m.KVDim()), tr.TrainableParameters())
}

// TestFrozenLayers: the first layers get no adapter, the others train as if they had been named one by one, and the files
// say so.
func TestFrozenLayers(t *testing.T) {
	bothComputers(t, func(t *testing.T, backend compute.Backend) {
		c := smallConfig()
		c.FrozenLayers = 1
		tr := newTrainer(t, backend, c, Options{})
		got := losses(t, tr, tokenized(t, tr, 6), 0)
		named := smallConfig()
		named.Targets = nil
		for _, path := range tr.base.Modules() {
			if !strings.Contains(path, "layers.0.") {
				named.Targets = append(named.Targets, path)
			}
		}
		upper := newTrainer(t, backend, named, Options{})
		assert.Equal(t, losses(t, upper, tokenized(t, upper, 6), 0), got)
		assert.Less(t, got[len(got)-1], got[0])

		a, err := tr.Adapter()
		require.NoError(t, err)
		assert.ElementsMatch(t, named.Targets, a.Info().Modules)
		dir := t.TempDir()
		require.NoError(t, a.Save(t.Context(), dir))
		data, err := os.ReadFile(filepath.Join(dir, "adapter_config.json"))
		require.NoError(t, err)
		var config struct {
			Layers []int `json:"layers_to_transform"`
		}
		require.NoError(t, json.Unmarshal(data, &config))
		assert.Equal(t, []int{1}, config.Layers)

		c.FrozenLayers = tr.base.Info().Layers
		_, err = NewTrainer(tr.base, c, Options{})
		var field *ConfigError
		require.ErrorAs(t, err, &field)
		assert.Equal(t, "FrozenLayers", field.Field)
	})
}

func TestFreshAdapterChangesNothing(t *testing.T) {
	bothComputers(t, func(t *testing.T, backend compute.Backend) {
		tr := newTrainer(t, backend, smallConfig(), Options{})
		e := tokenized(t, tr, 4)
		before, err := tr.Evaluate(t.Context(), e)
		require.NoError(t, err)
		require.NoError(t, tr.computer.setState(make([]float32, tr.layout.size), nil, nil))
		none, err := tr.Evaluate(t.Context(), e)
		require.NoError(t, err)
		assert.Equal(t, none.Loss, before.Loss)
	})
}

func TestDivergenceStopsAndKeepsTheAdapter(t *testing.T) {
	bothComputers(t, func(t *testing.T, backend compute.Backend) {
		c := smallConfig()
		c.LearningRate, c.MaxGradNorm, c.Epochs, c.Schedule = 1e30, 0, 50, Constant
		tr := newTrainer(t, backend, c, Options{})
		var last error
		for _, err := range tr.Steps(t.Context(), tokenized(t, tr, 6)) {
			last = err
		}
		var diverged *DivergedError
		require.ErrorAs(t, last, &diverged)
		assert.Equal(t, tr.step+1, diverged.Step)
		a, err := tr.Adapter()
		require.NoError(t, err)
		for path, m := range a.a.Modules {
			assert.False(t, slices.ContainsFunc(slices.Concat(m.A, m.B), func(x float32) bool { return math.IsNaN(float64(x)) }), path)
		}
	})
}

func TestCancelledTrainSavesACheckpoint(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	c := smallConfig()
	c.Epochs = 20
	tr := newTrainer(t, nil, c, Options{Dir: dir, Progress: func(p Progress) {
		if p.Stage == "train" && p.Done == 4 {
			cancel()
		}
	}})
	e := tokenized(t, tr, 6)
	r, err := tr.Train(ctx, e, nil)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 4, r.Steps)
	latest, err := LatestCheckpoint(dir)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "step-000004"), latest)
}

func TestCancelledEvaluationSavesACheckpoint(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	c := smallConfig()
	c.Epochs, c.EvalEvery = 20, 3
	tr := newTrainer(t, nil, c, Options{Dir: dir, Progress: func(p Progress) {
		if p.Stage == "train" && p.Done == 3 {
			cancel()
		}
	}})
	e := tokenized(t, tr, 6)
	_, err := tr.Train(ctx, e, e)
	require.ErrorIs(t, err, context.Canceled)
	latest, err := LatestCheckpoint(dir)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "step-000003"), latest)
}

func TestWhatDoesNotFitIsNamed(t *testing.T) {
	base := openBase(t, nil, "dir:"+testmodel.Write(t, 1))
	c := smallConfig()
	c.Targets = []string{"q_proj", "query"}
	_, err := NewTrainer(base, c, Options{})
	require.ErrorIs(t, err, ErrTarget)
	assert.ErrorContains(t, err, `"query"`)
	assert.ErrorContains(t, err, "gate_proj")

	c = smallConfig()
	c.MaxSeqLen = 1 << 20
	_, err = NewTrainer(base, c, Options{})
	var field *ConfigError
	require.ErrorAs(t, err, &field)
	assert.Equal(t, "MaxSeqLen", field.Field)

	err = Config{Schedule: "sometimes", Dropout: 1}.Validate()
	for _, name := range []string{"Rank", "Alpha", "Dropout", "Targets", "Epochs", "BatchSize", "GradAccum", "MaxSeqLen", "LearningRate", "Schedule"} {
		assert.ErrorContains(t, err, name)
	}

	// A checkpoint of another configuration, or another base, is not resumed.
	dir := t.TempDir()
	tr, err := NewTrainer(base, smallConfig(), Options{Dir: dir})
	require.NoError(t, err)
	defer tr.Close()
	require.ErrorIs(t, tr.Resume(t.Context(), ""), ErrNoCheckpoint)
	losses(t, tr, tokenized(t, tr, 6), 1)
	_, err = tr.Save(t.Context())
	require.NoError(t, err)
	c = smallConfig()
	c.LearningRate *= 2
	other, err := NewTrainer(base, c, Options{Dir: dir})
	require.NoError(t, err)
	defer other.Close()
	err = other.Resume(t.Context(), "")
	require.ErrorIs(t, err, ErrMismatch)
	assert.ErrorContains(t, err, "LearningRate")
	foreign, err := NewTrainer(openBase(t, base.backend, "dir:"+testmodel.Write(t, 2)), smallConfig(), Options{Dir: dir})
	require.NoError(t, err)
	defer foreign.Close()
	require.ErrorIs(t, foreign.Resume(t.Context(), ""), ErrMismatch)
	halves, err := OpenBase(t.Context(), base.model.Ref.String(), BaseOptions{Backend: base.backend, Precision: BF16})
	require.NoError(t, err)
	defer halves.Close()
	rounded, err := NewTrainer(halves, smallConfig(), Options{Dir: dir})
	require.NoError(t, err)
	defer rounded.Close()
	err = rounded.Resume(t.Context(), "")
	require.ErrorIs(t, err, ErrMismatch)
	assert.ErrorContains(t, err, "bf16")

	// Nor are its steps continued on other examples.
	same, err := NewTrainer(base, smallConfig(), Options{Dir: dir})
	require.NoError(t, err)
	defer same.Close()
	require.NoError(t, same.Resume(t.Context(), ""))
	for _, err := range same.Steps(t.Context(), tokenized(t, same, 5)) {
		require.ErrorIs(t, err, ErrMismatch)
	}
}

func TestClosedTrainer(t *testing.T) {
	bothComputers(t, func(t *testing.T, backend compute.Backend) {
		tr := newTrainer(t, backend, smallConfig(), Options{Dir: t.TempDir()})
		e := tokenized(t, tr, 3)
		require.NoError(t, tr.Close())
		require.NoError(t, tr.Close())
		for _, err := range tr.Steps(t.Context(), e) {
			require.ErrorIs(t, err, errClosed)
		}
		_, err := tr.Evaluate(t.Context(), e)
		require.ErrorIs(t, err, errClosed)
		_, err = tr.Save(t.Context())
		require.ErrorIs(t, err, errClosed)
		_, err = tr.Adapter()
		require.ErrorIs(t, err, errClosed)
	})
}

func TestTokenizeCountsWhatItCuts(t *testing.T) {
	c := smallConfig()
	c.MaxSeqLen = 40
	tr := newTrainer(t, nil, c, Options{})
	rows := func(yield func(dataset.Row, error) bool) {
		_ = yield(dataset.Row{Text: "short"}, nil) &&
			yield(dataset.Row{Prompt: "What? ", Completion: "This."}, nil) &&
			yield(dataset.Row{Text: string(bytes.Repeat([]byte("long "), 100))}, nil) &&
			yield(dataset.Row{Prompt: string(bytes.Repeat([]byte("prompt "), 100)), Completion: "cut away"}, nil)
	}
	e, err := tr.Tokenize(t.Context(), rows)
	require.NoError(t, err)
	assert.Equal(t, ExampleStats{Rows: 3, Tokens: 6 + 12 + 40, TrainedTokens: 5 + 6 + 39, Truncated: 2, Skipped: 1}, e.Stats())

	c.TrainOnPrompt = true // but no first token, which nothing predicts
	e, err = newTrainer(t, nil, c, Options{}).Tokenize(t.Context(), rows)
	require.NoError(t, err)
	assert.Equal(t, ExampleStats{Rows: 4, Tokens: 6 + 12 + 40 + 40, TrainedTokens: 5 + 11 + 39 + 39, Truncated: 2}, e.Stats())

	_, err = tr.Tokenize(t.Context(), func(yield func(dataset.Row, error) bool) {})
	require.ErrorIs(t, err, ErrNoExamples)
	_, err = tr.Tokenize(t.Context(), func(yield func(dataset.Row, error) bool) { yield(dataset.Row{Source: "a.pdf"}, nil) })
	assert.ErrorContains(t, err, "a.pdf")
}

// TestQuestionAnswerTokens: package serve has a test with the same tokens, so a model is asked as it was trained.
func TestQuestionAnswerTokens(t *testing.T) {
	tr, err := NewTrainer(openBase(t, nil, "dir:"+testmodel.WriteQA(t, 1)), smallConfig(), Options{})
	require.NoError(t, err)
	defer tr.Close()
	examples, err := tr.examples(dataset.Row{Source: "test", Messages: []dataset.Message{
		{Role: "system", Content: testmodel.QAContext}, {Role: "user", Content: testmodel.QAQuestion}, {Role: "assistant", Content: "Now."},
	}})
	require.NoError(t, err)
	require.Len(t, examples, 1)
	assert.Equal(t, append(testmodel.QATokens(" Now."), 258), examples[0].ids)
	assert.Equal(t, len(testmodel.QATokens("")), slices.Index(examples[0].trained, true))
}

func TestScheduleIsThatOfTransformers(t *testing.T) {
	c := Config{LearningRate: 1, Warmup: 1. / 3, Schedule: Linear}
	var got []float64
	for n := range 6 {
		got = append(got, c.learningRate(n, 6))
	}
	assert.Equal(t, []float64{0, 0.5, 1, 0.75, 0.5, 0.25}, got)
	c.Schedule = Cosine
	assert.InDelta(t, 0.5, c.learningRate(4, 6), 1e-12)
	c.Schedule = Constant
	assert.Equal(t, 1.0, c.learningRate(5, 6))
}

func TestShortRunReachesItsLearningRate(t *testing.T) {
	c := DefaultConfig()
	for total := 1; total < 200; total++ {
		peak := 0.0
		for n := range total {
			peak = max(peak, c.learningRate(n, total))
		}
		assert.Equal(t, c.LearningRate, peak, "%d steps", total)
	}
	assert.Equal(t, c.LearningRate, c.learningRate(0, 10), "no step of a short run is lost")
	assert.Zero(t, c.learningRate(0, 100))
	assert.Equal(t, c.LearningRate, c.learningRate(5, 100))
}

// TestCompletionEndsAsTheTokenizerSays: of a list of ends, the first need not be the one that ends a text.
func TestCompletionEndsAsTheTokenizerSays(t *testing.T) {
	dir := testmodel.Write(t, 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "generation_config.json"), []byte(`{"eos_token_id": [256, 258]}`), 0o644))
	tr, err := NewTrainer(openBase(t, nil, "dir:"+dir), smallConfig(), Options{})
	require.NoError(t, err)
	defer tr.Close()
	examples, err := tr.examples(dataset.Row{Prompt: "a", Completion: "b"})
	require.NoError(t, err)
	assert.Equal(t, []int32{'a', 'b', 258}, examples[0].ids)
}

// TestPatterns: modules have ranks and alphas of their own, in training, on both computers alike, and in what PEFT is told.
func TestPatterns(t *testing.T) {
	bothComputers(t, func(t *testing.T, backend compute.Backend) {
		c := smallConfig()
		c.Rank, c.Alpha = 4, 8
		c.Patterns = []Pattern{{Modules: `layers\.0\..*q_proj`, Rank: 2, Alpha: 3}, {Modules: "q_proj", Rank: 6}}
		tr, err := NewTrainer(openBase(t, backend, "dir:"+testmodel.Write(t, 1)), c, Options{})
		require.NoError(t, err)
		defer tr.Close()
		a, err := tr.Adapter()
		require.NoError(t, err)
		dir := t.TempDir()
		require.NoError(t, a.Save(t.Context(), dir))
		back, err := LoadAdapter(os.DirFS(dir))
		require.NoError(t, err)
		assert.Equal(t, a.a.Modules, back.a.Modules)
		for path, want := range map[string][2]float64{
			"model.layers.0.self_attn.q_proj": {2, 1.5}, "model.layers.1.self_attn.q_proj": {6, 8.0 / 6}, "model.layers.0.self_attn.v_proj": {4, 2},
		} {
			assert.Equal(t, want, [2]float64{float64(back.a.Modules[path].Rank), back.a.Modules[path].Scale}, path)
		}
	})
	c := smallConfig()
	c.Patterns = []Pattern{{Modules: "(?i)q_proj", Rank: 2}, {Modules: "q_proj"}}
	require.ErrorContains(t, c.Validate(), "Patterns")
}

// TestRSLoRA: the update is scaled by alpha/√rank, in training and in what PEFT is told.
func TestRSLoRA(t *testing.T) {
	c := smallConfig()
	c.Rank, c.Alpha, c.RSLoRA = 4, 6, true
	tr, err := NewTrainer(openBase(t, nil, "dir:"+testmodel.Write(t, 1)), c, Options{})
	require.NoError(t, err)
	defer tr.Close()
	assert.Equal(t, 3.0, tr.layout.modules[0].scale)
	a, err := tr.Adapter()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, a.Save(t.Context(), dir))
	back, err := LoadAdapter(os.DirFS(dir))
	require.NoError(t, err)
	for path, m := range back.a.Modules {
		assert.Equal(t, 3.0, m.Scale, path)
	}
	_, err = tr.layout.theta(back.a)
	require.NoError(t, err)
}
