package registrytest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
)

// stages maps the numbers of a model's versions to where they are.
func (s suite) stages(t *testing.T, name string) map[int]registry.Stage {
	t.Helper()
	stages := make(map[int]registry.Stage)
	for v, err := range s.Registry.List(t.Context(), name) {
		require.NoError(t, err)
		stages[v.Number] = v.Stage
	}
	return stages
}

// promote returns the numbers of the versions that were archived.
func (s suite) promote(t *testing.T, name string, number int, o registry.PromoteOptions) []int {
	t.Helper()
	archived, err := s.Registry.Promote(t.Context(), name, number, o)
	require.NoError(t, err)
	list := []int{}
	for _, v := range archived {
		assert.Equal(t, s.get(t, name, v.Number), v, "as it is now")
		list = append(list, v.Number)
	}
	return list
}

func (s suite) production(t *testing.T, name string) int {
	t.Helper()
	v, err := s.Registry.Resolve(t.Context(), registry.URI{Name: name, Stage: registry.Production})
	require.NoError(t, err)
	return v.Number
}

type stageMap = map[int]registry.Stage

var promotionTests = map[string]func(t *testing.T, s suite){
	"archives the previous holder": func(t *testing.T, s suite) {
		name := s.name("handbook")
		s.register(t, name, 3)
		assert.Empty(t, s.promote(t, name, 1, registry.PromoteOptions{}))
		assert.Equal(t, []int{1}, s.promote(t, name, 2, registry.PromoteOptions{}))
		assert.Equal(t, stageMap{1: registry.Archived, 2: registry.Production, 3: registry.None}, s.stages(t, name))
		assert.Empty(t, s.promote(t, name, 2, registry.PromoteOptions{}), "again: nothing to do")
		assert.Equal(t, []int{2}, s.promote(t, name, 1, registry.PromoteOptions{}), "back")
		assert.Equal(t, stageMap{1: registry.Production, 2: registry.Archived, 3: registry.None}, s.stages(t, name))
		assert.Equal(t, 1, s.production(t, name))
	},
	"keeps the previous holder": func(t *testing.T, s suite) {
		name := s.name("handbook")
		s.register(t, name, 3)
		s.promote(t, name, 3, registry.PromoteOptions{})
		assert.Empty(t, s.promote(t, name, 1, registry.PromoteOptions{KeepPrevious: true}))
		assert.Equal(t, stageMap{1: registry.Production, 2: registry.None, 3: registry.Production}, s.stages(t, name))
		assert.Equal(t, 1, s.production(t, name), "the version promoted last, not the highest")
		s.promote(t, name, 3, registry.PromoteOptions{KeepPrevious: true})
		assert.Equal(t, 3, s.production(t, name), "promoting a holder again puts it first")
	},
	"repairs several holders": func(t *testing.T, s suite) {
		name := s.name("handbook")
		s.register(t, name, 4)
		for number := 1; number <= 3; number++ {
			s.promote(t, name, number, registry.PromoteOptions{KeepPrevious: true})
		}
		assert.Equal(t, []int{3, 1}, s.promote(t, name, 2, registry.PromoteOptions{}), "newest first")
		assert.Equal(t, stageMap{1: registry.Archived, 2: registry.Production, 3: registry.Archived, 4: registry.None}, s.stages(t, name))
		assert.Equal(t, 2, s.production(t, name))
	},
	"other stages": func(t *testing.T, s suite) {
		name := s.name("handbook")
		s.register(t, name, 3)
		staging := registry.PromoteOptions{Stage: registry.Staging}
		s.promote(t, name, 1, registry.PromoteOptions{Stage: registry.Production})
		s.promote(t, name, 2, staging)
		assert.Equal(t, []int{2}, s.promote(t, name, 3, staging))
		assert.Equal(t, stageMap{1: registry.Production, 2: registry.Archived, 3: registry.Staging}, s.stages(t, name))
		assert.Equal(t, []int{1}, s.promote(t, name, 3, registry.PromoteOptions{}), "from Staging to Production")
		assert.Empty(t, s.promote(t, name, 3, registry.PromoteOptions{Stage: registry.Archived}), "archiving archives one")
		assert.Equal(t, stageMap{1: registry.Archived, 2: registry.Archived, 3: registry.Archived}, s.stages(t, name))
		assert.Empty(t, s.promote(t, name, 1, registry.PromoteOptions{Stage: registry.None}))
		assert.Equal(t, registry.None, s.stages(t, name)[1])
		for _, stage := range []registry.Stage{registry.Production, registry.Staging} {
			_, err := s.Registry.Resolve(t.Context(), registry.URI{Name: name, Stage: stage})
			requireError(t, err, registry.ErrNotFound)
		}
		_, err := s.Registry.Promote(t.Context(), name, 1, registry.PromoteOptions{Stage: "prod"})
		requireError(t, err, registry.ErrInvalid, "Production")
	},
	"a holder that leaves": func(t *testing.T, s suite) {
		name := s.name("handbook")
		s.register(t, name, 2)
		s.promote(t, name, 2, registry.PromoteOptions{})
		s.promote(t, name, 1, registry.PromoteOptions{KeepPrevious: true})
		s.promote(t, name, 1, registry.PromoteOptions{Stage: registry.Archived})
		assert.Equal(t, 2, s.production(t, name), "the one that is still there")
	},
	"concurrent": func(t *testing.T, s suite) {
		name := s.name("handbook")
		const versions = 8
		s.register(t, name, versions)
		other := s.Another(t)
		var wg sync.WaitGroup
		for number := 1; number <= versions; number++ {
			reg := []registry.Registry{s.Registry, other}[number%2]
			wg.Go(func() {
				_, err := reg.Promote(t.Context(), name, number, registry.PromoteOptions{})
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		var holders []int
		for number, stage := range s.stages(t, name) {
			if stage == registry.Production {
				holders = append(holders, number)
			}
		}
		assert.Equal(t, []int{s.production(t, name)}, holders, "exactly one, and it is the one that is found")
	},
	"only what is ready": func(t *testing.T, s suite) {
		if s.SetStatus == nil {
			t.Skip("this fixture cannot make versions that are not ready")
		}
		name := s.name("handbook")
		versions := s.register(t, name, 3)
		s.promote(t, name, 3, registry.PromoteOptions{})
		s.SetStatus(t, versions[0], registry.Pending, "")
		s.SetStatus(t, versions[1], registry.FailedRegistration, "the upload broke off")
		dir := t.TempDir()
		_, err := s.Registry.Promote(t.Context(), name, 1, registry.PromoteOptions{})
		requireError(t, err, registry.ErrNotReady)
		requireError(t, s.Registry.Download(t.Context(), s.get(t, name, 1), dir), registry.ErrNotReady)
		_, err = s.Registry.Promote(t.Context(), name, 2, registry.PromoteOptions{})
		requireError(t, err, registry.ErrFailed, "the upload broke off")
		requireError(t, s.Registry.Download(t.Context(), s.get(t, name, 2), dir), registry.ErrFailed)
		assert.Equal(t, 3, s.production(t, name), "what served goes on serving")
		v, err := s.Registry.Resolve(t.Context(), registry.URI{Name: name, Version: 1})
		require.NoError(t, err)
		assert.Equal(t, registry.Pending, v.Status)

		v, err = registry.WaitReady(t.Context(), s.Registry, versions[1], registry.WaitOptions{})
		requireError(t, err, registry.ErrFailed, "the upload broke off")
		assert.Equal(t, "the upload broke off", v.Message)
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err = registry.WaitReady(short, s.Registry, versions[0], registry.WaitOptions{First: time.Millisecond})
		requireError(t, err, context.DeadlineExceeded)
		time.AfterFunc(30*time.Millisecond, func() { s.SetStatus(t, versions[0], registry.Ready, "") })
		v, err = registry.WaitReady(t.Context(), s.Registry, versions[0], registry.WaitOptions{First: time.Millisecond})
		require.NoError(t, err)
		assert.Equal(t, registry.Ready, v.Status)
	},
}
