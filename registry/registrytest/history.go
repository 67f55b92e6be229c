package registrytest

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
)

// history reads a model's history, the last promotion first.
func (s suite) history(t *testing.T, name string) []registry.Promotion {
	t.Helper()
	var list []registry.Promotion
	for p, err := range s.Another(t).History(t.Context(), name) {
		require.NoError(t, err)
		list = append(list, p)
	}
	return list
}

// rollback returns the version that serves in Production after it.
func (s suite) rollback(t *testing.T, name string) int {
	t.Helper()
	to, _, err := registry.Rollback(t.Context(), s.Registry, name, registry.PromoteOptions{})
	require.NoError(t, err)
	assert.Equal(t, to, s.production(t, name))
	return to
}

func (s suite) noRollback(t *testing.T, name string) {
	t.Helper()
	before := s.history(t, name)
	_, _, err := registry.Rollback(t.Context(), s.Registry, name, registry.PromoteOptions{})
	requireError(t, err, registry.ErrNotFound, "promote one by its number")
	assert.Len(t, s.history(t, name), len(before))
}

// altered are the ways in which a stored file can be spoilt.
var altered = map[string]func([]byte) []byte{
	"gone":    func([]byte) []byte { return nil },
	"shorter": func(old []byte) []byte { return old[:len(old)-1] },
	"altered": func(old []byte) []byte { old[len(old)/2] ^= 1; return old },
}

