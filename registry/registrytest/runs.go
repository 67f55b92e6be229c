package registrytest

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
)

var runTests = map[string]func(t *testing.T, s suite){
	"record": func(t *testing.T, s suite) {
		ctx, experiment := t.Context(), s.name("course-guides")
		before := time.Now().Add(-time.Second)
		run, err := s.Registry.StartRun(ctx, experiment, "rank 16", map[string]string{"user": "ada"})
		require.NoError(t, err)
		require.NoError(t, run.LogParams(ctx, map[string]string{"lora.rank": "16", "note": ""}))
		require.NoError(t, run.LogParams(ctx, map[string]string{"lora.alpha": "32"}))
		require.NoError(t, run.LogMetrics(ctx, 1, map[string]float64{"train/loss": 2.5, "lr": 1e-3}))
		require.NoError(t, run.LogMetrics(ctx, 2, map[string]float64{"train/loss": 2.25}))
		require.NoError(t, run.SetTags(ctx, map[string]string{"user": "grace", "commit": "abc"}))
		input := registry.Input{Name: "train.jsonl", Digest: strings.Repeat("a", 36), Source: "data/train.jsonl", Context: "training"}
		require.NoError(t, run.LogInput(ctx, input))

		info, err := s.Registry.GetRun(ctx, run.ID())
		require.NoError(t, err)
		assert.Equal(t, registry.Running, info.Status)
		assert.Zero(t, info.Ended)

		require.NoError(t, run.End(ctx, registry.Finished))
		info, err = s.Another(t).GetRun(ctx, run.ID())
		require.NoError(t, err)
		assert.Equal(t, run.ID(), info.ID)
		assert.Equal(t, experiment, info.Experiment)
		assert.Equal(t, "rank 16", info.Name)
		assert.Equal(t, registry.Finished, info.Status)
		assert.True(t, info.Started.After(before), "started %v", info.Started)
		assert.False(t, info.Ended.Before(info.Started), "ended %v", info.Ended)
		assert.Equal(t, map[string]string{"lora.rank": "16", "note": "", "lora.alpha": "32"}, info.Params)
		assert.Equal(t, "grace", info.Tags["user"])
		assert.Equal(t, "abc", info.Tags["commit"])
		assert.Equal(t, []registry.Input{input}, info.Inputs)
		require.Len(t, info.Metrics, 2)
		assert.Equal(t, 2.25, info.Metrics["train/loss"].Value)
		assert.EqualValues(t, 2, info.Metrics["train/loss"].Step)
		assert.Equal(t, 1e-3, info.Metrics["lr"].Value)
	},
	"name of its own": func(t *testing.T, s suite) {
		run, err := s.Registry.StartRun(t.Context(), s.name("experiment"), "", nil)
		require.NoError(t, err)
		info, err := s.Registry.GetRun(t.Context(), run.ID())
		require.NoError(t, err)
		assert.NotEmpty(t, info.Name)
	},
	"params are written once": func(t *testing.T, s suite) {
		run := s.start(t)
		require.NoError(t, run.LogParams(t.Context(), map[string]string{"lr": "0.1", "rank": "8"}))
		require.NoError(t, run.LogParams(t.Context(), map[string]string{"lr": "0.1"}))
		err := run.LogParams(t.Context(), map[string]string{"lr": "0.2", "new": "1"})
		requireError(t, err, registry.ErrExists, "lr")
		info, err := s.Registry.GetRun(t.Context(), run.ID())
		require.NoError(t, err)
		assert.Equal(t, map[string]string{"lr": "0.1", "rank": "8"}, info.Params)
	},
	"metric history": func(t *testing.T, s suite) {
		run, before := s.start(t), time.Now().Add(-time.Second)
		for _, step := range []int64{3, 1, 2, 0} {
			require.NoError(t, run.LogMetrics(t.Context(), step, map[string]float64{"loss": float64(step) / 3, "other": 1}))
			time.Sleep(2 * time.Millisecond)
		}
		require.NoError(t, run.End(t.Context(), registry.Finished))
		for _, reg := range []registry.Registry{s.Registry, s.Another(t)} {
			next := int64(0)
			for p, err := range reg.MetricHistory(t.Context(), run.ID(), "loss") {
				require.NoError(t, err)
				assert.Equal(t, next, p.Step)
				assert.Equal(t, float64(next)/3, p.Value)
				assert.WithinRange(t, p.Time, before, time.Now())
				next++
			}
			assert.EqualValues(t, 4, next)
		}
		info, err := s.Registry.GetRun(t.Context(), run.ID())
		require.NoError(t, err)
		assert.EqualValues(t, 3, info.Metrics["loss"].Step, "the last point is that of the highest step")
	},
	"numbers that are not": func(t *testing.T, s suite) {
		run := s.start(t)
		values := map[string]float64{"nan": math.NaN(), "up": math.Inf(1), "down": math.Inf(-1), "tiny": 5e-324, "huge": math.MaxFloat64,
			"third": 1.0 / 3}
		require.NoError(t, run.LogMetrics(t.Context(), 0, values))
		require.NoError(t, run.End(t.Context(), registry.Failed))
		info, err := s.Registry.GetRun(t.Context(), run.ID())
		require.NoError(t, err)
		assert.True(t, math.IsNaN(info.Metrics["nan"].Value))
		assert.GreaterOrEqual(t, info.Metrics["up"].Value, math.MaxFloat64)
		assert.LessOrEqual(t, info.Metrics["down"].Value, -math.MaxFloat64)
		for _, key := range []string{"tiny", "huge", "third"} {
			assert.Equal(t, values[key], info.Metrics[key].Value)
		}
	},
	"large batches": func(t *testing.T, s suite) {
		run := s.start(t)
		metrics, params, tags := map[string]float64{}, map[string]string{}, map[string]string{}
		for i := range 2500 {
			metrics[fmt.Sprintf("layer.%d/norm", i)] = float64(i)
		}
		for i := range 250 {
			params[fmt.Sprintf("p%d", i)] = fmt.Sprint(i)
			tags[fmt.Sprintf("t%d", i)] = fmt.Sprint(i)
		}
		require.NoError(t, run.LogMetrics(t.Context(), 7, metrics))
		require.NoError(t, run.LogMetrics(t.Context(), 8, nil))
		require.NoError(t, run.LogParams(t.Context(), params))
		require.NoError(t, run.SetTags(t.Context(), tags))
		require.NoError(t, run.End(t.Context(), registry.Finished))
		info, err := s.Registry.GetRun(t.Context(), run.ID())
		require.NoError(t, err)
		require.Len(t, info.Metrics, len(metrics))
		for key, value := range metrics {
			require.Equal(t, value, info.Metrics[key].Value, key)
			require.EqualValues(t, 7, info.Metrics[key].Step, key)
		}
		assert.Equal(t, params, info.Params)
		for key, value := range tags {
			require.Equal(t, value, info.Tags[key])
		}
	},
	"what all keep": func(t *testing.T, s suite) {
		run := s.start(t)
		key := strings.Repeat("k", 250)
		text := "größe 模型/a-b_c.d:e f"
		params := map[string]string{key: strings.Repeat("ß", 6000), text: "línea\nzwei \U0001F393 \"quoted\" <html>"}
		tags := map[string]string{key: strings.Repeat("ü", 8000), text: "\t"}
		require.NoError(t, run.LogParams(t.Context(), params))
		require.NoError(t, run.SetTags(t.Context(), tags))
		require.NoError(t, run.LogMetrics(t.Context(), 0, map[string]float64{key: 1, text: 2}))
		require.NoError(t, run.End(t.Context(), registry.Finished))
		info, err := s.Registry.GetRun(t.Context(), run.ID())
		require.NoError(t, err)
		assert.Equal(t, params, info.Params)
		assert.Equal(t, tags[key], info.Tags[key])
		assert.Equal(t, tags[text], info.Tags[text])
		assert.Equal(t, 2.0, info.Metrics[text].Value)
		assert.Equal(t, 1.0, info.Metrics[key].Value)
	},
	"bad keys and values": func(t *testing.T, s suite) {
		run := s.start(t)
		for _, key := range []string{"", "a\x00b", "line\nbreak", "\xff"} {
			requireError(t, run.LogParams(t.Context(), map[string]string{key: "v"}), registry.ErrInvalid)
			requireError(t, run.SetTags(t.Context(), map[string]string{key: "v"}), registry.ErrInvalid)
			requireError(t, run.LogMetrics(t.Context(), 0, map[string]float64{key: 1}), registry.ErrInvalid)
			_, err := s.Registry.StartRun(t.Context(), s.name("experiment"), "", map[string]string{key: "v"})
			requireError(t, err, registry.ErrInvalid)
		}
		requireError(t, run.LogParams(t.Context(), map[string]string{"binary": "\xff\xfe", "good": "1"}), registry.ErrInvalid, "binary")
		requireError(t, run.LogInput(t.Context(), registry.Input{Digest: "d"}), registry.ErrInvalid)
		info, err := s.Registry.GetRun(t.Context(), run.ID())
		require.NoError(t, err)
		assert.Empty(t, info.Params, "a refused call stores nothing")
		assert.Empty(t, info.Metrics)
		_, err = s.Registry.StartRun(t.Context(), s.name("experiment"), "bell\a", nil)
		requireError(t, err, registry.ErrInvalid)
	},
	"an experiment made by several at once": func(t *testing.T, s suite) {
		experiment, other := s.name("new"), s.Another(t)
		const runs = 8
		var wg sync.WaitGroup
		for i := range runs {
			reg := []registry.Registry{s.Registry, other}[i%2]
			wg.Go(func() {
				run, err := reg.StartRun(t.Context(), experiment, "", nil)
				if assert.NoError(t, err) {
					assert.NoError(t, run.End(t.Context(), registry.Finished))
				}
			})
		}
		wg.Wait()
		n := 0
		for _, err := range other.ListRuns(t.Context(), experiment) {
			require.NoError(t, err)
			n++
		}
		assert.Equal(t, runs, n, "all in one experiment")
	},
	"bad experiments": func(t *testing.T, s suite) {
		for _, name := range badNames {
			_, err := s.Registry.StartRun(t.Context(), name, "run", nil)
			requireError(t, err, registry.ErrInvalid)
			requireError(t, onlyError(t, s.Registry.ListRuns(t.Context(), name)), registry.ErrInvalid)
		}
	},
	"end": func(t *testing.T, s suite) {
		run := s.start(t)
		requireError(t, run.End(t.Context(), registry.Running), registry.ErrInvalid)
		requireError(t, run.End(t.Context(), "DONE"), registry.ErrInvalid)
		require.NoError(t, run.End(t.Context(), registry.Finished))
		first, err := s.Registry.GetRun(t.Context(), run.ID())
		require.NoError(t, err)
		require.NoError(t, run.End(t.Context(), registry.Finished))
		require.NoError(t, run.End(t.Context(), registry.Failed), "a deferred End is safe")
		again, err := s.Registry.GetRun(t.Context(), run.ID())
		require.NoError(t, err)
		assert.Equal(t, first, again)

		requireError(t, run.LogParams(t.Context(), map[string]string{"late": "1"}), registry.ErrInvalid, "ended")
		requireError(t, run.LogMetrics(t.Context(), 1, map[string]float64{"late": 1}), registry.ErrInvalid, "ended")
		requireError(t, run.SetTags(t.Context(), map[string]string{"late": "1"}), registry.ErrInvalid, "ended")
		requireError(t, run.LogInput(t.Context(), registry.Input{Name: "late"}), registry.ErrInvalid, "ended")
		requireError(t, run.LogArtifacts(t.Context(), "late", files()), registry.ErrInvalid, "ended")
		_, err = run.LogModel(t.Context(), "late", files())
		requireError(t, err, registry.ErrInvalid, "ended")
	},
	"resume": func(t *testing.T, s suite) {
		for _, status := range []registry.Status{registry.Finished, registry.Failed, registry.Killed, registry.Running} {
			run := s.start(t)
			require.NoError(t, run.LogMetrics(t.Context(), 1, map[string]float64{"loss": 2}))
			require.NoError(t, run.LogParams(t.Context(), map[string]string{"rank": "8"}))
			if status != registry.Running {
				require.NoError(t, run.End(t.Context(), status))
			}
			resumed, err := s.Another(t).ResumeRun(t.Context(), run.ID())
			require.NoError(t, err)
			assert.Equal(t, run.ID(), resumed.ID())
			info, err := s.Registry.GetRun(t.Context(), run.ID())
			require.NoError(t, err)
			assert.Equal(t, registry.Running, info.Status)
			assert.Zero(t, info.Ended)
			require.NoError(t, resumed.LogMetrics(t.Context(), 2, map[string]float64{"loss": 1}))
			requireError(t, resumed.LogParams(t.Context(), map[string]string{"rank": "16"}), registry.ErrExists)
			require.NoError(t, resumed.End(t.Context(), registry.Finished))
			info, err = s.Registry.GetRun(t.Context(), run.ID())
			require.NoError(t, err)
			assert.Equal(t, registry.Finished, info.Status)
			assert.Equal(t, 1.0, info.Metrics["loss"].Value)
		}
	},
	"list": func(t *testing.T, s suite) {
		experiment := s.name("experiment")
		var want []string
		for range 3 {
			run := s.start(t)
			want = append([]string{run.ID()}, want...)
			time.Sleep(2 * time.Millisecond)
		}
		seq := s.Registry.ListRuns(t.Context(), experiment)
		for range 2 { // a sequence can be ranged again
			var got []string
			for info, err := range seq {
				require.NoError(t, err)
				assert.Equal(t, experiment, info.Experiment)
				got = append(got, info.ID)
			}
			assert.Equal(t, want, got, "newest first")
		}
		for info, err := range seq {
			require.NoError(t, err)
			assert.Equal(t, want[0], info.ID)
			break
		}
	},
	"not found": func(t *testing.T, s suite) {
		s.start(t)
		const id = "no-such-run-0123456789"
		_, err := s.Registry.GetRun(t.Context(), id)
		requireError(t, err, registry.ErrNotFound, id)
		_, err = s.Registry.ResumeRun(t.Context(), id)
		requireError(t, err, registry.ErrNotFound, id)
		requireError(t, onlyError(t, s.Registry.MetricHistory(t.Context(), id, "loss")), registry.ErrNotFound, id)
		requireError(t, onlyError(t, s.Registry.ListRuns(t.Context(), s.name("nowhere"))), registry.ErrNotFound)
		requireError(t, onlyError(t, s.Registry.MetricHistory(t.Context(), s.start(t).ID(), "loss")), registry.ErrNotFound, "loss")
		for _, id := range []string{"", "..", "../x", "a/b", "a b", `a\b`} {
			_, err := s.Registry.GetRun(t.Context(), id)
			requireError(t, err, registry.ErrInvalid)
			_, err = s.Registry.ResumeRun(t.Context(), id)
			requireError(t, err, registry.ErrInvalid)
		}
	},
	"concurrent": func(t *testing.T, s suite) {
		run := s.start(t)
		other, err := s.Another(t).ResumeRun(t.Context(), run.ID())
		require.NoError(t, err)
		const workers, each = 8, 10
		var wg sync.WaitGroup
		for w := range workers {
			handle := []registry.Run{run, other}[w%2]
			wg.Go(func() {
				for i := range each {
					assert.NoError(t, handle.LogMetrics(t.Context(), int64(i), map[string]float64{fmt.Sprintf("m%d", w): float64(i)}))
				}
				assert.NoError(t, handle.LogParams(t.Context(), map[string]string{fmt.Sprintf("p%d", w): "x", "same": "y"}))
				assert.NoError(t, handle.SetTags(t.Context(), map[string]string{fmt.Sprintf("t%d", w): "x"}))
				_, err := s.Registry.GetRun(t.Context(), run.ID())
				assert.NoError(t, err, "readers see a whole run at any moment")
			})
		}
		wg.Wait()
		require.NoError(t, other.End(t.Context(), registry.Finished)) // each waits for what it was given
		require.NoError(t, run.End(t.Context(), registry.Finished))
		info, err := s.Registry.GetRun(t.Context(), run.ID())
		require.NoError(t, err)
		assert.Len(t, info.Params, workers+1)
		for w := range workers {
			assert.Equal(t, "x", info.Tags[fmt.Sprintf("t%d", w)])
			points := 0
			for p, err := range s.Registry.MetricHistory(t.Context(), run.ID(), fmt.Sprintf("m%d", w)) {
				require.NoError(t, err)
				assert.EqualValues(t, points, p.Step)
				points++
			}
			assert.Equal(t, each, points)
		}
	},
}
