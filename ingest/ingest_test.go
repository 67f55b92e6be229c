package ingest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/docent-ml/docent/internal/ingesttest"
)

// Test readers for what no file should be needed for. They are named in
// TestMain, so that child processes know them.
type (
	panicking  struct{}
	endless    struct{}
	exiting    struct{}
	hungry     struct{}
	configured struct{ Word string }
	unknown    struct{}
)

func (panicking) Read(context.Context, io.ReaderAt, int64) (*Document, error) { panic("boom") }
func (unknown) Read(context.Context, io.ReaderAt, int64) (*Document, error)   { return nil, nil }
func (endless) Read(context.Context, io.ReaderAt, int64) (*Document, error) {
	for n := 0; ; n++ { // ignores its context, as a parser in a loop does
		if n < 0 {
			return nil, nil
		}
	}
}
func (exiting) Read(context.Context, io.ReaderAt, int64) (*Document, error) {
	fmt.Fprintln(os.Stderr, "fatal error: something unrecoverable")
	os.Exit(2)
	return nil, nil
}
func (hungry) Read(context.Context, io.ReaderAt, int64) (*Document, error) {
	var all [][]byte
	for {
		b := make([]byte, 8<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
		if len(all) > 4096 {
			return nil, errors.New("32 GiB and no end")
		}
	}
}
func (c configured) Read(context.Context, io.ReaderAt, int64) (*Document, error) {
	return &Document{Pages: []Page{{1, c.Word}}}, nil
}

func TestMain(m *testing.M) {
	if RunChild(os.Args, panicking{}, endless{}, exiting{}, hungry{}, configured{}, scripted{}, &preparing{}) {
		return
	}
	os.Exit(m.Run())
}

// collect walks to the end; a document is expected with each element.
func collect(t testing.TB, fsys fs.FS, o Options) (docs []*Document, errs []error) {
	t.Helper()
	for doc, err := range Walk(context.Background(), fsys, o) {
		require.NotNil(t, doc, "%v", err)
		docs, errs = append(docs, doc), append(errs, err)
	}
	return docs, errs
}

func one(t testing.TB, fsys fs.FS, o Options) (*Document, error) {
	t.Helper()
	docs, errs := collect(t, fsys, o)
	require.Len(t, docs, 1)
	return docs[0], errs[0]
}

func (d *Document) text() string {
	var b strings.Builder
	for _, p := range d.Pages {
		b.WriteString(p.Text + "\n")
	}
	return b.String()
}

type fact struct {
	Doc    string `json:"doc_id"`
	Answer string `json:"answer"`
}

func readFacts(t testing.TB, name string) (facts []fact) {
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var x fact
		require.NoError(t, json.Unmarshal(s.Bytes(), &x))
		facts = append(facts, x)
	}
	return facts
}

func flat(s string) string { return strings.Join(strings.Fields(norm.NFKC.String(s)), " ") }

// answersFound counts the facts whose answer stands in the text of their guide.
func answersFound(t *testing.T, dir string) (found, all int) {
	texts := map[string]string{}
	docs, _ := collect(t, os.DirFS(dir), Options{})
	for _, d := range docs {
		texts[d.Path] = flat(d.text())
	}
	facts := readFacts(t, filepath.Join(dir, "facts.jsonl"))
	for _, f := range facts {
		if strings.Contains(texts[f.Doc], flat(f.Answer)) {
			found++
		} else {
			t.Logf("%s: %q not found", f.Doc, f.Answer)
		}
	}
	return found, len(facts)
}

