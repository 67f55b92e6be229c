package program

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strconv"

	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/local"
	"github.com/docent-ml/docent/registry/mlflow"
)

// Registry is an open registry. Whoever opened it closes it.
type Registry interface {
	registry.Registry
	io.Closer
}

// RegistryOptions are those of OpenRegistry.
type RegistryOptions struct {
	MustExist bool         // refuse a folder without a registry, instead of making one
	Unasked   bool         // do not ask an MLflow server whether it answers
	BufferDir string       // for metrics that an MLflow server has not taken; "" keeps them in memory
	HTTP      *http.Client // for an MLflow server to which the settings ask for nothing special; nil: one of its own
	Logger    *slog.Logger
}

// CachedVersions is the folder of the server's cache for the versions of one registry: another may use the same names and numbers.
func CachedVersions(cache string, r config.Registry) string {
	sum := sha256.Sum256([]byte(r.String()))
	return filepath.Join(cache, "registry-"+hex.EncodeToString(sum[:4]))
}

// CachedVersion is the folder in there of a version. One of another run may have had its number, in a registry that was begun anew.
func CachedVersion(v registry.Version) string {
	return filepath.Join(v.Name, strconv.Itoa(v.Number)+"-"+v.RunID)
}

// OpenRegistry opens the registry that the settings name: a folder, or an MLflow server, which must answer unless
// Unasked.
func OpenRegistry(ctx context.Context, c config.Common, o RegistryOptions) (Registry, error) {
	if c.Registry.URL == "" {
		store, err := local.Open(c.Registry.Dir, local.Options{MustExist: o.MustExist, Logger: o.Logger})
		if err != nil {
			return nil, fmt.Errorf("registry %s: %w", c.Registry, err)
		}
		return store, nil
	}
	if c.MLflow.InsecureTLS || c.MLflow.ServerCert != "" || c.MLflow.ClientCert != "" {
		o.HTTP = nil
	}
	client, err := mlflow.New(mlflow.Options{
		URL: c.Registry.URL, Username: c.MLflow.Username, Password: c.MLflow.Password.Reveal(), Token: c.MLflow.Token.Reveal(),
		Workspace: c.MLflow.Workspace, InsecureTLS: c.MLflow.InsecureTLS, ServerCert: c.MLflow.ServerCert, ClientCert: c.MLflow.ClientCert,
		BufferDir: o.BufferDir, HTTP: o.HTTP, Logger: o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("registry %s: %w", c.Registry, err)
	}
	if o.Unasked {
		return client, nil
	}
	if err := client.Ping(ctx); err != nil {
		_ = client.Close() // nothing has been sent
		return nil, fmt.Errorf("registry %s: %w", c.Registry, err)
	}
	return client, nil
}
