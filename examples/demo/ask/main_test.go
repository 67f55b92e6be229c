package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQuestionsAreSpreadOverTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "facts.jsonl")
	var b bytes.Buffer
	for _, q := range []string{"a", "b", "c", "d", "e", "f"} {
		line, err := json.Marshal(map[string]string{"doc_id": "x", "question": q, "answer": "y"})
		require.NoError(t, err)
		b.Write(append(line, '\n'))
	}
	require.NoError(t, os.WriteFile(name, b.Bytes(), 0o644))
	for n, want := range map[int]string{0: "", 1: "a", 3: "ace", 6: "abcdef", 9: "abcdef"} {
		facts, err := choose(name, n)
		require.NoError(t, err)
		got := ""
		for _, f := range facts {
			got += f.Question
		}
		assert.Equal(t, want, got)
	}
}

// What is asked and answered is TestDemo's, of the package above.
func TestClearErrors(t *testing.T) {
	var out bytes.Buffer
	facts := filepath.Join(t.TempDir(), "facts.jsonl")
	assert.ErrorContains(t, run(t.Context(), []string{"-bse", "x"}, nil, &out), "bse")
	assert.ErrorContains(t, run(t.Context(), []string{"-facts", facts}, nil, &out), "name one model")
	assert.ErrorContains(t, run(t.Context(), []string{"-facts", facts, "m"}, nil, &out), "facts")
	require.NoError(t, os.WriteFile(facts, []byte(`{"doc_id": "a", "question": "b", "answer": "c"}`+"\n"), 0o644))
	assert.ErrorContains(t, run(t.Context(), []string{"-facts", facts, "-url", "http://127.0.0.1:1/v1", "m"}, nil, &out), "ask m:")
	require.NoError(t, run(t.Context(), []string{"-h"}, nil, &out))
	assert.Contains(t, out.String(), "-questions")
}