func TestCourseGuides(t *testing.T) {
	ingesttest.NothingLeft(t)
	docs, errs := collect(t, os.DirFS("testdata/guides"), Options{})
	require.Len(t, docs, 3)
	for i, d := range docs {
		assert.NoError(t, errs[i])
		assert.Equal(t, OK, d.Outcome, d.Path)
		assert.Equal(t, "application/pdf", d.MediaType)
		assert.Len(t, d.ID, 64)
	}
	found, all := answersFound(t, "testdata/guides")
	assert.Equal(t, 28, all)
	assert.Equal(t, all, found)

	// Schedule and grading come out row by row, in both columns of the page.
	nur, sta := docs[0], docs[1]
	assert.Contains(t, sta.text(), "Course code\tSTA330\n")
	assert.Contains(t, sta.text(), "5\tTransformations\n6\tCategorical predictors\n")
	assert.Contains(t, sta.text(), "Component\tWeight\nWeekly problem sets\t25%\nGroup data project\t35%\nOral examination\t40%\nTotal\t100%\n")
	assert.Contains(t, nur.text(), "Week\tTopic\n1\tPatient assessment\n2\tInfection control\n")
}

func TestOrderIsThatOfPaths(t *testing.T) {
	ingesttest.NothingLeft(t)
	fsys := fstest.MapFS{}
	for _, p := range []string{"b.TXT", "a/z.md", "a.txt", "a/B/x.txt", "a-1.txt", "c.pdf.bak", "d", "é.md"} {
		fsys[p] = &fstest.MapFile{Data: []byte("text of " + p)}
	}
	for i := range 200 {
		fsys[fmt.Sprintf("many/%03d.txt", i)] = &fstest.MapFile{Data: []byte(fmt.Sprint(i))}
	}
	var first []*Document
	for _, workers := range []int{1, 2, 7, 64} {
		docs, _ := collect(t, fsys, Options{Workers: workers})
		if first == nil {
			first = docs
			require.Len(t, docs, 206)
			assert.Equal(t, "a-1.txt", docs[0].Path)
			assert.Equal(t, "a.txt", docs[1].Path)
			assert.Equal(t, "a/B/x.txt", docs[2].Path)
			assert.Equal(t, "a/z.md", docs[3].Path)
			assert.Equal(t, "b.TXT", docs[4].Path)
			assert.Equal(t, "é.md", docs[205].Path)
		}
		assert.Equal(t, first, docs, "%d workers", workers)
	}
}

func TestIncludeAndExclude(t *testing.T) {
	ingesttest.NothingLeft(t)
	fsys := fstest.MapFS{}
	for _, p := range []string{"a.txt", "old/a.txt", "old/deep/b.txt", "new/a.md", "new/draft-1.txt"} {
		fsys[p] = &fstest.MapFile{Data: []byte("x")}
	}
	list := func(o Options) (paths []string) {
		docs, _ := collect(t, fsys, o)
		for _, d := range docs {
			paths = append(paths, d.Path)
		}
		return paths
	}
	assert.Equal(t, []string{"a.txt", "new/draft-1.txt", "old/a.txt", "old/deep/b.txt"}, list(Options{Include: []string{"*.txt"}}))
	assert.Equal(t, []string{"a.txt", "new/a.md"}, list(Options{Exclude: []string{"old", "draft-*"}}))
	assert.Equal(t, []string{"old/a.txt", "old/deep/b.txt"}, list(Options{Include: []string{"old/**"}}))
	assert.Equal(t, []string{"old/deep/b.txt"}, list(Options{Include: []string{"**/deep/*.txt"}}))
	assert.Empty(t, list(Options{Include: []string{"none/*"}}))
}

func TestValidate(t *testing.T) {
	ingesttest.NothingLeft(t)
	err := Options{
		Readers: map[string]Reader{"pdf": PDF{}, ".TXT": Text{}, ".x": nil},
		Include: []string{"[", ""}, Workers: -1, Isolated: &Isolated{MaxMemory: 1},
	}.Validate()
	for _, part := range []string{`"pdf"`, `".TXT"`, `[".x"]`, `"["`, `""`, "Workers", "MaxMemory"} {
		assert.ErrorContains(t, err, part)
	}
	for doc, err := range Walk(context.Background(), fstest.MapFS{}, Options{Workers: -1}) {
		assert.Nil(t, doc)
		assert.ErrorContains(t, err, "Workers")
	}
	assert.NoError(t, Options{Isolated: &Isolated{}}.Validate())
}