var historyTests = map[string]func(t *testing.T, s suite){
	"who, when, from what, why": func(t *testing.T, s suite) {
		name, began := s.name("handbook"), time.Now().Add(-time.Second)
		s.register(t, name, 2)
		assert.Empty(t, s.history(t, name))
		first := registry.PromoteOptions{By: "Ada <ada@example.org>", Why: "the first; it's \"größer\"\nin two lines", Verdict: "passed: 9 of 10"}
		s.promote(t, name, 1, first)
		s.promote(t, name, 1, registry.PromoteOptions{By: "somebody", Why: "changes nothing"})
		s.promote(t, name, 2, registry.PromoteOptions{By: "Bob"})
		s.promote(t, name, 1, registry.PromoteOptions{Stage: registry.Staging})
		got := s.history(t, name)
		require.Len(t, got, 3)
		for i, p := range got {
			assert.True(t, p.At.After(began) && p.At.Before(time.Now().Add(time.Second)), "%v", p.At)
			assert.False(t, i > 0 && p.At.After(got[i-1].At), "the last first")
		}
		for i := range got {
			got[i].At = time.Time{}
		}
		assert.Equal(t, []registry.Promotion{
			{Stage: registry.Staging, Version: 1},
			{Stage: registry.Production, Version: 2, From: 1, By: "Bob"},
			{Stage: registry.Production, Version: 1, By: first.By, Why: first.Why, Verdict: first.Verdict},
		}, got)
		_, err := s.Registry.Promote(t.Context(), name, 2, registry.PromoteOptions{Why: "\xff"})
		requireError(t, err, registry.ErrInvalid, "Why")
		_, err = s.Registry.Promote(t.Context(), name, 2, registry.PromoteOptions{Verdict: strings.Repeat("x", 2001)})
		requireError(t, err, registry.ErrInvalid, "Verdict", "2000")
		requireError(t, onlyError(t, s.Registry.History(t.Context(), s.name("nobody"))), registry.ErrNotFound)
	},
	"rollback never brings back what was rolled back from": func(t *testing.T, s suite) {
		name := s.name("handbook")
		s.register(t, name, 4)
		s.promote(t, name, 1, registry.PromoteOptions{})
		s.noRollback(t, name)
		s.promote(t, name, 2, registry.PromoteOptions{}) // which is bad
		assert.Equal(t, 1, s.rollback(t, name))
		assert.Equal(t, "rollback from version 2", s.history(t, name)[0].Why)
		s.promote(t, name, 3, registry.PromoteOptions{})
		assert.Equal(t, 1, s.rollback(t, name))
		s.noRollback(t, name)
		s.promote(t, name, 4, registry.PromoteOptions{})
		s.promote(t, name, 2, registry.PromoteOptions{}) // mended, by its number
		assert.Equal(t, 4, s.rollback(t, name))
		assert.Equal(t, 1, s.rollback(t, name))
		assert.Equal(t, stageMap{1: registry.Production, 2: registry.Archived, 3: registry.Archived, 4: registry.Archived}, s.stages(t, name))
	},
	"rollback by hand": func(t *testing.T, s suite) {
		name := s.name("handbook")
		s.register(t, name, 3)
		for _, n := range []int{1, 2, 1, 3} {
			s.promote(t, name, n, registry.PromoteOptions{})
		}
		assert.Equal(t, 1, s.rollback(t, name))
	},
	"rollback of a newer number": func(t *testing.T, s suite) {
		name := s.name("handbook")
		s.register(t, name, 3)
		for _, n := range []int{3, 1, 2} {
			s.promote(t, name, n, registry.PromoteOptions{})
		}
		assert.Equal(t, 1, s.rollback(t, name))
		assert.Equal(t, 3, s.rollback(t, name), "the order is that of the promotions")
	},
	"rollback of each stage": func(t *testing.T, s suite) {
		name := s.name("handbook")
		s.register(t, name, 4)
		staging := registry.PromoteOptions{Stage: registry.Staging}
		s.promote(t, name, 1, registry.PromoteOptions{})
		s.promote(t, name, 2, registry.PromoteOptions{})
		s.promote(t, name, 3, staging)
		s.promote(t, name, 4, staging)
		assert.Equal(t, 1, s.rollback(t, name))
		to, _, err := registry.Rollback(t.Context(), s.Registry, name, registry.PromoteOptions{Stage: "staging"})
		require.NoError(t, err)
		assert.Equal(t, 3, to)
		assert.Equal(t, 1, s.production(t, name))
	},
	"a stage that was left": func(t *testing.T, s suite) {
		name := s.name("handbook")
		s.register(t, name, 2)
		s.promote(t, name, 1, registry.PromoteOptions{})
		s.promote(t, name, 2, registry.PromoteOptions{})
		s.promote(t, name, 2, registry.PromoteOptions{Stage: registry.Archived, By: "Ada"})
		last := s.history(t, name)[0]
		assert.Equal(t, registry.Promotion{Stage: registry.Production, From: 2, By: "Ada", At: last.At}, last)
		assert.Equal(t, 1, s.rollback(t, name))
	},
	"what cannot serve is not promoted": func(t *testing.T, s suite) {
		if s.Alter == nil {
			t.Skip("this fixture cannot alter stored files")
		}
		for how, alter := range altered {
			name := s.name("handbook-" + how)
			versions := s.register(t, name, 2)
			s.promote(t, name, 1, registry.PromoteOptions{})
			s.promote(t, name, 2, registry.PromoteOptions{})
			require.NoError(t, s.Registry.Verify(t.Context(), versions[0]))
			s.Alter(t, versions[0], "model.safetensors", alter)
			s.Alter(t, versions[0], "config.json", alter)
			err := s.Registry.Verify(t.Context(), versions[0])
			requireError(t, err, registry.ErrCorrupt, "model.safetensors", "config.json")
			_, err = s.Registry.Promote(t.Context(), name, 1, registry.PromoteOptions{})
			requireError(t, err, registry.ErrCorrupt, "model.safetensors")
			_, _, err = registry.Rollback(t.Context(), s.Registry, name, registry.PromoteOptions{})
			requireError(t, err, registry.ErrCorrupt)
			assert.Equal(t, 2, s.production(t, name), "what served goes on serving")
			assert.Len(t, s.history(t, name), 2)
			s.promote(t, name, 1, registry.PromoteOptions{Stage: registry.None}) // where nobody needs its files
		}
	},
	"tags of a version": func(t *testing.T, s suite) {
		name := s.name("handbook")
		s.register(t, name, 1)
		require.NoError(t, s.Registry.TagVersion(t.Context(), name, 1, map[string]string{"gate": "failed: 3 of 10", "größe": "1"}))
		require.NoError(t, s.Another(t).TagVersion(t.Context(), name, 1, map[string]string{"gate": "passed"}))
		tags := s.get(t, name, 1).Tags
		assert.Equal(t, "passed", tags["gate"])
		assert.Equal(t, "1", tags["größe"])
		requireError(t, s.Registry.TagVersion(t.Context(), name, 2, map[string]string{"a": "b"}), registry.ErrNotFound)
		requireError(t, s.Registry.TagVersion(t.Context(), name, 1, map[string]string{"": "b"}), registry.ErrInvalid)
	},
	"concurrent": func(t *testing.T, s suite) {
		name := s.name("handbook")
		const versions = 6
		s.register(t, name, versions)
		var wg sync.WaitGroup
		for number := 1; number <= versions; number++ {
			wg.Go(func() {
				_, err := s.Registry.Promote(t.Context(), name, number, registry.PromoteOptions{By: "one of many"})
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		got := s.history(t, name)
		require.NotEmpty(t, got)
		assert.Equal(t, s.production(t, name), got[0].Version)
		seen := map[int]bool{}
		for _, p := range got {
			seen[p.Version] = true
		}
		assert.Len(t, seen, versions, "none is forgotten")
	},
}
