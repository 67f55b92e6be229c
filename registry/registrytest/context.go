package registrytest

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
)

// countdown is a context that is cancelled when it has been asked for its error often enough.
type countdown struct {
	context.Context
	mu   sync.Mutex
	left int
	done chan struct{}
}

func (c *countdown) Done() <-chan struct{} { return c.done }

func (c *countdown) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left > 0 {
		c.left--
		return nil
	}
	select {
	case <-c.done:
	default:
		close(c.done)
	}
	return context.Canceled
}

// Value hides the parent from context.Cause, which would ask it instead.
func (c *countdown) Value(any) any { return nil }

var contextTests = map[string]func(t *testing.T, s suite){
	"cancelled before": func(t *testing.T, s suite) {
		name := s.name("handbook")
		v := s.register(t, name, 1)[0]
		run := s.start(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		reg, dir := s.Registry, filepath.Join(t.TempDir(), "out")
		second := func(_ any, err error) error { return err }
		for what, call := range map[string]func() error{
			"StartRun":      func() error { return second(reg.StartRun(ctx, s.name("experiment"), "", nil)) },
			"ResumeRun":     func() error { return second(reg.ResumeRun(ctx, run.ID())) },
			"GetRun":        func() error { return second(reg.GetRun(ctx, run.ID())) },
			"ListRuns":      func() error { return onlyError(t, reg.ListRuns(ctx, s.name("experiment"))) },
			"MetricHistory": func() error { return onlyError(t, reg.MetricHistory(ctx, run.ID(), "loss")) },
			"LogParams":     func() error { return run.LogParams(ctx, map[string]string{"a": "b"}) },
			"LogMetrics":    func() error { return run.LogMetrics(ctx, 1, map[string]float64{"a": 1}) },
			"LogInput":      func() error { return run.LogInput(ctx, registry.Input{Name: "a"}) },
			"SetTags":       func() error { return run.SetTags(ctx, map[string]string{"a": "b"}) },
			"LogArtifacts":  func() error { return run.LogArtifacts(ctx, "model", files()) },
			"LogModel":      func() error { return second(run.LogModel(ctx, "model", files())) },
			"End":           func() error { return run.End(ctx, registry.Finished) },
			"Register": func() error {
				return second(reg.Register(ctx, name, registry.Source{RunID: v.RunID, Path: "model"}, nil))
			},
			"Get":           func() error { return second(reg.Get(ctx, name, 1)) },
			"List":          func() error { return onlyError(t, reg.List(ctx, name)) },
			"ListModels":    func() error { return onlyError(t, reg.ListModels(ctx)) },
			"Promote":       func() error { return second(reg.Promote(ctx, name, 1, registry.PromoteOptions{})) },
			"History":       func() error { return onlyError(t, reg.History(ctx, name)) },
			"TagVersion":    func() error { return reg.TagVersion(ctx, name, 1, map[string]string{"a": "b"}) },
			"Verify":        func() error { return reg.Verify(ctx, v) },
			"DeleteVersion": func() error { return reg.DeleteVersion(ctx, name, 1) },
			"DeleteRun":     func() error { return reg.DeleteRun(ctx, v.RunID) },
			"SetAlias":      func() error { return reg.SetAlias(ctx, name, "best", 1) },
			"Resolve":       func() error { return second(reg.Resolve(ctx, registry.URI{Name: name})) },
			"Resolve run":   func() error { return second(reg.Resolve(ctx, registry.URI{RunID: v.RunID})) },
			"Files":         func() error { return second(reg.Files(ctx, v)) },
			"Download":      func() error { return reg.Download(ctx, v, dir) },
			"WaitReady":     func() error { return second(registry.WaitReady(ctx, reg, v)) },
		} {
			assert.ErrorIs(t, call(), context.Canceled, what)
		}
		info, err := reg.GetRun(t.Context(), run.ID())
		require.NoError(t, err)
		assert.Equal(t, registry.Running, info.Status)
		assert.Empty(t, info.Params)
		assert.Empty(t, info.Metrics)
		assert.Empty(t, s.artifactsOf(t, run))
		assert.Equal(t, registry.None, s.get(t, name, 1).Stage)
		assert.Empty(t, s.get(t, name, 1).Aliases)
		assert.Equal(t, []int{1}, numbers(t, reg.List(t.Context(), name)))
		assert.NoDirExists(t, dir)
	},
	"cancelled while artifacts are read": func(t *testing.T, s suite) {
		run := s.start(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := run.LogArtifacts(ctx, "model", failingFS{files(), "model.safetensors", func() error { cancel(); return nil }})
		requireError(t, err, context.Canceled)
		assert.Empty(t, s.artifactsOf(t, run))
		require.NoError(t, run.End(t.Context(), registry.Killed), "and the run can still be ended")
	},
}
