package registrytest

import (
	"context"
	"iter"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
)

// only leaves a registry's other models out, so that a test prunes nothing of a store that others use too.
type only struct {
	registry.Registry
	name string
}

func (o only) ListModels(context.Context) iter.Seq2[registry.Model, error] {
	return func(yield func(registry.Model, error) bool) { yield(registry.Model{Name: o.name}, nil) }
}

var pruneTests = map[string]func(t *testing.T, s suite){
	"delete": func(t *testing.T, s suite) {
		name := s.name("handbook")
		versions := s.register(t, name, 4)
		s.promote(t, name, 1, registry.PromoteOptions{})
		s.promote(t, name, 2, registry.PromoteOptions{})
		require.NoError(t, s.Registry.SetAlias(t.Context(), name, "best", 3))
		for n, why := range map[int]string{1: "history", 2: "Production", 3: "best"} {
			requireError(t, s.Registry.DeleteVersion(t.Context(), name, n), registry.ErrInvalid, why)
		}
		last := versions[3]
		for _, v := range versions {
			requireError(t, s.Registry.DeleteRun(t.Context(), v.RunID), registry.ErrInvalid)
		}
		for _, v := range versions {
			run, err := s.Registry.ResumeRun(t.Context(), v.RunID)
			require.NoError(t, err)
			require.NoError(t, run.End(t.Context(), registry.Finished))
			requireError(t, s.Registry.DeleteRun(t.Context(), v.RunID), registry.ErrInvalid, name)
		}
		require.NoError(t, s.Registry.DeleteVersion(t.Context(), name, 4))
		_, err := s.Another(t).Get(t.Context(), name, 4)
		requireError(t, err, registry.ErrNotFound)
		assert.Equal(t, []int{3, 2, 1}, numbers(t, s.Registry.List(t.Context(), name)))
		v, err := s.Registry.Resolve(t.Context(), registry.URI{Name: name})
		require.NoError(t, err)
		assert.Equal(t, 3, v.Number, "the latest that there is")
		requireError(t, s.Registry.DeleteVersion(t.Context(), name, 4), registry.ErrNotFound)

		require.NoError(t, s.Registry.DeleteRun(t.Context(), last.RunID))
		for info, err := range s.Another(t).ListRuns(t.Context(), s.name("experiment")) {
			require.NoError(t, err)
			assert.NotEqual(t, last.RunID, info.ID)
		}
		err = s.Registry.Download(t.Context(), registry.Version{RunID: last.RunID, Path: "model"}, filepath.Join(t.TempDir(), "out"))
		require.Error(t, err, "its files are gone")
		require.NoError(t, s.Registry.Verify(t.Context(), versions[2]), "those of others are not")
		assert.Equal(t, 5, s.register(t, name, 1)[0].Number, "a number is not given again")
	},
	"a logged model goes with its run": func(t *testing.T, s suite) {
		name, run := s.name("handbook"), s.start(t)
		src, err := run.LogModel(t.Context(), "model", fstest.MapFS{"weights": {Data: []byte("w")}})
		require.NoError(t, err)
		require.NoError(t, run.End(t.Context(), registry.Finished))
		v, err := s.Registry.Register(t.Context(), name, src, nil)
		require.NoError(t, err)
		require.NoError(t, s.Registry.DeleteVersion(t.Context(), name, v.Number))
		require.NoError(t, s.Registry.DeleteRun(t.Context(), run.ID()))
		_, err = s.Registry.Register(t.Context(), name, src, nil)
		require.Error(t, err)
	},
	"what nobody needs": func(t *testing.T, s suite) {
		name := s.name("handbook")
		versions := s.register(t, name, 7)
		failed := s.start(t)
		require.NoError(t, failed.LogArtifacts(t.Context(), "model", files()))
		require.NoError(t, failed.End(t.Context(), registry.Failed))
		running := s.start(t)
		for _, v := range versions {
			run, err := s.Registry.ResumeRun(t.Context(), v.RunID)
			require.NoError(t, err)
			require.NoError(t, run.End(t.Context(), registry.Finished))
		}
		s.promote(t, name, 1, registry.PromoteOptions{})
		s.promote(t, name, 2, registry.PromoteOptions{})
		s.promote(t, name, 4, registry.PromoteOptions{Stage: registry.Staging})
		require.NoError(t, s.Registry.SetAlias(t.Context(), name, "best", 5))
		prune := func(o registry.PruneOptions) (took []int, runs []string) {
			for p, err := range registry.Prune(t.Context(), only{s.Registry, name}, o) {
				require.NoError(t, err)
				if p.Version.Number > 0 {
					took = append(took, p.Version.Number)
				} else {
					runs = append(runs, p.Run.ID)
				}
			}
			return took, runs
		}
		later := time.Now().Add(time.Hour)
		took, runs := prune(registry.PruneOptions{Older: 2 * time.Hour, Now: later})
		assert.Empty(t, took, "all are younger")
		assert.Empty(t, runs)
		gone := []string{versions[2].RunID, versions[5].RunID, versions[6].RunID, failed.ID()}
		for _, dry := range []bool{true, false} {
			took, runs = prune(registry.PruneOptions{Now: later, Dry: dry})
			assert.Equal(t, []int{7, 6, 3}, took)
			assert.ElementsMatch(t, gone, runs)
		}
		assert.Equal(t, []int{5, 4, 2, 1}, numbers(t, s.Registry.List(t.Context(), name)))
		for _, n := range []int{1, 2, 4, 5} {
			require.NoError(t, s.Registry.Verify(t.Context(), versions[n-1]))
		}
		_, err := s.Registry.GetRun(t.Context(), running.ID())
		require.NoError(t, err)
		s.register(t, name, 2)
		took, _ = prune(registry.PruneOptions{Now: later, Keep: 2})
		assert.Empty(t, took, "the newest two")
		took, _ = prune(registry.PruneOptions{Now: later, Keep: 1})
		assert.Equal(t, []int{8}, took)
		for _, err := range registry.Prune(t.Context(), s.Registry, registry.PruneOptions{Keep: -1}) {
			requireError(t, err, registry.ErrInvalid, "Keep")
		}
	},
}
