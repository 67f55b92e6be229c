package ci_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// layers is the architecture: what each public package may depend on beside the standard library. Names with a dot
// in the first element are modules, others packages of this module; "/..." means all below.
var layers = map[string][]string{
	"":                         {}, // doc.go
	"openai":                   {},
	"chunk":                    {"internal/hyphen", "github.com/clipperhouse/uax29/v2"}, // where lines are broken and sentences end
	"dataset":                  {},
	"dataset/questions":        {"dataset"},
	"dataset/questions/writer": {"dataset", "dataset/questions", "serve", "openai", "golang.org/x/sync"}, // asks anybody's model
	"dataset/recipe":           {"dataset", "dataset/questions"},

	"ingest": append([]string{"internal/pdf/...", "internal/hyphen", "ingest/internal/..."}, ingestModules...),

	"ingest/pdfium": append([]string{
		"ingest", "ingest/internal/...", "internal/pdf/...", "internal/hyphen", "internal/filelock", "github.com/klippa-app/go-pdfium", "github.com/tetratelabs/wazero",
		"github.com/google/uuid", "github.com/jolestar/go-commons-pool/v2", "github.com/gofrs/flock",
	}, ingestModules...),

	"ingest/office":  append([]string{"ingest", "ingest/internal/...", "internal/pdf/...", "internal/hyphen"}, ingestModules...),
	"ingest/mail":    append([]string{"ingest", "ingest/internal/...", "internal/pdf/...", "internal/hyphen", "github.com/emersion/go-message"}, ingestModules...),
	"ingest/excel":   append([]string{"ingest", "ingest/internal/...", "internal/pdf/...", "internal/hyphen"}, append(excelModules, ingestModules...)...),
	"ingest/formats": append([]string{"ingest", "ingest/...", "internal/pdf/...", "internal/hyphen", "github.com/emersion/go-message"}, append(excelModules, ingestModules...)...),

	"registry":              {},
	"registry/local":        {"registry", "registry/internal/...", "internal/filelock", "github.com/gofrs/flock", "golang.org/x/sys"},
	"registry/mlflow":       {"registry", "registry/internal/...", "internal/filelock", "github.com/gofrs/flock", "golang.org/x/sys"},
	"registry/registrytest": {"registry", modules},

	"registry/gate": {},

	"lora":          {"dataset", "internal/...", modules},
	"lora/evaluate": {"dataset", "dataset/...", "serve", "openai", "golang.org/x/sync"}, // asks anybody's model
	"serve":         {"openai", "golang.org/x/sync"},                                    // a handler over anybody's Model brings nothing else along

	"serve/engine":     {"serve", "openai", "lora", "dataset", "golang.org/x/sync", "internal/...", modules},
	"serve/prometheus": {"serve", "openai", modules},
}

// ingestModules are what the readers of package ingest are made of.
var ingestModules = []string{
	"golang.org/x/image", "golang.org/x/net", "golang.org/x/text", "golang.org/x/sync", "golang.org/x/sys",
	"github.com/ledongthuc/pdf", "github.com/bmatcuk/doublestar/v4",
	"github.com/gogs/chardet", "github.com/wlynxg/chardet", "github.com/abadojack/whatlanggo", // encodings, languages
	"github.com/yuin/goldmark", "go.yaml.in/yaml/v3", "github.com/BurntSushi/toml", // Markdown and its front matter
	"codeberg.org/readeck/go-readability/v2", "github.com/andybalholm/cascadia", "github.com/go-shiori/dom", "github.com/itlightning/dateparse", // web pages
}

// excelModules is what reads workbooks.
var excelModules = []string{
	"github.com/xuri/excelize/v2", "github.com/xuri/efp", "github.com/xuri/nfp", "github.com/richardlehane/mscfb", "github.com/richardlehane/msoleps",
	"github.com/tiendc/go-deepcopy", "golang.org/x/crypto",
}

// modules is in the layers that may bring many: testdata/deps lists them one by one.
const modules = "modules"

// permitted tells whether a package may be depended on. What writes files whole, by the standard library alone, anybody may use.
func permitted(allowed []string, name string) bool {
	return name == "internal/atomicfile" || slices.ContainsFunc(allowed, func(a string) bool {
		below, all := strings.CutSuffix(a, "/...")
		return name == below || all && strings.HasPrefix(name, below+"/")
	})
}

