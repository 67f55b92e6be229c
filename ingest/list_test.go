package ingest

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/ingesttest"
)

// forest is a file system of many small files that exist only while they are
// looked at: folders of a hundred.
type forest struct{ files int }

type leaf struct {
	name string
	dir  bool
}

func (l leaf) Name() string               { return l.name }
func (l leaf) IsDir() bool                { return l.dir }
func (l leaf) Type() fs.FileMode          { return l.Mode().Type() }
func (l leaf) Info() (fs.FileInfo, error) { return l, nil }
func (l leaf) Size() int64                { return 1000 }
func (l leaf) ModTime() time.Time         { return time.Time{} }
func (l leaf) Sys() any                   { return nil }
func (l leaf) Mode() fs.FileMode {
	if l.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

type leafFile struct {
	leaf
	left int
}

func (f *leafFile) Stat() (fs.FileInfo, error) { return f.leaf, nil }
func (f *leafFile) Close() error               { return nil }
func (f *leafFile) Read(b []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	n := min(len(b), f.left)
	for i := range n {
		b[i] = 'a'
	}
	f.left -= n
	return n, nil
}

func (f forest) Open(name string) (fs.File, error) {
	return &leafFile{leaf{filepath.Base(name), false}, 1000}, nil
}

func (f forest) ReadDir(name string) (entries []fs.DirEntry, err error) {
	if name == "." {
		for i := range f.files / 100 {
			entries = append(entries, leaf{fmt.Sprintf("folder-%05d", i), true})
		}
		return entries, nil
	}
	for i := range 100 {
		entries = append(entries, leaf{fmt.Sprintf("file-%02d.txt", i), false})
	}
	return entries, nil
}

// A hundred thousand files take the memory of the workers, not of the files.
func TestManyFilesNeedNoMemory(t *testing.T) {
	ingesttest.NothingLeft(t)
	files := 100_000
	if testing.Short() {
		files = 20_000
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, most, n := heap(), int64(0), 0
	var last Progress
	o := Options{Workers: 4, Progress: func(p Progress) { last = p }}
	previous := ""
	for doc, err := range Walk(context.Background(), forest{files}, o) {
		require.NoError(t, err)
		require.Less(t, previous, doc.Path)
		previous = doc.Path
		if n++; n%5_000 == 0 {
			most = max(most, heap()-before)
		}
	}
	assert.Equal(t, files, n)
	assert.Less(t, most, int64(2<<20), "held while reading")
	assert.Equal(t, files, last.Done)
	assert.Equal(t, files, last.Total)
}

func TestCancelAmongManyFiles(t *testing.T) {
	ingesttest.NothingLeft(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	var last error
	for doc, err := range Walk(ctx, forest{100_000}, Options{Workers: 4, Isolated: &Isolated{}}) {
		if doc == nil {
			last = err
			continue
		}
		if n++; n == 50 {
			cancel()
		}
	}
	assert.ErrorIs(t, last, context.Canceled)
	assert.Equal(t, 50, n)
}

func TestProgressTellsRateAndRest(t *testing.T) {
	ingesttest.NothingLeft(t)
	p := progress(25, 100, &Document{Path: "a", Outcome: OK}, 5*time.Second)
	assert.Equal(t, Progress{25, 100, "a", OK, 5 * time.Second, 5, 15 * time.Second}, p)
	assert.Equal(t, 101, progress(101, 100, &Document{}, time.Second).Total, "a file that came later")
	assert.Zero(t, progress(1, 1, &Document{}, 0).Remaining)
}

// The order of the paths as strings is that of the folders as they are walked.
func TestOrderOfPaths(t *testing.T) {
	ingesttest.NothingLeft(t)
	fsys := fstest.MapFS{}
	random := rand.New(rand.NewPCG(1, 2))
	const letters = "ab-.0 ~é"
	for range 300 {
		name := ""
		for depth := random.IntN(4); depth >= 0; depth-- {
			for range 1 + random.IntN(3) {
				r := []rune(letters)
				name += string(r[random.IntN(len(r))])
			}
			name += "x/"
		}
		fsys[name+"f.txt"] = &fstest.MapFile{Data: []byte("x")}
	}
	var paths []string
	for p, err := range List(fsys, Options{}) {
		require.NoError(t, err)
		paths = append(paths, p)
	}
	assert.Greater(t, len(paths), 200)
	assert.True(t, slices.IsSorted(paths))
	docs, _ := collect(t, fsys, Options{})
	for i, d := range docs {
		assert.Equal(t, paths[i], d.Path)
	}
}

func TestPaths(t *testing.T) {
	ingesttest.NothingLeft(t)
	fsys := fstest.MapFS{"a.txt": {Data: []byte("a")}, "b/c.txt": {Data: []byte("c")}, "d.txt": {Data: []byte("d")}}
	docs, errs := collect(t, fsys, Options{Paths: []string{"missing.txt", "b/c.txt", "a.txt", "x.odd"}})
	var got []string
	for _, d := range docs {
		got = append(got, d.Path+" "+string(d.Outcome))
	}
	assert.Equal(t, []string{"a.txt ok", "b/c.txt ok", "missing.txt unreadable", "x.odd unreadable"}, got)
	assert.ErrorIs(t, errs[2], fs.ErrNotExist)
	assert.ErrorContains(t, errs[3], "no reader for files named *.odd")
	docs, _ = collect(t, fsys, Options{Paths: []string{}})
	assert.Empty(t, docs)
	for _, bad := range []string{"/etc/passwd.txt", "../a.txt", "a//b.txt"} {
		assert.ErrorContains(t, Options{Paths: []string{bad}}.Validate(), "no path below a root")
	}
	for _, err := range List(fsys, Options{Workers: -1}) {
		assert.ErrorContains(t, err, "negative")
	}
}

func TestBadFolders(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "a.txt")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	closed := filepath.Join(dir, "closed")
	require.NoError(t, os.MkdirAll(filepath.Join(closed, "in"), 0o700))
	for name, folder := range map[string]string{"missing": filepath.Join(dir, "missing"), "a file": file} {
		for _, watched := range []func(Progress){nil, func(Progress) {}} {
			n := 0
			for doc, err := range Walk(context.Background(), os.DirFS(folder), Options{Progress: watched}) {
				assert.Nil(t, doc, name)
				assert.ErrorContains(t, err, "listing the folder", name)
				n++
			}
			assert.Equal(t, 1, n, name)
		}
	}
	docs, _ := collect(t, os.DirFS(closed), Options{})
	assert.Empty(t, docs, "an empty folder has no documents")
	if os.Getuid() != 0 {
		require.NoError(t, os.Chmod(filepath.Join(closed, "in"), 0))
		docs, errs := collect(t, os.DirFS(closed), Options{})
		require.Len(t, docs, 1, "a folder that cannot be read is told, not passed over")
		assert.Equal(t, "in", docs[0].Path)
		assert.ErrorIs(t, errs[0], fs.ErrPermission)
		require.NoError(t, os.Chmod(filepath.Join(closed, "in"), 0o700))
	}
}

// brokenDir is a folder whose list of files breaks off.
type brokenDir struct{ fs.FS }

func (b brokenDir) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(b.FS, name)
	if name == "bad" && err == nil {
		return entries[:1], fs.ErrPermission
	}
	return entries, err
}

func TestFolderThatBreaksOff(t *testing.T) {
	ingesttest.NothingLeft(t)
	fsys := brokenDir{fstest.MapFS{"a.txt": {Data: []byte("a")}, "bad/b.txt": {Data: []byte("b")}, "bad/c.txt": {}, "d.txt": {Data: []byte("d")}}}
	docs, errs := collect(t, fsys, Options{})
	var got []string
	for _, d := range docs {
		got = append(got, d.Path+" "+string(d.Outcome))
	}
	assert.Equal(t, []string{"a.txt ok", "bad unreadable", "bad/b.txt ok", "d.txt ok"}, got)
	assert.ErrorIs(t, errs[1], fs.ErrPermission)
}

func TestSymlinks(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a", "x.txt"), []byte("x"), 0o600))
	for name, target := range map[string]string{
		"a/b/loop": dir, "a/self": ".", "a/link.txt": "x.txt", "a/round.txt": "round.txt", "a/lost.txt": "nowhere", "folder.pdf": "a",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	docs, _ := collect(t, os.DirFS(dir), Options{})
	var got []string
	for _, d := range docs {
		got = append(got, d.Path+" "+string(d.Outcome))
	}
	assert.Equal(t, []string{"a/link.txt ok", "a/lost.txt unreadable", "a/round.txt unreadable", "a/x.txt ok"}, got)
}
