package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/formats"
	"github.com/docent-ml/docent/ingest/pdfium"
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/lora/evaluate"
)

// TestMain lets the test binary be the child process that reads a document.
func TestMain(m *testing.M) {
	if ingest.RunChild(os.Args, append(formats.Types(), &pdfium.PDF{})...) {
		return
	}
	os.Exit(m.Run())
}

func TestModelsSideBySide(t *testing.T) {
	facts, out := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(facts, name), []byte(text), 0o644))
	}
	write("tides.md", "# Tides\n\nThe tide room opens at nine. Its keeper is Ada Marsh.\n")
	write("facts.jsonl", `{"doc_id": "tides.md", "question": "Who keeps the tide room?", "answer": "Ada Marsh"}`+"\n")
	write("general.jsonl", `{"prompt": "Hello!", "check": {"min_words": 0, "none": ["zebra"]}}`+"\n")
	write("reworded.jsonl", `{"fact": 0, "question": "Whose is the tide room?"}`+"\n")
	args := []string{"-profile", "none", "-backend", "go", "-facts", facts, "-model", testmodel.Write(t, 1), "-model", testmodel.Write(t, 2), "-out", out}
	var text bytes.Buffer
	require.NoError(t, run(t.Context(), args, []string{"GLIBC_TUNABLES="}, &text))
	assert.Regexp(t, `(?m)^reworded +0 % \(0 to 0\), 0 of 1 +0 %`, text.String())
	assert.Regexp(t, `(?m)^with passage `, text.String())
	assert.Regexp(t, `(?m)^general `, text.String())

	file := filepath.Join(out, "answers_2.jsonl")
	var answers []evaluate.Answer
	for a, err := range dataset.ReadFile[evaluate.Answer](os.DirFS(out), "answers_2.jsonl") {
		require.NoError(t, err)
		a.Reply = "Ada Marsh" // as if another model had said so
		answers = append(answers, a)
	}
	_, err := dataset.WriteFile(file, func(yield func(evaluate.Answer, error) bool) {
		for _, a := range answers {
			if !yield(a, nil) {
				return
			}
		}
	})
	require.NoError(t, err)
	text.Reset()
	require.NoError(t, run(t.Context(), args, []string{"GLIBC_TUNABLES="}, &text))
	assert.Regexp(t, `(?m)^reworded +0 % \(0 to 0\), 0 of 1 +100 %`, text.String(), "answers of an earlier run are kept, and judged again")
}

func TestNothingToDo(t *testing.T) {
	for _, args := range [][]string{{}, {"-facts", "x"}, {"-model", "x"}} {
		err := run(context.Background(), append([]string{"-profile", "none"}, args...), nil, &bytes.Buffer{})
		assert.ErrorContains(t, err, "nothing to do")
	}
	err := run(t.Context(), []string{"-profile", "none", "-facts", t.TempDir(), "-model", "x"}, nil, &bytes.Buffer{})
	assert.ErrorContains(t, err, "facts")
}
