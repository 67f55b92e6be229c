package ci_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath   string
	Dir          string
	Standard     bool
	Module       *struct{ Path, Version, Dir string }
	Imports      []string // of the package proper
	Deps         []string // all of them, transitively
	TestImports  []string
	XTestImports []string
	GoFiles      []string
	CgoFiles     []string
}

// name is the package's folder in this module, "" at its top.
func (p *pkg) name() string { return nameOf(p.ImportPath) }

// ours tells packages of this module from others.
func ours(path string) bool { return path == modulePath || strings.HasPrefix(path, modulePath+"/") }

func nameOf(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, modulePath), "/")
}

// platforms on which imports differ by build constraints.
var platforms = []string{"linux", "darwin", "windows"}

// list returns the packages of this module and all they depend on, as built for a platform with cgo, which makes the
// most imports.
func list(t testing.TB, goos string) map[string]*pkg {
	t.Helper()
	out := output(t, []string{"GOOS=" + goos, "CGO_ENABLED=1"}, "go", "list", "-deps",
		"-json=ImportPath,Dir,Standard,Module,Imports,Deps,TestImports,XTestImports,GoFiles,CgoFiles", "./...")
	all := map[string]*pkg{}
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		p := &pkg{}
		err := d.Decode(p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		all[p.ImportPath] = p
	}
	require.Contains(t, all, modulePath+"/openai")
	return all
}

// folder is the first element of a package's name.
func folder(name string) string {
	first, _, _ := strings.Cut(name, "/")
	return first
}

// public reports whether users may import the package.
func public(name string) bool {
	return folder(name) != "examples" && !strings.Contains("/"+name+"/", "/internal/")
}
