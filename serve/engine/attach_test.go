package engine

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/testlog"
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/lora"
	"github.com/docent-ml/docent/serve"
)

// writeAdapter makes the folder of an adapter for the model of package testmodel.
func writeAdapter(t testing.TB, base string, seed uint64) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, testmodel.Adapter(base, seed, 8).Save(context.Background(), dir))
	return dir
}

// onBoth runs a test on docent's own code and on graphs.
func onBoth(t *testing.T, base string, o Options, test func(t *testing.T, e *Engine)) {
	t.Run("cpu", func(t *testing.T) {
		e, err := Load(t.Context(), "dir:"+base, o)
		require.NoError(t, err)
		test(t, e)
	})
	t.Run("graphs", func(t *testing.T) {
		backend := golden.Backend(t)
		m, err := model.Open(t.Context(), "dir:"+base, model.Options{Backend: backend, Transposed: true})
		require.NoError(t, err)
		e := newEngine(o.newBatch(m, infer.New(m, backend, infer.Options{Slots: o.Slots}, nil)), m)
		go e.run()
		test(t, e)
	})
}

// TestAttachedIsMerged: with an adapter on top, greedy text and log probabilities are those of the model that it is merged into.
func TestAttachedIsMerged(t *testing.T) {
	base := testmodel.Write(t, 1)
	e, err := Load(t.Context(), "dir:"+base, Options{})
	require.NoError(t, err)
	defer e.Close()
	r := ask("What is it?", 40)
	r.Logprobs, r.TopLogprobs = true, 3
	plain, _, _ := answer(t, e, r)
	seen := map[string]bool{plain: true}
	for seed := range uint64(3) {
		folder := writeAdapter(t, base, seed)
		merged, err := Load(t.Context(), "dir:"+folder, Options{Merge: true})
		require.NoError(t, err)
		alone, err := Load(t.Context(), "dir:"+folder, Options{})
		require.NoError(t, err)
		beside, err := Load(t.Context(), "dir:"+base, Options{Adapter: os.DirFS(folder)})
		require.NoError(t, err)
		attached, err := e.Attach(t.Context(), os.DirFS(folder))
		require.NoError(t, err)
		want := generated(t, merged, r)
		text, _, _ := answer(t, merged, r)
		assert.False(t, seen[text], "another answer than the others'")
		seen[text] = true
		for _, x := range []*Engine{alone, beside, attached} {
			got := generated(t, x, r)
			require.Len(t, got, len(want))
			for i := range want {
				assert.Equal(t, want[i].ID, got[i].ID)
				assert.InDelta(t, want[i].Logprob, got[i].Logprob, 1e-4)
			}
			vector, _, err := x.Embed(t.Context(), serve.Prompt{Text: "some text"})
			require.NoError(t, err)
			same, _, err := merged.Embed(t.Context(), serve.Prompt{Text: "some text"})
			require.NoError(t, err)
			assert.InDeltaSlice(t, same, vector, 1e-4)
			assert.NotEqual(t, e.Info().Fingerprint, x.Info().Fingerprint)
		}
		assert.Equal(t, alone.Info().Fingerprint, attached.Info().Fingerprint)
		assert.Less(t, attached.Info().Bytes, e.Info().Bytes)
		for _, x := range []*Engine{merged, alone, beside, attached} {
			require.NoError(t, x.Close())
		}
	}
	text, _, _ := answer(t, e, r)
	assert.Equal(t, plain, text)
}

// TestSharedBase: the weights that are trained on answer as those that an engine opens, with the adapter that was trained on top of
// them too, and they outlive the engine.
func TestSharedBase(t *testing.T) {
	ref := "dir:" + testmodel.Write(t, 1)
	r := ask("What is it?", 40)
	e, err := Load(t.Context(), ref, Options{})
	require.NoError(t, err)
	defer e.Close()
	plain, _, _ := answer(t, e, r)
	for _, backend := range []compute.Backend{nil, golden.Backend(t)} {
		base, err := lora.OpenBase(t.Context(), ref, lora.BaseOptions{Backend: backend, Precision: lora.F32})
		require.NoError(t, err)
		c := lora.DefaultConfig()
		c.Epochs, c.MaxSteps, c.LearningRate = 0, 2, 0.05
		trainer, err := lora.NewTrainer(base, c, lora.Options{})
		require.NoError(t, err)
		rows, err := trainer.Tokenize(t.Context(), func(yield func(dataset.Row, error) bool) {
			yield(dataset.Row{Prompt: "What is it?", Completion: "A boat."}, nil)
		})
		require.NoError(t, err)
		shared, err := New(base, Options{})
		require.NoError(t, err)
		text, _, _ := answer(t, shared, r)
		assert.Equal(t, plain, text)
		_, err = trainer.Train(t.Context(), rows, nil) // while an engine has the base
		require.NoError(t, err)
		update, err := trainer.Adapter()
		require.NoError(t, err)
		folder := t.TempDir()
		require.NoError(t, update.Save(t.Context(), folder))

		want, err := e.Attach(t.Context(), os.DirFS(folder))
		require.NoError(t, err)
		tuned, err := shared.Attach(t.Context(), os.DirFS(folder))
		require.NoError(t, err)
		text, _, _ = answer(t, tuned, r)
		expected, _, _ := answer(t, want, r)
		assert.Equal(t, expected, text)
		assert.NotEqual(t, plain, text)
		for _, x := range []*Engine{want, shared, tuned} {
			require.NoError(t, x.Close())
		}
		_, err = trainer.Evaluate(t.Context(), rows)
		require.NoError(t, err)
		require.NoError(t, trainer.Close())
		require.NoError(t, base.Close())
	}
}