// TestLayers holds every public package, with all it depends on, against the architecture.
func TestLayers(t *testing.T) {
	for _, goos := range platforms {
		t.Run(goos, func(t *testing.T) {
			all := list(t, goos)
			for path, p := range all {
				if !ours(path) || !public(p.name()) {
					continue
				}
				allowed, known := layers[p.name()]
				if !assert.True(t, known, "%s is a new public package: give it a place in layers", path) {
					continue
				}
				told := map[string]bool{}
				for _, dep := range p.Deps {
					d, ok := all[dep]
					require.True(t, ok, dep)
					what := d.name() // a package of ours, or a whole module
					if !ours(dep) && !d.Standard {
						what = d.Module.Path
					}
					fits := d.Standard || permitted(allowed, what) || !ours(dep) && slices.Contains(allowed, modules)
					if !fits && !told[what] {
						told[what] = true
						t.Errorf("%s must not depend on %s: %s", path, what, chain(all, path, dep))
					}
				}
			}
		})
	}
}

// TestPrograms keeps what belongs to programs and tests out of the library: devices are opened, and examples imported,
// by programs alone.
func TestPrograms(t *testing.T) {
	all := list(t, "linux")
	for path, p := range all {
		if !ours(path) || !public(p.name()) {
			continue
		}
		for _, dep := range p.Deps {
			backend := strings.HasPrefix(dep, "github.com/gomlx/go-xla") || strings.HasPrefix(dep, "github.com/gomlx/compute/gobackend")
			if backend || ours(dep) && (folder(nameOf(dep)) == "examples" || slices.Contains(notLibrary, nameOf(dep))) {
				t.Errorf("%s must not depend on %s: %s", path, dep, chain(all, path, dep))
			}
		}
	}
}

// TestInternalBelowPublic keeps internal packages below the public ones, in their tests too. The checks of this
// package are on top of all.
func TestInternalBelowPublic(t *testing.T) {
	for path, p := range list(t, "linux") {
		if !ours(path) || folder(p.name()) != "internal" || p.name() == "internal/ci" {
			continue
		}
		for _, dep := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if ours(dep) && folder(nameOf(dep)) != "internal" {
				t.Errorf("%s must not import %s", path, dep)
			}
		}
	}
}

// TestNoCgo: XLA's binding needs cgo, nothing of ours does.
func TestNoCgo(t *testing.T) {
	for _, goos := range platforms {
		for path, p := range list(t, goos) {
			if ours(path) {
				assert.Empty(t, p.CgoFiles, path)
			}
		}
	}
}

// TestTopLevel: the top of the tree shows the architecture and nothing else.
func TestTopLevel(t *testing.T) {
	if _, err := os.Stat(filepath.Join(root(t), ".git")); err != nil {
		t.Skip("not a git checkout: its files cannot be told from what was made in it")
	}
	wantDirs := []string{".ci", ".github", "chunk", "dataset", "docs", "examples", "ingest", "internal", "lora", "openai", "registry", "serve"}
	knownFiles := []string{
		".dockerignore", ".editorconfig", ".gitattributes", ".gitignore", ".golangci.yml", "BENCHMARKS.md", "CHANGELOG.md",
		"CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "THIRD_PARTY_NOTICES", "compose.yaml", "doc.go",
		"example_test.go", "go.mod", "go.sum",
	}
	var dirs, files []string
	tree := output(t, nil, "git", "-c", "core.quotePath=false", "ls-files", "--cached", "--others", "--exclude-standard")
	for _, name := range strings.Split(strings.TrimSpace(tree), "\n") {
		if dir, _, below := strings.Cut(name, "/"); below {
			dirs = append(dirs, dir)
		} else {
			files = append(files, name)
		}
	}
	slices.Sort(dirs)
	assert.Equal(t, wantDirs, slices.Compact(dirs))
	assert.Subset(t, knownFiles, files)
}

// chain is how one package comes to depend on another: a shortest path of imports.
func chain(all map[string]*pkg, from, to string) string {
	parent := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		if queue[0] == to {
			break
		}
		for _, next := range all[queue[0]].Imports {
			if _, seen := parent[next]; !seen && all[next] != nil {
				parent[next] = queue[0]
				queue = append(queue, next)
			}
		}
	}
	var path []string
	for p := to; p != ""; p = parent[p] {
		path = append(path, p)
	}
	slices.Reverse(path)
	return strings.Join(path, " → ")
}
