package pdfium

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/internal/ingesttest"
	"github.com/docent-ml/docent/internal/race"
)

// compiled is where the tests keep the compiled engine: to compile it for each
// of them would take minutes.
var compiled string

func TestMain(m *testing.M) {
	if ingest.RunChild(os.Args, &PDF{}) {
		return
	}
	const inherited = "DOCENT_TEST_PDFIUM" // by the workers of the fuzzer
	if compiled = os.Getenv(inherited); compiled != "" {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "pdfium-test-*")
	if err != nil {
		panic(err)
	}
	compiled = dir
	os.Setenv(inherited, dir)
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func open(t testing.TB) *PDF {
	p := &PDF{CacheDir: compiled}
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return p
}

func walk(t testing.TB, dir string, o ingest.Options) map[string]*ingest.Document {
	docs := map[string]*ingest.Document{}
	for doc, err := range ingest.Walk(context.Background(), os.DirFS(dir), o) {
		require.NotNil(t, doc, "%v", err)
		docs[doc.Path] = doc
	}
	return docs
}

func only(p *PDF) map[string]ingest.Reader { return map[string]ingest.Reader{".pdf": p} }

func TestReadsAsTheOwnEngineDoes(t *testing.T) {
	ingesttest.NothingLeft(t)
	guides := filepath.Join("..", "testdata", "guides")
	want := walk(t, guides, ingest.Options{})
	for name, iso := range map[string]*ingest.Isolated{"in process": nil, "isolated": {}} {
		got := walk(t, guides, ingest.Options{Readers: only(open(t)), Isolated: iso})
		require.Len(t, got, len(want))
		for path, d := range got {
			assert.Equal(t, ingest.OK, d.Outcome, path)
			assert.Len(t, d.Pages, len(want[path].Pages), path)
			assert.Equal(t, want[path].Title, d.Title, path)
			share, _ := ingesttest.Recall(d.Text(), want[path].Text())
			assert.Greater(t, share, 0.97, "%s %s", name, path)
		}
	}
}

// A second reader takes nothing away from the first.
func TestFallbackOnHostileFiles(t *testing.T) {
	ingesttest.NothingLeft(t)
	hostile := filepath.Join("..", "testdata", "hostile")
	begin := time.Now()
	docs := walk(t, hostile, ingest.Options{
		Fallback: only(open(t)), Isolated: &ingest.Isolated{}, Timeout: 20 * time.Second,
	})
	assert.Less(t, time.Since(begin), 60*time.Second)
	want := walk(t, hostile, ingest.Options{})
	for path, d := range docs {
		if want[path].Outcome == ingest.OK {
			assert.Equal(t, want[path], d, path)
		}
		assert.NotEqual(t, ingest.Crashed, d.Outcome, path)
	}
}

func TestNoDocuments(t *testing.T) {
	ingesttest.NothingLeft(t)
	p := open(t)
	for name, data := range map[string]string{
		"no objects": "%PDF-1.4\n%%EOF", "cut": "%PDF-1.4\n1 0 obj <</Type/Cat",
	} {
		_, err := p.Read(context.Background(), strings.NewReader(data), int64(len(data)))
		assert.ErrorIs(t, err, ingest.ErrMalformed, name)
	}
	_, err := p.Read(context.Background(), strings.NewReader("<html>"), 6)
	assert.ErrorIs(t, err, ingest.ErrNotPDF)
}

func TestPasswords(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir := filepath.Join("..", "..", "internal", "pdf", "testdata")
	for path, d := range walk(t, dir, ingest.Options{Readers: only(open(t))}) {
		want := ingest.OK
		if strings.Contains(path, "secret") {
			want = ingest.Encrypted
		}
		assert.Equal(t, want, d.Outcome, path)
	}
	p := open(t)
	p.Password = "secret"
	for path, d := range walk(t, dir, ingest.Options{Readers: only(p), Include: []string{"*secret*"}}) {
		assert.Equal(t, ingest.OK, d.Outcome, path)
		assert.Equal(t, "The quick brown fox", d.Text(), path)
	}
}

// The bombs end as an error of their page, within the memory they may have, and
// the next document is read as if they had not been there.
func TestMemoryIsLimited(t *testing.T) {
	ingesttest.NothingLeft(t)
	p := open(t)
	p.MaxMemory = 128 << 20
	hostile := filepath.Join("..", "testdata", "hostile")
	for _, name := range []string{"bomb-string-3gb.pdf", "bomb-operators-1gb.pdf", "xobject-loop.pdf"} {
		before := rss(t)
		docs := walk(t, hostile, ingest.Options{Readers: only(p), Include: []string{name}, Timeout: 5 * time.Minute})
		assert.Equal(t, ingest.Malformed, docs[name].Outcome, name)
		assert.Less(t, rss(t)-before, int64(300<<20), name)
		docs = walk(t, hostile, ingest.Options{Readers: only(p), Include: []string{"quote-operators.pdf"}})
		assert.Equal(t, ingest.OK, docs["quote-operators.pdf"].Outcome, "after %s", name)
	}
}

func rss(t *testing.T) int64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("memory is measured on Linux only")
	}
	var size, resident int64
	_, err = fmt.Sscan(string(data), &size, &resident)
	require.NoError(t, err)
	return resident * int64(os.Getpagesize())
}

