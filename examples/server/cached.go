package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/internal/atomicfile"
	"github.com/docent-ml/docent/registry"
)

// served is what a reference meant when its model was loaded last, and of which files. With it a server that starts
// while the registry is away serves what is in its cache.
type served struct {
	Registry  string           `json:"registry"`
	Reference string           `json:"reference"`
	Version   registry.Version `json:"version"`
	Files     []registry.File  `json:"files"`
}

// record is the file that remembers a reference.
func (m *models) record(uri registry.URI) string {
	sum := sha256.Sum256([]byte(uri.String()))
	return filepath.Join(program.CachedVersions(m.cfg.CacheDir, m.cfg.Registry), "served-"+hex.EncodeToString(sum[:4])+".json")
}

func (m *models) readRecord(uri registry.URI) (s served, ok bool) {
	data, err := os.ReadFile(m.record(uri))
	ok = err == nil && json.Unmarshal(data, &s) == nil && s.Registry == m.cfg.Registry.String() && s.Reference == uri.String()
	return s, ok
}

func same(a, b registry.Version) bool {
	return a.Number == b.Number && a.RunID == b.RunID && a.ModelID == b.ModelID
}

// fetch makes the cache hold the files of a version, every one as it was logged, and returns their folder. While the
// registry does not answer they must be there already.
func (m *models) fetch(ctx context.Context, uri registry.URI, v registry.Version) (dir string, err error) {
	dir = m.folder(uri, v)
	m.mu.Lock()
	reg, away := m.registry, !m.away.IsZero()
	m.mu.Unlock()
	s, recorded := m.readRecord(uri)
	if away && recorded && same(s.Version, v) {
		if err := registry.VerifyFolder(ctx, os.DirFS(dir), s.Files); err != nil {
			return "", fmt.Errorf("the registry does not answer, and the cache cannot be served: %w", err)
		}
		m.log.Info("version from the cache", "version", v.Number, "folder", dir)
		return dir, nil
	}
	if reg == nil {
		return "", fmt.Errorf("the registry %s is not there", m.cfg.Registry)
	}
	if err := reg.Download(ctx, v, dir); err != nil {
		return "", err
	}
	m.log.Info("version downloaded", "model", v.Name, "version", v.Number, "folder", dir)
	files, err := reg.Files(ctx, v)
	if err == nil {
		var data []byte
		if data, err = json.Marshal(served{m.cfg.Registry.String(), uri.String(), v, files}); err == nil {
			err = atomicfile.Write(m.record(uri), data)
		}
	}
	if err != nil { // the model is there all the same
		m.log.Warn("a server that starts while the registry is away will not find this version", "error", err)
	}
	return dir, nil
}