func TestFolderThatIsNone(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file.pdf"), []byte("x"), 0o600))
	for _, name := range []string{"missing", "file.pdf"} {
		n := 0
		for doc, err := range Walk(context.Background(), os.DirFS(filepath.Join(dir, name)), Options{}) {
			assert.Nil(t, doc)
			assert.Error(t, err)
			n++
		}
		assert.Equal(t, 1, n)
	}
	docs, _ := collect(t, fstest.MapFS{}, Options{})
	assert.Empty(t, docs)
}

func TestSymbolicLinks(t *testing.T) {
	ingesttest.NothingLeft(t)
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need rights on Windows")
	}
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sub", "real.txt"), []byte("real"), 0o600))
	require.NoError(t, os.Symlink("..", filepath.Join(dir, "sub", "loop")))
	require.NoError(t, os.Symlink("sub/real.txt", filepath.Join(dir, "link.txt")))
	require.NoError(t, os.Symlink("nowhere.txt", filepath.Join(dir, "dangling.txt")))
	require.NoError(t, os.Symlink("self.txt", filepath.Join(dir, "self.txt")))
	require.NoError(t, os.Symlink("sub", filepath.Join(dir, "folder.txt")))
	docs, errs := collect(t, os.DirFS(dir), Options{})
	require.Len(t, docs, 4)
	assert.Equal(t, []Outcome{Unreadable, OK, Unreadable, OK}, []Outcome{docs[0].Outcome, docs[1].Outcome, docs[2].Outcome, docs[3].Outcome})
	assert.ErrorIs(t, errs[0], fs.ErrNotExist)
	assert.Equal(t, "dangling.txt", docs[0].Path)
	assert.Equal(t, "real\n", docs[1].text())
	assert.Equal(t, docs[3].ID, docs[1].ID)
}

func TestProgressAndReport(t *testing.T) {
	ingesttest.NothingLeft(t)
	fsys := fstest.MapFS{
		"a.txt": {Data: []byte("text")},
		"b.txt": {Data: []byte("  \n")},
		"c.pdf": {Data: []byte("<html>")},
	}
	var seen []string
	var report Report
	o := Options{Progress: func(p Progress) {
		seen = append(seen, fmt.Sprintf("%d/%d %s %s", p.Done, p.Total, p.Path, p.Outcome))
		assert.GreaterOrEqual(t, p.Elapsed, time.Duration(0))
	}}
	for doc := range Walk(context.Background(), fsys, o) {
		report.Add(doc)
	}
	report.Add(nil)
	assert.Equal(t, []string{"1/3 a.txt ok", "2/3 b.txt empty", "3/3 c.pdf not_pdf"}, seen)
	assert.Equal(t, []int{1, 1, 1, 1}, []int{report.Read, report.Empty, report.Failed, report.Pages})
	assert.Equal(t, `OUTCOME  PAGES  DOCUMENT  REASON
empty    0      b.txt     no text: the file is blank
not_pdf  0      c.pdf     not a PDF file: no %PDF- in the first 1,024 bytes
3 documents: 1 read (1 pages), 1 empty, 1 failed
`, report.String())
	js, err := json.Marshal(&report)
	require.NoError(t, err)
	assert.Contains(t, string(js), `"outcomes":{"empty":1,"not_pdf":1,"ok":1}`)
}

func TestReportIsSafeToPrint(t *testing.T) {
	ingesttest.NothingLeft(t)
	var r Report
	r.Add(&Document{Path: "evil\x1b[2J\n\tname.pdf", Outcome: Malformed, Faults: []Fault{{3, strings.Repeat("long\n", 100)}, {4, "x"}}})
	assert.Equal(t, 3, strings.Count(r.String(), "\n"))
	assert.NotContains(t, r.String(), "\x1b")
	assert.Contains(t, r.String(), "page 3: long")
	assert.Contains(t, r.String(), "(and 1 more)")
}
