package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/formats"
	"github.com/docent-ml/docent/ingest/pdfium"
	"github.com/docent-ml/docent/internal/ingesttest"
)

func TestMain(m *testing.M) {
	if ingest.RunChild(os.Args, append(formats.Types(), &pdfium.PDF{}, scans{})...) {
		return
	}
	os.Exit(m.Run())
}

// folder holds good and bad documents of several kinds.
func folder(t *testing.T) string {
	dir := t.TempDir()
	guide, err := os.ReadFile(filepath.Join("..", "..", "ingest", "testdata", "guides", "hollowbrook-NUR240-clinical-nursing.pdf"))
	require.NoError(t, err)
	for name, data := range map[string][]byte{
		"guide.pdf": guide, "sub/notes.md": []byte("# Notes\n\nRead them."), "sub/page.html": []byte("<p>A page</p>"),
		"broken.pdf": []byte("%PDF-1.4 nothing"), "web.pdf": []byte("<html>"), "blank.txt": nil, "other.bin": []byte("x"),
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	return dir
}

// ingestTo runs the program and returns what it says.
func ingestTo(t *testing.T, args ...string) (string, error) {
	var out bytes.Buffer
	err := run(context.Background(), args, nil, &out)
	return out.String(), err
}

func TestRowsAndReport(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir, out := folder(t), filepath.Join(t.TempDir(), "rows.jsonl")
	said, err := ingestTo(t, dir, "-out", out, "-engine", "own", "-cache", t.TempDir())
	require.NoError(t, err)
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	var ids []string
	outcomes := map[string]string{}
	for line := range strings.Lines(string(data)) {
		var fields map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		for _, key := range []string{"doc_id", "text", "pages", "outcome", "title", "media_type", "language", "digest", "faults"} {
			assert.Contains(t, fields, key, line)
		}
		var r row
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		ids = append(ids, r.DocID)
		outcomes[r.DocID] = string(r.Outcome)
		assert.NotNil(t, r.Pages, r.DocID)
		for _, p := range r.Pages {
			assert.Positive(t, p.Number)
			assert.Contains(t, r.Text, p.Text)
		}
	}
	assert.Equal(t, []string{"blank.txt", "broken.pdf", "guide.pdf", "sub/notes.md", "sub/page.html", "web.pdf"}, ids)
	assert.Equal(t, map[string]string{
		"blank.txt": "empty", "broken.pdf": "malformed", "guide.pdf": "ok", "sub/notes.md": "ok", "sub/page.html": "ok", "web.pdf": "not_pdf",
	}, outcomes)
	assert.Contains(t, said, "6 documents: 3 read (8 pages), 1 empty, 2 failed")
	assert.Contains(t, said, "broken.pdf")
	assert.Contains(t, said, "not read, for no reader knows their kind: 1 .bin")

	var report ingest.Report
	data, err = os.ReadFile(strings.TrimSuffix(out, ".jsonl") + ".report.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &report))
	assert.Len(t, report.Documents, 6)
	assert.Equal(t, 2, report.Failed)
	entries, err := os.ReadDir(filepath.Dir(out))
	require.NoError(t, err)
	assert.Len(t, entries, 2, "no temporary file")
}

func TestFlagsBeforeAndBehind(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir, out := folder(t), filepath.Join(t.TempDir(), "rows.jsonl")
	_, err := ingestTo(t, "-trusted", "-engine=own", dir, "-out", out, "-include", "*.md", "-include", "*.html")
	require.NoError(t, err)
	a, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.Equal(t, 2, bytes.Count(a, []byte("\n")))
	_, err = ingestTo(t, "-trusted", "-engine=own", "-out", out, "-exclude", "*.pdf", "-exclude", "blank*", dir)
	require.NoError(t, err)
	b, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.Equal(t, string(a), string(b), "without the rest it is the same")
}

func TestFaultsAreTold(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir, out := folder(t), filepath.Join(t.TempDir(), "rows.jsonl")
	empty := t.TempDir()
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no folder":       {[]string{"-out", out}, "one folder must be named, not 0"},
		"two folders":     {[]string{dir, dir, "-out", out}, "not 2"},
		"no output":       {[]string{dir}, "-out must name"},
		"unknown flag":    {[]string{dir, "-out", out, "-speed", "9"}, "speed"},
		"unknown engine":  {[]string{dir, "-out", out, "-engine", "gs"}, "own, pdfium or both"},
		"negative":        {[]string{dir, "-out", out, "-workers", "-1"}, "-workers"},
		"missing folder":  {[]string{filepath.Join(dir, "no"), "-out", out}, "no such file"},
		"a file":          {[]string{filepath.Join(dir, "guide.pdf"), "-out", out}, "is a file: name the folder"},
		"empty folder":    {[]string{empty, "-out", out}, "no document is in the folder"},
		"missing out dir": {[]string{dir, "-out", filepath.Join(empty, "no", "rows.jsonl")}, "rows.jsonl"},
		"bad pattern":     {[]string{dir, "-out", out, "-include", "[", "-engine", "own"}, "path.Match"},
		"little memory":   {[]string{dir, "-out", out, "-memory", "5", "-engine", "own"}, "64 MiB"},
	} {
		if name == "missing folder" && runtime.GOOS == "windows" {
			c.says = "cannot find"
		}
		_, err := ingestTo(t, c.args...)
		assert.ErrorContains(t, err, c.says, name)
		assert.NoFileExists(t, out, name)
	}
	said, err := ingestTo(t, "-h")
	require.NoError(t, err)
	assert.Contains(t, said, "ingest FOLDER -out rows.jsonl")
	assert.Contains(t, said, "-keep-headers")
}

// An older file stays when reading is given up.
func TestOldRowsStay(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir, out := folder(t), filepath.Join(t.TempDir(), "rows.jsonl")
	require.NoError(t, os.WriteFile(out, []byte("old\n"), 0o644))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	assert.ErrorIs(t, run(ctx, []string{dir, "-out", out, "-engine", "own"}, nil, &bytes.Buffer{}), context.Canceled)
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.Equal(t, "old\n", string(data))
	entries, err := os.ReadDir(filepath.Dir(out))
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

// What was read when the program is stopped is kept, and it says so.
func TestStoppedKeepsWhatWasRead(t *testing.T) {
	ingesttest.NothingLeft(t)
	fsys := fstest.MapFS{}
	for i := range 200 {
		fsys[fmt.Sprintf("%03d.txt", i)] = &fstest.MapFile{Data: []byte(fmt.Sprintf("Words of %d.", i))}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var report ingest.Report
	var out bytes.Buffer
	n, err := dataset.Write(&out, rows(ctx, fsys, ingest.Options{Progress: func(p ingest.Progress) {
		if p.Done == 20 {
			cancel()
		}
	}}, &report))
	require.NoError(t, err)
	assert.Equal(t, 20, n)
	assert.Equal(t, 20, bytes.Count(out.Bytes(), []byte("\n")))
	assert.True(t, report.Stopped)
	assert.Contains(t, report.String(), "stopped before all documents were read")
}

func TestDuplicatesAreTold(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir, out := folder(t), filepath.Join(t.TempDir(), "rows.jsonl")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "zz.md"), []byte("# Notes\n\nRead them."), 0o644))
	said, err := ingestTo(t, "-trusted", "-engine=own", dir, "-out", out, "-include", "*.md")
	require.NoError(t, err)
	assert.Contains(t, said, "1 of them say what an earlier one says")
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.Contains(t, string(data), `"duplicate_of":"sub/notes.md","likeness":1`)
}

