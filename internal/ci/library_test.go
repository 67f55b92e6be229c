package ci_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// forbidden are the packages, and functions of packages, that belong to programs. A library that uses them decides
// what is not its to decide.
var forbidden = map[string][]string{
	"flag":      nil, // nil = all of it
	"log":       nil,
	"os/signal": nil,
	"fmt":       {"Print", "Printf", "Println"},
	"os":        {"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv", "Clearenv", "Exit", "Stdin", "Stdout", "Stderr"},
	"log/slog":  {"Default", "SetDefault", "Debug", "Info", "Warn", "Error", "Log"},
	"net/http":  {"DefaultServeMux", "Handle", "HandleFunc"},
}

// exceptions are files that may use some of it, and why.
var exceptions = map[string][]string{
	// A child process of ingest.Isolated is a program: it talks over its standard streams and ends itself.
	"ingest/child.go": {"os.Exit", "os.Stdin", "os.Stdout", "os/signal.Ignore", "os/signal"},
}

// notLibrary are internal packages that only tests and programs use.
var notLibrary = []string{"internal/ci", "internal/golden", "internal/ingesttest", "internal/mlflowtest", "internal/testmodel"}

// TestLibraryManners: no package that users import, nor what it is built on, reads the environment or flags, prints,
// handles signals, ends the process, logs on its own account, or does anything before it is called.
func TestLibraryManners(t *testing.T) {
	top := root(t)
	for _, goos := range platforms {
		for path, p := range list(t, goos) {
			if !ours(path) || folder(p.name()) == "examples" || slices.Contains(notLibrary, p.name()) {
				continue
			}
			for _, name := range p.GoFiles {
				file := filepath.Join(p.Dir, name)
				short, err := filepath.Rel(top, file)
				require.NoError(t, err)
				short = filepath.ToSlash(short)
				for _, f := range manners(t, file) {
					if !slices.Contains(exceptions[short], f.what) {
						t.Errorf("%s:%d: %s does not belong in a library", short, f.line, f.what)
					}
				}
			}
		}
	}
}

type finding struct {
	what string
	line int
}

// manners lists what a file uses that is forbidden.
func manners(t *testing.T, name string) (found []finding) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	add := func(at token.Pos, what string) {
		found = append(found, finding{what, fset.Position(at).Line})
	}
	imported := map[string]string{} // local name → path
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		names, watched := forbidden[path]
		if !watched {
			continue
		}
		local := path[strings.LastIndex(path, "/")+1:]
		if spec.Name != nil {
			local = spec.Name.Name
		}
		if names == nil || local == "." {
			add(spec.Pos(), path)
		}
		imported[local] = path
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				add(n.Pos(), "func init")
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok {
				path := imported[x.Name]
				if names, watched := forbidden[path]; watched && (names == nil || slices.Contains(names, n.Sel.Name)) {
					add(n.Pos(), path+"."+n.Sel.Name)
				}
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
				add(n.Pos(), f.Name)
			}
		}
		return true
	})
	return found
}

// The check itself must find what it looks for.
func TestMannersFindsAll(t *testing.T) {
	var got []string
	for _, f := range manners(t, filepath.Join("testdata", "manners.go.txt")) {
		got = append(got, strconv.Itoa(f.line)+" "+f.what)
	}
	slices.Sort(got)
	want := []string{"11 func init", "12 os.Getenv", "13 fmt.Println", "14 println", "15 log/slog.Info", "16 log.Fatal", "4 flag", "6 log"}
	require.Equal(t, want, got)
}
