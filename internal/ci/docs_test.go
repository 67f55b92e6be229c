package ci_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDocsLinks: what the documents link to is there.
func TestDocsLinks(t *testing.T) {
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/how-to/*.md"} {
		files, err := filepath.Glob(filepath.Join(root(t), pattern))
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			prose := regexp.MustCompile("(?s)```.*?```").ReplaceAll(text, nil)
			for _, link := range regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`).FindAllStringSubmatch(string(prose), -1) {
				if !strings.Contains(link[1], ":") {
					assert.FileExists(t, filepath.Join(filepath.Dir(file), link[1]), file)
				}
			}
		}
	}
}

// TestDocsArchitecture: the drawing has every folder of public packages.
func TestDocsArchitecture(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "architecture.md"))
	require.NoError(t, err)
	drawing := strings.Split(string(text), "```")[1]
	for name := range layers {
		assert.Contains(t, drawing, folder(name))
	}
}

// TestDocsCommands: flags and commands of docent's programs in the documents are in their help.
func TestDocsCommands(t *testing.T) {
	help := ""
	for _, name := range []string{"trainer", "server", "registry", "evaluate"} {
		text, err := os.ReadFile(filepath.Join(root(t), "examples", "internal", "config", "testdata", name+".help"))
		require.NoError(t, err)
		help += string(text)
	}
	files, err := filepath.Glob(filepath.Join(root(t), "docs", "how-to", "*.md"))
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, code := range regexp.MustCompile("(?s)```.*?```|`[^`]+`").FindAllString(string(text), -1) {
			for _, found := range regexp.MustCompile(`\bregistry ([a-z]+)\b[^:]`).FindAllStringSubmatch(code, -1) {
				assert.Contains(t, help, "  registry [flags] "+found[1]+" ", "%s: %s", filepath.Base(file), found[0])
			}
			if flag := strings.Trim(strings.Fields(code)[0], "`"); regexp.MustCompile(`^-[a-z]`).MatchString(flag) {
				assert.Regexp(t, `(?m)^  `+flag+`( |$)`, help, filepath.Base(file))
			}
		}
	}
}

// TestTutorial types the tutorial word for word, in a copy of the tree that git would clone.
func TestTutorial(t *testing.T) {
	if os.Getenv("DOCENT_TUTORIAL") == "" {
		t.Skip("DOCENT_TUTORIAL is not set: make test-full does")
	}
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "tutorial.md"))
	require.NoError(t, err)
	script := "set -euo pipefail\n"
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		script += block[1]
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	script = strings.ReplaceAll(script, "localhost:8080", address)
	script = strings.ReplaceAll(script, "git clone https://github.com/docent-ml/docent && cd docent\n",
		fmt.Sprintf("(cd %q && git ls-files -coz --exclude-standard | tar --null --files-from=- -cf -) | tar -xf -\n", root(t)))
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "LISTEN="+address, "GOFLAGS=-buildvcs=false",
		"BASE_MODEL="+tinyBase(t), "MAX_STEPS=4", "GENERAL_PROMPTS=none", "CLOSED_ROWS=1", "APP_PROFILE=none")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	for _, want := range []string{"version 1 is in Production", "are as they were logged", `"object":"chat.completion"`} {
		assert.Contains(t, string(out), want)
	}
}

// tinyBase is a model folder of three random layers, for a training of seconds.
func tinyBase(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, from := range []string{"internal/golden/testdata/tiny/llama/model", "internal/ci/testdata/tokenizer"} {
		require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(root(t), from))))
	}
	name := filepath.Join(dir, "config.json")
	config, err := os.ReadFile(name)
	require.NoError(t, err)
	longer := strings.Replace(string(config), `"max_position_embeddings": 128`, `"max_position_embeddings": 1024`, 1) // positions are rotations
	require.NoError(t, os.WriteFile(name, []byte(longer), 0o644))
	return dir
}