// full is a disk with room for some bytes.
type full struct{ room int }

var errFull = errors.New("no space left on device")

func (f *full) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestFullDisk(t *testing.T) {
	ingesttest.NothingLeft(t)
	fsys := fstest.MapFS{}
	for _, name := range []string{"a.txt", "b.txt", "c.txt", "d.txt"} {
		fsys[name] = &fstest.MapFile{Data: []byte(strings.Repeat(name+" ", 5000))}
	}
	var report ingest.Report
	_, err := dataset.Write(&full{room: 100_000}, rows(context.Background(), fsys, ingest.Options{Isolated: &ingest.Isolated{}}, &report))
	assert.ErrorIs(t, err, errFull)
}

func TestPasswordComesFromTheEnvironment(t *testing.T) {
	ingesttest.NothingLeft(t)
	var c command
	require.NoError(t, c.parse([]string{"dir", "-out", "x"}, []string{"INGEST_PASSWORD=secret"}))
	assert.Equal(t, "secret", c.password)
	require.NoError(t, c.parse([]string{"dir", "-out", "x", "-password", "other"}, []string{"INGEST_PASSWORD=secret"}))
	assert.Equal(t, "other", c.password)
}

func TestEnginesAreJoined(t *testing.T) {
	ingesttest.NothingLeft(t)
	for engine, want := range map[string]struct{ first, second bool }{"own": {true, false}, "pdfium": {false, false}, "both": {true, true}} {
		c := command{engine: engine, memory: 512, maxFile: 1}
		o, p := c.options(nil, nil)
		defer p.Close()
		_, own := o.Readers[".pdf"].(ingest.PDF)
		assert.Equal(t, want.first, own, engine)
		assert.Equal(t, want.second, o.Fallback != nil, engine)
		assert.NotNil(t, o.Isolated)
	}
}

func TestOCRProgram(t *testing.T) {
	c := command{}
	assert.ErrorContains(t, c.parse([]string{"dir", "-out", "x", "-ocr", "no-such-program"}, nil), "install Tesseract")
	c = command{}
	require.NoError(t, c.parse([]string{"dir", "-out", "x", "-ocr", "go"}, nil)) // a name on PATH
	assert.True(t, filepath.IsAbs(c.tesseract))
}
