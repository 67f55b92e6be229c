package local

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/registrytest"
)

func openStore(t *testing.T, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestRegistry(t *testing.T) {
	registrytest.Run(t, func(t *testing.T) registrytest.Fixture {
		dir := filepath.Join(t.TempDir(), "store")
		s := openStore(t, dir, Options{})
		t.Cleanup(func() { requireConsistent(t, dir) })
		return registrytest.Fixture{
			Registry: s,
			Another:  func(t *testing.T) registry.Registry { return openStore(t, dir, Options{MustExist: true}) },
			Alter: func(t *testing.T, v registry.Version, path string, to func([]byte) []byte) {
				r, err := s.s.findRun(v.RunID)
				require.NoError(t, err)
				name := filepath.Join(dir, r.artifacts(v.Path), path)
				old, err := os.ReadFile(name)
				require.NoError(t, err)
				if data := to(old); data != nil {
					require.NoError(t, os.WriteFile(name, data, 0o600))
				} else {
					require.NoError(t, os.Remove(name))
				}
			},
			SetStatus: func(t *testing.T, v registry.Version, status registry.Readiness, message string) {
				edit(t, filepath.Join(dir, s.s.modelPath(v.Name)), func(m *modelFile) {
					m.Versions[v.Number-1].Status, m.Versions[v.Number-1].Message = status, message
				})
			},
		}
	})
}

// edit changes a JSON file as a person with an editor would.
func edit[T any](t *testing.T, name string, change func(*T)) {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	var v T
	require.NoError(t, json.Unmarshal(data, &v))
	change(&v)
	data, err = json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name+".new", data, 0o600))
	require.NoError(t, os.Rename(name+".new", name))
}
