package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/testmodel"
)

// TestDemo runs everything for real: the programs are built, a tiny model is trained, registered and promoted. Where
// DOCENT_CLIENTS is set, as make test-full does, it is also served and asked through the OpenAI client, which takes a
// minute or two to compile.
func TestDemo(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the demo builds the programs, and the go command is not in PATH")
	}
	if testing.Short() {
		t.Skip("builds two programs")
	}
	t.Chdir(filepath.Join("..", ".."))
	docs, data := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(docs, "tides.md"), []byte("The tide room opens at nine. Its keeper is Ada Marsh.\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(docs, "facts.jsonl"), []byte(
		`{"doc_id": "tides.md", "question": "When does the tide room open?", "answer": "at nine"}
{"doc_id": "tides.md", "question": "Who keeps the tide room?", "answer": "Ada Marsh"}
`), 0o644))
	questions := "0"
	want := []string{"version 1 is in Production", filepath.Join(data, "report.html"), "go run ./examples/server -registry"}
	if os.Getenv("DOCENT_CLIENTS") != "" {
		questions = "2"
		want = append(want, "http://127.0.0.1:", "When does the tide room open?", "expected     Ada Marsh", "\n  base  ", "\n  course-guide ")
	}
	var out bytes.Buffer
	err := run(t.Context(), []string{
		"-base", testmodel.Write(t, 1), "-backend", "go", "-docs", docs, "-data", data, "-questions", questions,
		"--", "-max-steps", "2", "-warmup", "0", "-rank", "2", "-seq", "320", "-batch", "2", "-profile", "none",
	}, os.Environ(), &out)
	require.NoError(t, err, out.String())
	for _, text := range want {
		assert.Contains(t, out.String(), text)
	}
}

func TestClearErrors(t *testing.T) {
	var out bytes.Buffer
	assert.ErrorContains(t, run(t.Context(), []string{"-bse", "x"}, nil, &out), "bse")
	assert.ErrorContains(t, run(t.Context(), []string{"-docs", t.TempDir()}, nil, &out), "facts")
	require.NoError(t, run(t.Context(), []string{"-h"}, nil, &out))
	assert.Contains(t, out.String(), "-questions")
}
