package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/ingesttest"
)

// The files were made for this purpose, one for each kind of damage.
func TestHostileFiles(t *testing.T) {
	ingesttest.NothingLeft(t)
	want := map[string]Outcome{
		"ascii-hex-filter.pdf":     OK,
		"bomb-operators-1gb.pdf":   Malformed,
		"bomb-string-3gb.pdf":      Malformed,
		"header-junk-before.pdf":   OK,
		"header-only.pdf":          Malformed,
		"header-version-2.0.pdf":   OK,
		"html-not-pdf.pdf":         NotPDF,
		"pagetree-loop.pdf":        OK,
		"quote-operators.pdf":      OK,
		"text-in-form-xobject.pdf": OK,
		"tounicode-huge-count.pdf": OK,
		"trailing-nul-bytes.pdf":   OK,
		"truncated-half.pdf":       Partial,
		"xobject-loop.pdf":         OK,
		"xref-offsets-wrong.pdf":   OK,
		"xref-prev-self.pdf":       OK,
		"xref-start-huge.pdf":      OK,
		"zero-byte.pdf":            NotPDF,
	}
	const timeout = 20 * time.Second
	for name, iso := range map[string]*Isolated{"in process": nil, "isolated": {}} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			docs, errs := collect(t, os.DirFS("testdata/hostile"), Options{Isolated: iso, Timeout: timeout})
			assert.Less(t, time.Since(start), timeout)
			got := map[string]Outcome{}
			for i, d := range docs {
				got[d.Path] = d.Outcome
				assert.Equal(t, d.Outcome.HasText(), errs[i] == nil, d.Path)
				assert.Equal(t, d.Outcome != OK, len(d.Faults) > 0, d.Path)
				if d.Path == "xobject-loop.pdf" || d.Path == "text-in-form-xobject.pdf" || d.Path == "pagetree-loop.pdf" {
					assert.Contains(t, d.text(), "harbour master", d.Path)
				}
			}
			assert.Equal(t, want, got)
		})
	}
}

func TestErrorsNameFileAndReason(t *testing.T) {
	ingesttest.NothingLeft(t)
	_, err := one(t, fstest.MapFS{"sub/x.pdf": {Data: []byte("<html>")}}, Options{})
	var fe *FileError
	require.ErrorAs(t, err, &fe)
	assert.ErrorIs(t, err, ErrNotPDF)
	assert.Equal(t, "sub/x.pdf", fe.Path)
	assert.Equal(t, "ingest sub/x.pdf: not a PDF file: no %PDF- in the first 1,024 bytes", err.Error())
	assert.Equal(t, "ingest x.pdf: page 3: why", (&FileError{"x.pdf", 3, errors.New("why")}).Error())
}

func TestOutcomesOfErrors(t *testing.T) {
	ingesttest.NothingLeft(t)
	for _, k := range kinds {
		assert.Equal(t, k.outcome, outcomeOf(k.err))
		assert.ErrorIs(t, k.err, k.err)
	}
	assert.Equal(t, Unreadable, outcomeOf(fs.ErrPermission))
	assert.Nil(t, errorOf(Unreadable))
	assert.Equal(t, ErrTimeout, errorOf(Timeout))
}

func TestSizeLimit(t *testing.T) {
	ingesttest.NothingLeft(t)
	d, err := one(t, fstest.MapFS{"big.txt": {Data: bytes.Repeat([]byte("x"), 101)}}, Options{MaxFileBytes: 100})
	assert.Equal(t, TooLarge, d.Outcome)
	assert.ErrorIs(t, err, ErrTooLarge)
	assert.Empty(t, d.ID)
	d, err = one(t, fstest.MapFS{"fits.txt": {Data: bytes.Repeat([]byte("x"), 100)}}, Options{MaxFileBytes: 100})
	assert.Equal(t, OK, d.Outcome)
	assert.NoError(t, err)
}

