package ingesttest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRecallAndPairs(t *testing.T) {
	share, words := Recall("b a a x", "a a b\nc")
	assert.Equal(t, 4, words)
	assert.Equal(t, 0.75, share)
	assert.Equal(t, 0.5, Pairs("x a b, c d", "a b c d e")+Pairs("c d", "a b c d e"), "one pair of four, each time")
	assert.Zero(t, Pairs("", "word"))
}

func TestTemporaryFilesAreSeen(t *testing.T) {
	base := t.TempDir()
	temporary := filepath.Join(base, "tmp")
	for _, name := range []string{"tmp/any", "out/rows.jsonl", "out/.rows.jsonl.1.tmp", "cache/.new-1"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(base, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(base, name), nil, 0o600))
	}
	assert.Len(t, temporaryFiles(temporary), 3, "all but the finished one")
}
