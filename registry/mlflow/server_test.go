//go:build unix

package mlflow

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/mlflowtest"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/registrytest"
)

func TestServerRegistry(t *testing.T) {
	s := mlflowtest.StartServer(t)
	registrytest.Run(t, func(t *testing.T) registrytest.Fixture {
		c := newClient(t, Options{URL: s.URL, BufferDir: t.TempDir()})
		return registrytest.Fixture{
			Registry: c,
			Another:  func(t *testing.T) registry.Registry { return newClient(t, Options{URL: s.URL}) },
			Alter: func(t *testing.T, v registry.Version, path string, to func([]byte) []byte) {
				found, err := c.run(t.Context(), v.RunID)
				require.NoError(t, err)
				root := strings.TrimPrefix(found.Info.ArtifactURI, "mlflow-artifacts:/")
				name := filepath.Join(s.Artifacts, root, v.Path, path)
				old, err := os.ReadFile(name)
				require.NoError(t, err)
				if data := to(old); data != nil {
					require.NoError(t, os.WriteFile(name, data, 0o600))
				} else {
					require.NoError(t, os.Remove(name))
				}
			},
		}
	})
}