func TestEncryptedNeedsItsPassword(t *testing.T) {
	ingesttest.NothingLeft(t)
	fsys := os.DirFS(filepath.Join("..", "internal", "pdf", "testdata"))
	o := Options{Include: []string{"*secret.pdf"}}
	docs, errs := collect(t, fsys, o)
	require.Len(t, docs, 5)
	for i, d := range docs {
		assert.Equal(t, Encrypted, d.Outcome)
		assert.ErrorIs(t, errs[i], ErrEncrypted)
	}
	for _, o.Isolated = range []*Isolated{nil, {}} {
		o.Readers = map[string]Reader{".pdf": PDF{Password: "secret"}}
		docs, _ = collect(t, fsys, o)
		for _, d := range docs {
			assert.Equal(t, OK, d.Outcome)
			assert.Equal(t, "The quick brown fox\n", d.text())
			assert.Equal(t, "Sealed title", d.Title)
		}
	}
}

// Repairs are made on a copy.
func TestReadingChangesNothing(t *testing.T) {
	ingesttest.NothingLeft(t)
	data, err := os.ReadFile("testdata/hostile/xref-offsets-wrong.pdf")
	require.NoError(t, err)
	data = bytes.ReplaceAll(data, []byte(" 0 obj"), []byte(" 7 obj")) // corrected in place
	before := bytes.Clone(data)
	d, err := PDF{}.Read(t.Context(), bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	assert.Contains(t, d.text(), "harbour master")
	assert.Equal(t, before, data)
}

func TestMaxPagesIsSaid(t *testing.T) {
	ingesttest.NothingLeft(t)
	o := Options{Include: []string{"hollow*"}, Readers: map[string]Reader{".pdf": PDF{MaxPages: 2}}}
	d, err := one(t, os.DirFS("testdata/guides"), o)
	assert.NoError(t, err)
	assert.Equal(t, Partial, d.Outcome)
	assert.Len(t, d.Pages, 2)
	assert.Equal(t, []Fault{{Reason: "2 of 6 pages read: MaxPages is 2"}}, d.Faults)
}

func TestReaderThatPanics(t *testing.T) {
	ingesttest.NothingLeft(t)
	o := Options{Readers: map[string]Reader{".x": panicking{}, ".y": unknown{}}}
	docs, errs := collect(t, fstest.MapFS{"a.x": {}, "b.y": {}}, o)
	assert.Equal(t, Crashed, docs[0].Outcome)
	assert.ErrorContains(t, errs[0], "boom")
	assert.Equal(t, Crashed, docs[1].Outcome)
	assert.ErrorIs(t, errs[1], ErrCrashed)
}

// growing is a file that is longer, or shorter, than its size says.
type growing struct {
	fs.File
	by int64
}

func (g growing) Stat() (fs.FileInfo, error) {
	info, err := g.File.Stat()
	return grownInfo{info, g.by}, err
}

type grownInfo struct {
	fs.FileInfo
	by int64
}

func (i grownInfo) Size() int64 { return i.FileInfo.Size() + i.by }

type growingFS struct {
	fs.FS
	by int64
}

func (g growingFS) Open(name string) (fs.File, error) {
	f, err := g.FS.Open(name)
	if err != nil || name == "." {
		return f, err
	}
	return growing{f, g.by}, nil
}

func (g growingFS) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(g.FS, name) }

func TestFileThatChanges(t *testing.T) {
	ingesttest.NothingLeft(t)
	fsys := fstest.MapFS{"a.txt": {Data: []byte("some text here")}, "b.txt": {Data: []byte("other text")}}
	for _, by := range []int64{-3, 3} {
		for _, iso := range []*Isolated{nil, {}} {
			docs, errs := collect(t, growingFS{fsys, by}, Options{Isolated: iso})
			require.Len(t, docs, 2)
			for i, d := range docs {
				assert.Equal(t, Unreadable, d.Outcome)
				assert.ErrorContains(t, errs[i], "changed while it was read")
				assert.Empty(t, d.Pages)
			}
		}
	}
}

func TestUnreadableFile(t *testing.T) {
	ingesttest.NothingLeft(t)
	if os.Getuid() == 0 {
		t.Log("root reads everything; a folder named like a file stands in")
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "closed.txt"), []byte("x"), 0o000))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.pdf"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "folder.pdf", "in.txt"), []byte("inside"), 0o600))
	docs, _ := collect(t, os.DirFS(dir), Options{})
	require.Len(t, docs, 2, "a folder is a folder, whatever its name")
	assert.Equal(t, "folder.pdf/in.txt", docs[1].Path)
	if os.Getuid() != 0 {
		assert.Equal(t, Unreadable, docs[0].Outcome)
	}
}

