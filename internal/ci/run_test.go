package ci_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRunWithoutDownloads: where nothing can be fetched, make demo and make serve say so, and name the model by its id on the
// Hub. go and python3 are scripts here; the first tells how it is called.
func TestRunWithoutDownloads(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil || runtime.GOOS == "windows" {
		t.Skip("the scripts are bash's")
	}
	const hub = "HuggingFaceTB/SmolLM2-135M-Instruct"
	for _, x := range []struct {
		name, cgo, python string
		want              []string
	}{
		{"no pip", "1", "exit 1", []string{"fetch xla: python3 with pip is not installed", "fetch smollm2: python3 with pip is not installed", "unless another plugin is installed"}},
		{"no network", "1", "case $* in *download*) echo ERROR: no connection >&2; exit 1;; esac", []string{"fetch smollm2: ERROR: no connection", "unless another plugin is installed"}},
		{"no C compiler", "0", "exit 1", []string{"whose binding needs a C compiler"}},
	} {
		for program, call := range map[string]string{
			"demo":  "go run ./examples/demo -base " + hub + " -questions 1",
			"serve": "go run ./examples/server -model " + hub + " -model-name smollm2-135m-instruct -questions 1",
		} {
			t.Run(program+"/"+x.name, func(t *testing.T) {
				bin, tree := t.TempDir(), t.TempDir() // without a registry, which the repository may have
				script := func(name, body string) {
					require.NoError(t, os.WriteFile(filepath.Join(bin, name), []byte("#!"+bash+"\n"+body+"\n"), 0o755))
				}
				script("go", `[[ $1 == env ]] && echo `+x.cgo+` || echo "go $*"`)
				script("python3", x.python)
				scripts := filepath.Join(tree, "internal", "ci")
				require.NoError(t, os.CopyFS(scripts, os.DirFS(filepath.Join(root(t), "internal", "ci"))))
				cmd := exec.CommandContext(t.Context(), bash, filepath.Join(scripts, "run.sh"), program, "-questions", "1")
				cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "DOCENT_CACHE="+t.TempDir())
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, string(out))
				for _, want := range append(x.want, "docent's own code computes", "taking "+hub+" from the Hugging Face Hub instead") {
					assert.Contains(t, string(out), want)
				}
				lines := strings.Split(strings.TrimSpace(string(out)), "\n")
				assert.Equal(t, call, lines[len(lines)-1])
			})
		}
	}
}