// slow is a page of many operators, which keeps PDFium busy for seconds.
func slow() []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
		"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj\n" +
		"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n4 0 obj<<>>stream\nBT /F 1 Tf\n")
	for i := range 300_000 {
		fmt.Fprintf(&b, "1 0 0 1 %d %d Tm (abcdefgh) Tj\n", i%7, i%5)
	}
	b.WriteString("ET\nendstream endobj\ntrailer<</Root 1 0 R>>\n%%EOF")
	return b.Bytes()
}

func TestDeadlineStopsPDFium(t *testing.T) {
	ingesttest.NothingLeft(t)
	if race.Enabled {
		t.Skip("go-pdfium's Kill is not synchronised with the call that it ends")
	}
	p := open(t)
	require.NoError(t, p.Prepare(context.Background()))
	fsys := fstest.MapFS{"a.pdf": {Data: slow()}}
	start := time.Now()
	for doc, err := range ingest.Walk(context.Background(), fsys, ingest.Options{Readers: only(p), Timeout: 400 * time.Millisecond}) {
		require.NotNil(t, doc)
		assert.ErrorIs(t, err, ingest.ErrTimeout)
		assert.Equal(t, ingest.Timeout, doc.Outcome)
	}
	assert.Less(t, time.Since(start), 30*time.Second)
	docs := walk(t, filepath.Join("..", "testdata", "hostile"), ingest.Options{Readers: only(p), Include: []string{"quote-operators.pdf"}})
	assert.Equal(t, ingest.OK, docs["quote-operators.pdf"].Outcome, "a new instance reads the next file")
}

func TestCancelAndClose(t *testing.T) {
	ingesttest.NothingLeft(t)
	if race.Enabled {
		t.Skip("go-pdfium's Kill is not synchronised with the call that it ends")
	}
	p := &PDF{CacheDir: compiled}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	data := []byte("%PDF-1.4\n")
	_, err := p.Read(ctx, bytes.NewReader(data), int64(len(data)))
	assert.Error(t, err)
	require.NoError(t, p.Prepare(context.Background()))
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	_, err = p.Read(context.Background(), bytes.NewReader(data), int64(len(data)))
	assert.ErrorIs(t, err, ErrClosed)
}

func TestMaxPages(t *testing.T) {
	ingesttest.NothingLeft(t)
	p := open(t)
	p.MaxPages = 2
	for path, d := range walk(t, filepath.Join("..", "testdata", "guides"), ingest.Options{Readers: only(p)}) {
		assert.Len(t, d.Pages, 2, path)
		assert.Contains(t, d.Faults[0].Reason, "MaxPages is 2")
	}
}

// Settings travel to child processes, and nothing else of a PDF does.
func TestSettings(t *testing.T) {
	ingesttest.NothingLeft(t)
	p := open(t)
	require.NoError(t, p.Prepare(context.Background()))
	data, err := json.Marshal(p)
	require.NoError(t, err)
	assert.Contains(t, string(data), "CacheDir")
	var again PDF
	require.NoError(t, json.Unmarshal(data, &again))
	assert.Equal(t, p.CacheDir, again.CacheDir)
	entries, err := os.ReadDir(compiled)
	require.NoError(t, err)
	assert.NotEmpty(t, entries, "the compiled engine is on disk")
	bad := &PDF{CacheDir: filepath.Join(os.Args[0], "below a file")}
	assert.ErrorContains(t, bad.Prepare(context.Background()), "CacheDir")
}

func TestPlain(t *testing.T) {
	ingesttest.NothingLeft(t)
	for in, want := range map[string]string{
		"a\r\nb":                  "a\nb",
		"distri\x02\r\nbuted":     "distri-\nbuted",
		"distri\x02buted systems": "distri-\nbuted systems",
		" \r\n":                   "",
	} {
		assert.Equal(t, want, plain(in))
	}
}

func BenchmarkPDFium(b *testing.B) {
	p := open(b)
	for name, iso := range map[string]*ingest.Isolated{"interruptible": nil, "isolated": {}} {
		b.Run(name, func(b *testing.B) {
			o := ingest.Options{Readers: only(p), Isolated: iso, Workers: 1}
			walk(b, filepath.Join("..", "testdata", "guides"), o)
			pages := 0
			for b.Loop() {
				for _, d := range walk(b, filepath.Join("..", "testdata", "guides"), o) {
					pages += len(d.Pages)
				}
			}
			b.ReportMetric(float64(pages)/b.Elapsed().Seconds(), "pages/s")
		})
	}
}

func FuzzRead(f *testing.F) {
	p := open(f)
	require.NoError(f, p.Prepare(context.Background()), "compiling takes longer than an input may")
	f.Add([]byte("%PDF-1.4\n1 0 obj<</Pages 2 0 R>>endobj 2 0 obj<</Kids[3 0 R]/Count 1>>endobj 3 0 obj<</Type/Page/Contents 4 0 R>>endobj 4 0 obj<<>>stream\nBT (x) Tj ET\nendstream endobj trailer<</Root 1 0 R>>"))
	for _, name := range []string{"xref-prev-self.pdf", "quote-operators.pdf", "truncated-half.pdf"} {
		data, err := os.ReadFile(filepath.Join("..", "testdata", "hostile", name))
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_, _ = p.Read(ctx, bytes.NewReader(data), int64(len(data)))
	})
}