// TestManyAttached: engines of one model answer at the same time, come and go, and each says what it says alone.
func TestManyAttached(t *testing.T) {
	base := testmodel.Write(t, 1)
	onBoth(t, base, Options{Slots: 4}, func(t *testing.T, e *Engine) {
		const n = 5
		engines, want := []*Engine{e}, make([]string, n)
		for i := range uint64(n - 1) {
			x, err := e.Attach(t.Context(), os.DirFS(writeAdapter(t, base, i)))
			require.NoError(t, err)
			engines = append(engines, x)
		}
		r := ask("one", 30)
		for i, x := range engines {
			want[i], _, _ = answer(t, x, r)
		}
		var all sync.WaitGroup
		for i, x := range engines {
			for range 3 {
				all.Go(func() {
					text, _, _ := answer(t, x, r)
					assert.Equal(t, want[i], text, i)
				})
			}
		}
		all.Wait()

		// The one that was opened first is closed; those on top of it go on.
		require.NoError(t, e.Close())
		for _, err := range e.Generate(t.Context(), r) {
			require.ErrorIs(t, err, serve.ErrClosed)
		}
		_, err := e.Attach(t.Context(), os.DirFS(writeAdapter(t, base, 9)))
		require.ErrorIs(t, err, serve.ErrClosed)
		text, _, _ := answer(t, engines[1], r)
		assert.Equal(t, want[1], text)

		// One that is closed while it answers ends its own requests and no others.
		long := ask("two", 900)
		ended := make(chan error)
		go func() {
			var last error
			for _, err := range engines[2].Generate(t.Context(), long) {
				last = err
			}
			ended <- last
		}()
		beside := make(chan string)
		go func() {
			text, _, _ := answer(t, engines[3], ask("one", 30))
			beside <- text
		}()
		time.Sleep(20 * time.Millisecond)
		require.NoError(t, engines[2].Close())
		require.ErrorIs(t, <-ended, serve.ErrClosed)
		assert.Equal(t, want[3], <-beside)
		for _, x := range engines {
			require.NoError(t, x.Close())
		}
	})
}

// TestAttachRefuses what does not belong to the model.
func TestAttachRefuses(t *testing.T) {
	e := tinyChat(t, Options{})
	folder := writeAdapter(t, "x/y", 1)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "docent.json"), []byte(`{"base_model":"x/y","base_digest":"0123456789abcdef"}`), 0o644))
	_, err := e.Attach(t.Context(), os.DirFS(folder))
	require.ErrorIs(t, err, serve.ErrBadModel)
	assert.ErrorContains(t, err, "0123456789ab")
	_, err = e.Attach(t.Context(), os.DirFS(t.TempDir()))
	require.ErrorIs(t, err, fs.ErrNotExist)
	a := testmodel.Adapter("x/y", 1, 2)
	a.Modules["model.layers.7.mlp.up_proj"] = adapter.Module{Rank: 2, In: 1, Out: 1, A: make([]float32, 2), B: make([]float32, 2)}
	other := t.TempDir()
	require.NoError(t, a.Save(t.Context(), other))
	_, err = e.Attach(t.Context(), os.DirFS(other))
	require.ErrorIs(t, err, serve.ErrBadModel)
	text, _, _ := answer(t, e, ask("x", 3))
	assert.NotEmpty(t, text, "it still answers")
}

// TestLoaderSharesTheBase: what a pool asks for by name shares the model that it is made from, and promotion of a new adapter
// is the reading of a small file.
func TestLoaderSharesTheBase(t *testing.T) {
	var log testlog.Buffer
	base := testmodel.Write(t, 1)
	folders := map[string]string{"base": "dir:" + base, "a": "dir:" + writeAdapter(t, base, 1), "b": "dir:" + writeAdapter(t, base, 2)}
	loader := NewLoader(Options{Logger: log.Logger()})
	var mu sync.Mutex
	pool, err := serve.NewPool(func(ctx context.Context, id string) (serve.Model, error) {
		mu.Lock()
		ref := folders[id]
		mu.Unlock()
		return loader.Load(ctx, ref)
	}, serve.PoolOptions{Local: []serve.Entry{{ID: "base"}, {ID: "a"}, {ID: "b"}}, MaxModels: 3})
	require.NoError(t, err)
	texts := sync.Map{}
	var all sync.WaitGroup
	for id := range folders {
		all.Go(func() {
			m, release, err := pool.Acquire(t.Context(), id)
			if assert.NoError(t, err) {
				text, _, _ := answer(t, m, ask("q", 20))
				texts.Store(text, id)
				release()
			}
		})
	}
	all.Wait()
	different := 0
	texts.Range(func(any, any) bool { different++; return true })
	assert.Equal(t, 3, different)
	assert.Equal(t, 1, strings.Count(log.String(), "computing with docent's own code"), "opened once")

	mu.Lock()
	folders["a"] = "dir:" + writeAdapter(t, base, 3)
	mu.Unlock()
	began := time.Now()
	require.NoError(t, pool.Reload(t.Context(), "a"))
	assert.Less(t, time.Since(began), time.Second)
	m, release, err := pool.Acquire(t.Context(), "a")
	require.NoError(t, err)
	text, _, _ := answer(t, m, ask("q", 20))
	release()
	_, old := texts.Load(text)
	assert.False(t, old, "the new version answers")
	assert.Equal(t, 1, strings.Count(log.String(), "computing with docent's own code"), "no reload")
	require.NoError(t, pool.Close())
	e, err := loader.Load(t.Context(), folders["a"])
	require.NoError(t, err)
	assert.Equal(t, 2, strings.Count(log.String(), "computing with docent's own code"), "it had been freed")
	require.NoError(t, e.Close())
	_, err = loader.Load(t.Context(), "dir:"+t.TempDir())
	require.Error(t, err)
}
