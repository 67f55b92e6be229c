package program

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/local"
)

// Registry is an open registry. Whoever opened it closes it.
type Registry interface {
	registry.Registry
	io.Closer
}

// OpenRegistry opens the registry that the settings name. mustExist refuses a folder without one, instead of making it.
func OpenRegistry(c config.Common, mustExist bool, log *slog.Logger) (Registry, error) {
	if c.Registry.URL != "" {
		return nil, fmt.Errorf("registry %s: this version of docent keeps registries in folders only: use -registry file:DIR", c.Registry)
	}
	store, err := local.Open(c.Registry.Dir, local.Options{MustExist: mustExist, Logger: log})
	if err != nil {
		return nil, fmt.Errorf("registry %s: %w", c.Registry, err)
	}
	return store, nil
}
