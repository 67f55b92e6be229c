package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/examples/internal/progress"
	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/internal/testlog"
)

// A document may take down the process that reads it: it must not be this one.
func TestDocumentsAreReadInOtherProcesses(t *testing.T) {
	var log testlog.Buffer
	p := &pipeline{
		log: log.Logger(),
		out: progress.New(io.Discard, progress.Options{}),
	}
	p.Docs = library(t, false)
	var found ingest.Report
	for _, err := range p.walk(t.Context(), &found) {
		require.NoError(t, err)
	}
	assert.Equal(t, 2, found.Read)
	assert.Contains(t, log.String(), "isolated=true")
	assert.Contains(t, log.String(), "child process started")
}

// Nothing in the folder vanishes: what is no document is told, and what is said twice is learned once.
func TestFolderOfManyKinds(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.md": "# Doors\n\nThe front door opens at nine.", "b.txt": "Doors. The front door opens at nine!", "c.html": "<p>Fees are due.</p>",
		"d.key": "x", "e.zip": "x", "._a.md": "x", ".git/config": "x", "old/z.txt": "Not this one.",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	var out bytes.Buffer
	p := &pipeline{log: slog.New(slog.DiscardHandler), out: progress.New(&out, progress.Options{})}
	p.Docs, p.Data, p.Exclude, p.DocsCache = dir, t.TempDir(), []string{"old"}, t.TempDir()
	require.NoError(t, p.read(t.Context()))
	assert.Contains(t, out.String(), "1 .key, 1 .zip: no reader knows their kind")
	assert.Contains(t, out.String(), "1 ._*, 1 .git: files of systems and programs")
	assert.Contains(t, out.String(), "1 say what an earlier document says")
	sources := func() (got []string) {
		for s, err := range p.documents() {
			require.NoError(t, err)
			got = append(got, s.Path)
		}
		return got
	}
	assert.Equal(t, []string{"a.md", "c.html"}, sources())
	p.Duplicates = true
	assert.Equal(t, []string{"a.md", "b.txt", "c.html"}, sources())
	kept, err := filepath.Glob(filepath.Join(p.DocsCache, "*"))
	require.NoError(t, err)
	assert.NotEmpty(t, kept, "another run goes on from there")
}
