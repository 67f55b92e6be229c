package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/chunk"
	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/examples/internal/documents"
	"github.com/docent-ml/docent/examples/internal/progress"
	"github.com/docent-ml/docent/examples/internal/report"
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

// A folder as people keep it: of each file the page and its JSON tell what became of it, and why.
func TestReportOfTwentyKinds(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("The harbour office lends boats to members who have paid the yearly fee and shown a card. ", 3)
	for name, text := range map[string]string{
		"01.md": "# Doors\n\nThe front door opens at nine.", "02.txt": "Doors. The front door opens at nine!",
		"03.html": "<p>" + long + "Ask at the desk.</p>", "04.txt": long + "Ask at the pier.", "05.csv": "Room,Seats\nA1,30\n", "06.tsv": "Pier\tBoats\nNorth\t4\n",
		"07.rtf": `{\rtf1 A key costs ten euros.}`, "08.eml": "Subject: Keys\n\nThe cellar is locked.", "09.mht": "Subject: Page\nContent-Type: text/html\n\n<p>Fees are due in May.</p>",
		"10.txt": "\xc1\xe4\xe5", "11.html": "<img src=a.png>", "12.epub": "no book", "17.key": "x", "18.zip": "x", "19.png": "x", "20": "x",
		"._01.md": "x", ".git/config": "x", "~$13.docx": "x", "Thumbs.db": "x",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	for name, from := range map[string]string{"13.docx": "71-image-only.docx", "14.pdf": "70-three-of-four-pages-scanned.pdf", "15.pdf": "57-xfa.pdf", "16.xhtml": "03-selfclosed.xhtml"} {
		data, err := os.ReadFile(filepath.Join("../../ingest/testdata/cases", from))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	var out bytes.Buffer
	p := &pipeline{log: slog.New(slog.DiscardHandler), out: progress.New(&out, progress.Options{})}
	p.Docs, p.Data, p.DocsCache = dir, t.TempDir(), t.TempDir()
	require.NoError(t, p.read(t.Context()))
	_, err := dataset.WriteFile(p.ChunksFile(), documents.Cut(chunk.DefaultOptions(), p.documents()))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(p.TrainFile(), nil, 0o644))
	found, err := readAll[ingest.Report](p.file(reportFile))
	require.NoError(t, err)
	require.Len(t, found, 1)
	table, err := p.documentTable()
	require.NoError(t, err)
	var page bytes.Buffer
	require.NoError(t, report.Write(&page, report.Report{Title: "kinds", Documents: table, Rows: leftOut(&found[0])}))
	of := map[string]report.Document{}
	for _, d := range table {
		of[d.Path] = d
	}
	require.Len(t, of, 16)
	for path, want := range map[string]struct{ outcome, note string }{
		"01.md": {"ok", ""}, "02.txt": {"ok", "100 % of it is in 01.md"}, "03.html": {"ok", ""}, "04.txt": {"ok", "of it is in 03.html"},
		"05.csv": {"ok", ""}, "06.tsv": {"ok", ""}, "07.rtf": {"ok", ""}, "08.eml": {"ok", ""}, "09.mht": {"ok", ""}, "16.xhtml": {"ok", ""},
		"10.txt": {"partial", "the encoding is not declared"}, "11.html": {"empty", "1 picture and no words"}, "12.epub": {"malformed", "not an electronic book"},
		"13.docx": {"empty", "a picture and no word"}, "14.pdf": {"partial", "pages 2, 3 and 4 of 4"}, "15.pdf": {"partial", "an XFA form"},
	} {
		d := of[path]
		assert.Equal(t, want.outcome, d.Outcome, path)
		assert.Contains(t, d.Note, want.note, path)
		assert.Equal(t, want.outcome == "ok" && want.note == "" || want.outcome == "partial", d.Passages > 0, "%s: %d passages", path, d.Passages)
		assert.Contains(t, page.String(), path)
		assert.Contains(t, page.String(), want.note, path)
	}
	for _, told := range []string{"1 .key, 1 .png, 1 .zip", "1 without an ending", "1 ._*, 1 .git", "1 Thumbs.db", "1 ~$*", "2 say what an earlier document says"} {
		assert.Contains(t, page.String(), told)
		assert.Contains(t, out.String(), told)
	}
	assert.Equal(t, map[string]int{".key": 1, ".png": 1, ".zip": 1, "": 1}, found[0].NotRead)
	assert.Equal(t, 2, found[0].Duplicates)
}
