package ci_test

import (
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite testdata/deps")

// TestDependencies compares the modules that each public package brings into a program, on any platform, with the
// committed list, so that a new one is seen in review.
func TestDependencies(t *testing.T) {
	modules := map[string]map[string]bool{} // package name → module paths
	for _, goos := range platforms {
		all := list(t, goos)
		for path, p := range all {
			if !ours(path) || !public(p.name()) || p.name() == "" {
				continue
			}
			if modules[p.name()] == nil {
				modules[p.name()] = map[string]bool{}
			}
			for _, dep := range p.Deps {
				if d := all[dep]; !d.Standard && !ours(dep) {
					modules[p.name()][d.Module.Path] = true
				}
			}
		}
	}
	dir := filepath.Join("testdata", "deps")
	if *update {
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, os.MkdirAll(dir, 0o755))
	}
	var want []string
	for name, paths := range modules {
		file := strings.ReplaceAll(name, "/", "-") + ".txt"
		want = append(want, file)
		got := ""
		for _, path := range slices.Sorted(maps.Keys(paths)) {
			got += path + "\n"
		}
		if *update {
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(got), 0o644))
		}
		committed, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err, "run go test ./internal/ci -run Dependencies -update")
		assert.Equal(t, string(committed), got, "modules of %s changed: if that is meant, run go test ./internal/ci -run Dependencies -update", name)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		assert.Contains(t, want, e.Name(), "no such package any more")
	}
}

// TestNestedModules holds the modules of their own to the requirements of this one: a dependency that is new here makes
// them refuse to build until "go mod tidy" ran there, which go test ./... would not notice.
func TestNestedModules(t *testing.T) {
	for _, dir := range []string{"examples/demo/ask", "examples/beam-ingest", "internal/ci/goclients"} {
		cmd := exec.Command("go", "list", "-mod=readonly", "-deps", "-f", "{{.ImportPath}}", "./...")
		cmd.Dir = filepath.Join(root(t), dir)
		cmd.Env = append(os.Environ(), "GOFLAGS=", "GOPROXY=off", "GOWORK=off")
		out, err := cmd.CombinedOutput()
		if err == nil {
			continue
		}
		if strings.Contains(string(out), "module lookup disabled") { // nothing may be downloaded here
			t.Logf("%s: its modules are not on this machine", dir)
			continue
		}
		require.NoError(t, err, "run go mod tidy in %s: %s", dir, out)
	}
}
