package ci_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocProgram compiles the program on the front page of the documentation.
func TestDocProgram(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root(t), "doc.go"), nil, parser.ParseComments)
	require.NoError(t, err)
	_, code, found := strings.Cut(file.Doc.Text(), "\tfunc mount(")
	require.True(t, found)
	code, _, found = strings.Cut(code, "\n\t}\n")
	require.True(t, found)
	program := `package docprogram

import (
	"context"
	"net/http"
	"path/filepath"
	"strconv"

	"github.com/gomlx/compute"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/serve"
	"github.com/docent-ml/docent/serve/engine"
)

func mount(` + code + "\n}\n"

	compiles(t, program)
}

// TestReadmePrograms compiles the fragments of Go in the README, one behind the other: what the second uses and does not
// make, the first does.
func TestReadmePrograms(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root(t), "README.md"))
	require.NoError(t, err)
	fragments := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(readme, -1)
	require.Len(t, fragments, 2)
	compiles(t, `package docprogram

import (
	"context"
	"log"
	"net/http"
	"os"

	"github.com/gomlx/compute"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/lora"
	"github.com/docent-ml/docent/serve"
	"github.com/docent-ml/docent/serve/engine"
)

func readme(ctx context.Context, mux *http.ServeMux, cache string, list func(context.Context) ([]serve.Entry, error)) error {
`+string(fragments[0][1])+string(fragments[1][1])+`
	return err
}
`)
}

// compiles fails the test if the program, of package docprogram, does not.
func compiles(t *testing.T, program string) {
	t.Helper()
	// Only inside the module do its dependencies resolve, and nothing may be written there: go sees an overlay.
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(source, []byte(program), 0o644))
	overlay := filepath.Join(dir, "overlay.json")
	replace := `{"Replace": {"` + filepath.ToSlash(filepath.Join(root(t), "internal", "ci", "docprogram", "main.go")) + `": "` + filepath.ToSlash(source) + `"}}`
	require.NoError(t, os.WriteFile(overlay, []byte(replace), 0o644))
	output(t, nil, "go", "build", "-overlay", overlay, "./internal/ci/docprogram")
}