func TestBadNeighboursChangeNothing(t *testing.T) {
	ingesttest.NothingLeft(t)
	guides := os.DirFS("testdata/guides")
	mixed := fstest.MapFS{}
	add := func(dir string, fsys fs.FS, suffix string) {
		entries, err := fs.ReadDir(fsys, ".")
		require.NoError(t, err)
		for _, e := range entries {
			if filepath.Ext(e.Name()) != ".pdf" {
				continue
			}
			data, err := fs.ReadFile(fsys, e.Name())
			require.NoError(t, err)
			mixed[dir+e.Name()+suffix] = &fstest.MapFile{Data: data}
		}
	}
	add("", guides, "")
	add("", os.DirFS("testdata/hostile"), "")
	mixed["k.eats"], mixed["o.spins"], mixed["p.dies"] = &fstest.MapFile{}, &fstest.MapFile{}, &fstest.MapFile{}
	readers := map[string]Reader{".pdf": PDF{}, ".eats": hungry{}, ".spins": endless{}, ".dies": exiting{}}
	want, _ := collect(t, guides, Options{})
	docs, _ := collect(t, mixed, Options{Workers: 3, Readers: readers, Timeout: 4 * time.Second, Isolated: &Isolated{MaxMemory: 256 << 20}})
	var got []*Document
	for _, d := range docs {
		for _, w := range want {
			if d.Path == w.Path {
				got = append(got, d)
			}
		}
		switch d.Path {
		case "o.spins":
			assert.Equal(t, Timeout, d.Outcome)
		case "k.eats", "p.dies": // on a busy machine the deadline may come first
			assert.Contains(t, []Outcome{Crashed, Timeout}, d.Outcome)
		}
	}
	assert.Len(t, docs, len(mixed))
	assert.Equal(t, want, got)
}

func TestContextEndsTheWalk(t *testing.T) {
	ingesttest.NothingLeft(t)
	fsys := fstest.MapFS{"a.txt": {Data: []byte("x")}, "b.txt": {Data: []byte("y")}, "c.txt": {Data: []byte("z")}}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	stop := errors.New("enough")
	var last error
	n := 0
	for doc, err := range Walk(ctx, fsys, Options{Workers: 1}) {
		if doc == nil {
			last = err
			continue
		}
		n++
		cancel(stop)
	}
	assert.ErrorIs(t, last, stop)
	assert.Equal(t, 1, n)
}

func TestTimeoutInProcess(t *testing.T) {
	ingesttest.NothingLeft(t)
	d, err := one(t, os.DirFS("testdata/hostile"), Options{Include: []string{"bomb-operators*"}, Timeout: time.Millisecond})
	assert.Equal(t, Timeout, d.Outcome)
	assert.ErrorIs(t, err, ErrTimeout)
	assert.ErrorContains(t, err, "1ms")
}

// One code stands for 150 letters, one content stream for all pages.
func TestSmallFileWithEndlessText(t *testing.T) {
	ingesttest.NothingLeft(t)
	const pages, codes = 40, 40_000
	cmap := "1 beginbfchar <78> <" + strings.Repeat("0061", 150) + "> endbfchar"
	content := "BT /F 1 Tf 9 9 Td (" + strings.Repeat("x", codes) + ") Tj ET"
	var b strings.Builder
	fmt.Fprintf(&b, "%%PDF-1.4\n1 0 obj<</Pages 2 0 R>>endobj 3 0 obj<<>>stream\n%s\nendstream endobj\n", content)
	fmt.Fprintf(&b, "4 0 obj<<>>stream\n%s\nendstream endobj\n", cmap)
	b.WriteString("2 0 obj<</Resources<</Font<</F<</Subtype/Type1/ToUnicode 4 0 R>>>>>>/Kids[")
	for i := range pages {
		fmt.Fprintf(&b, "%d 0 R ", i+5)
	}
	b.WriteString("]>>endobj\n")
	for i := range pages {
		fmt.Fprintf(&b, "%d 0 obj<</Type/Page/Contents 3 0 R/Parent 2 0 R>>endobj\n", i+5)
	}
	d, err := one(t, fstest.MapFS{"a.pdf": {Data: []byte(b.String())}}, Options{})
	assert.Equal(t, TooLarge, d.Outcome)
	assert.ErrorContains(t, err, "64 MiB of text")
}
