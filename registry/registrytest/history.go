package registrytest

import (
	"strings"
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
}
