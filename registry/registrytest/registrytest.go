// Package registrytest holds implementations of [registry.Registry] to the rules of that package. An implementation's
// test is one call:
//
//	func TestRegistry(t *testing.T) {
//		registrytest.Run(t, func(t *testing.T) registrytest.Fixture {
//			dir := t.TempDir()
//			return registrytest.Fixture{Registry: open(t, dir), Another: func(t *testing.T) registry.Registry { return open(t, dir) }}
//		})
//	}
//
// The suite may run on a store that others use too, such as a server that outlives the test: it makes names of its
// own and looks at those only. What it writes stays there.
package registrytest

import (
	"crypto/rand"
	"errors"
	"iter"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
)

// Fixture is a registry under test, and what the suite cannot do through the interface. Tests that need a function
// that is nil are skipped and say so.
type Fixture struct {
	Registry registry.Registry

	// Another opens the same store a second time, as another process would. Required.
	Another func(t *testing.T) registry.Registry

	// Alter changes the stored bytes of one file of a version behind the registry's back. It removes the file if to is nil.
	Alter func(t *testing.T, v registry.Version, path string, to func(old []byte) []byte)

	// SetStatus changes a version's readiness behind the registry's back.
	SetStatus func(t *testing.T, v registry.Version, status registry.Readiness, message string)
}

// Run runs the suite. Each test opens its own Fixture, which cleans up by t.Cleanup; tests run in parallel.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	groups := []struct {
		name  string
		tests map[string]func(t *testing.T, s suite)
	}{
		{"runs", runTests},
		{"artifacts", artifactTests},
		{"models", modelTests},
		{"promotion", promotionTests},
		{"history", historyTests},
		{"prune", pruneTests},
		{"download", downloadTests},
		{"context", contextTests},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for name, test := range g.tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel() // stores wait for disks and networks
					f := open(t)
					require.NotNil(t, f.Registry)
					require.NotNil(t, f.Another, "Fixture.Another is required")
					test(t, suite{f, strings.ToLower(rand.Text()[:8])})
				})
			}
		})
	}
}

type suite struct {
	Fixture
	unique string
}

// name makes a name that no earlier test has used on the same store.
func (s suite) name(name string) string { return name + "-" + s.unique }

func (s suite) start(t *testing.T) registry.Run {
	t.Helper()
	run, err := s.Registry.StartRun(t.Context(), s.name("experiment"), "a run", nil)
	require.NoError(t, err)
	return run
}

// files is a small model.
func files() fstest.MapFS {
	return fstest.MapFS{
		"config.json":              {Data: []byte(`{"hidden_size": 64}`)},
		"model.safetensors":        {Data: []byte(strings.Repeat("weights ", 40_000))},
		"tokenizer/tokenizer.json": {Data: []byte(`{}`)},
		"tokenizer/empty.txt":      {Data: nil},
		"größe/手册.txt":             {Data: []byte("unicode")},
	}
}

// register makes n versions of a model, each from a run of its own.
func (s suite) register(t *testing.T, name string, n int) []registry.Version {
	t.Helper()
	var versions []registry.Version
	for range n {
		run := s.start(t)
		require.NoError(t, run.LogArtifacts(t.Context(), "model", files()))
		v, err := s.Registry.Register(t.Context(), name, registry.Source{RunID: run.ID(), Path: "model"}, nil)
		require.NoError(t, err)
		v, err = registry.WaitReady(t.Context(), s.Registry, v)
		require.NoError(t, err)
		versions = append(versions, v)
	}
	return versions
}

func (s suite) get(t *testing.T, name string, number int) registry.Version {
	t.Helper()
	v, err := s.Registry.Get(t.Context(), name, number)
	require.NoError(t, err)
	return v
}

// numbers reads a sequence of versions to its end.
func numbers(t *testing.T, versions iter.Seq2[registry.Version, error]) []int {
	t.Helper()
	list := []int{}
	for v, err := range versions {
		require.NoError(t, err)
		list = append(list, v.Number)
	}
	return list
}

// onlyError returns the error that a sequence ends with, after no element.
func onlyError[T any](t *testing.T, seq iter.Seq2[T, error]) error {
	t.Helper()
	var found error
	n := 0
	for _, err := range seq {
		found = err
		n++
	}
	require.Equal(t, 1, n, "the error is the only element")
	return found
}

// requireError checks the kind of an error and that a person learns enough from it.
func requireError(t *testing.T, err error, kind error, mentions ...string) {
	t.Helper()
	require.ErrorIs(t, err, kind)
	var typed *registry.Error
	require.ErrorAs(t, err, &typed, "%v", err)
	assert.NotEmpty(t, typed.Op, "%v", err)
	for _, word := range mentions {
		assert.Contains(t, err.Error(), word)
	}
}

// corruptPath returns the file that an ErrCorrupt is about.
func corruptPath(t *testing.T, err error) string {
	t.Helper()
	require.ErrorIs(t, err, registry.ErrCorrupt)
	for err != nil {
		var typed *registry.Error
		if !errors.As(err, &typed) {
			break
		}
		if typed.Path != "" {
			return typed.Path
		}
		err = typed.Err
	}
	require.Fail(t, "the error names no file")
	return ""
}
