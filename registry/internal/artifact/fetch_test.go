package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
)

// source serves contents, and counts what it serves.
type source struct {
	content map[string]string
	mu      sync.Mutex
	opened  map[string][]int64 // offsets, by path
	limit   map[string]int64   // bytes after which reading fails, once
	served  atomic.Int64
}

func (s *source) open(_ context.Context, path string, offset int64) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened == nil {
		s.opened = make(map[string][]int64)
	}
	s.opened[path] = append(s.opened[path], offset)
	content, ok := s.content[path]
	if !ok {
		return nil, &registry.Error{Path: path, Err: registry.ErrCorrupt}
	}
	var r io.Reader = strings.NewReader(content[min(offset, int64(len(content))):])
	if n, ok := s.limit[path]; ok {
		delete(s.limit, path)
		r = io.MultiReader(io.LimitReader(r, n), badReader{})
	}
	return io.NopCloser(io.TeeReader(r, countWriter{&s.served})), nil
}

type countWriter struct{ n *atomic.Int64 }

func (w countWriter) Write(p []byte) (int, error) { w.n.Add(int64(len(p))); return len(p), nil }

func list(content map[string]string) []registry.File {
	var files []registry.File
	for path, c := range content {
		files = append(files, file(path, c))
	}
	return files
}

func requireFiles(t *testing.T, want map[string]string, dir string) {
	t.Helper()
	got := make(map[string]string)
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		got[name] = string(data)
		return err
	}))
	require.Equal(t, want, got)
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	list := []string{}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestFetchResumesInsideAFile(t *testing.T) {
	s := &source{content: map[string]string{"big": strings.Repeat("0123456789", 1000), "a/small": "x"}, limit: map[string]int64{"big": 4000}}
	parent := t.TempDir()
	dir := filepath.Join(parent, "3")
	err := inTurn(t.Context(), list(s.content), dir, s.open)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, "big")
	require.NoDirExists(t, dir)
	require.Equal(t, []string{".3.partial"}, names(t, parent))

	s.served.Store(0)
	s.opened = nil
	require.NoError(t, inTurn(t.Context(), list(s.content), dir, s.open))
	assert.Equal(t, []int64{4000}, s.opened["big"], "goes on where it stopped")
	requireFiles(t, s.content, dir)
	require.Equal(t, []string{"3"}, names(t, parent))
}

func TestFetchKeepsWholeFilesOfABrokenOffAttempt(t *testing.T) {
	content := map[string]string{"a": "first", "b": "second", "c": "third"}
	files := []registry.File{file("a", "first"), file("b", "second"), file("c", "third")}
	s := &source{content: content, limit: map[string]int64{"c": 0}}
	dir := filepath.Join(t.TempDir(), "out")
	require.Error(t, inTurn(t.Context(), files, dir, s.open))
	s.opened = nil
	require.NoError(t, inTurn(t.Context(), files, dir, s.open))
	assert.NotContains(t, s.opened, "a")
	assert.NotContains(t, s.opened, "b")
	requireFiles(t, content, dir)
}

func TestFetchStartsOverWhenThePartIsWrong(t *testing.T) {
	content := map[string]string{"f": strings.Repeat("right", 100)}
	s := &source{content: content, limit: map[string]int64{"f": 100}}
	dir := filepath.Join(t.TempDir(), "out")
	require.Error(t, inTurn(t.Context(), list(content), dir, s.open))
	parts, err := filepath.Glob(filepath.Join(filepath.Dir(dir), ".out.partial", "parts", "*"))
	require.NoError(t, err)
	require.Len(t, parts, 1)
	for _, wrong := range []string{strings.Repeat("wrong", 10), strings.Repeat("wrong", 1000)} {
		require.NoError(t, os.WriteFile(parts[0], []byte(wrong), 0o600))
		require.NoError(t, inTurn(t.Context(), list(content), dir, s.open))
		requireFiles(t, content, dir)
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, os.MkdirAll(filepath.Dir(parts[0]), 0o700))
	}
}

func TestFetchRefusesWhatIsNotTheFile(t *testing.T) {
	want := []registry.File{file("dir/f", "hello")}
	for _, served := range []string{"jello", "hell", "hello!", ""} {
		s := &source{content: map[string]string{"dir/f": served}}
		dir := filepath.Join(t.TempDir(), "out")
		err := inTurn(t.Context(), want, dir, s.open)
		require.ErrorIs(t, err, registry.ErrCorrupt, "%q", served)
		var typed *registry.Error
		require.ErrorAs(t, err, &typed)
		assert.Equal(t, "dir/f", typed.Path)
		require.NoDirExists(t, dir)

		s.content["dir/f"] = "hello"
		require.NoError(t, inTurn(t.Context(), want, dir, s.open), "and nothing wrong is kept")
		requireFiles(t, s.content, dir)
	}
}

func TestFetchDoesNotReadOnEndlessly(t *testing.T) {
	read := 0
	endless := func(context.Context, string, int64) (io.ReadCloser, error) {
		return io.NopCloser(readerFunc(func(p []byte) (int, error) { read += len(p); return len(p), nil })), nil
	}
	err := inTurn(t.Context(), []registry.File{file("f", "hello")}, filepath.Join(t.TempDir(), "out"), endless)
	require.ErrorIs(t, err, registry.ErrCorrupt)
	assert.Less(t, read, 1<<20)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestFetchRefusesPathsThatLeave(t *testing.T) {
	parent := t.TempDir()
	for _, path := range []string{"../evil", "/evil", "a/../../evil", `..\evil`, "C:/evil"} {
		f := file("x", "y")
		f.Path = path
		err := inTurn(t.Context(), []registry.File{f}, filepath.Join(parent, "out"), (&source{content: map[string]string{path: "y"}}).open)
		require.ErrorIs(t, err, registry.ErrInvalid, path)
	}
	assert.Empty(t, names(t, parent))
}

func TestFetchDoesNotFollowPlantedLinks(t *testing.T) {
	parent, outside := t.TempDir(), t.TempDir()
	partial := filepath.Join(parent, ".out.partial", "files")
	require.NoError(t, os.MkdirAll(partial, 0o700))
	if err := os.Symlink(outside, filepath.Join(partial, "a")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	content := map[string]string{"a/f": "x"}
	require.NoError(t, inTurn(t.Context(), list(content), filepath.Join(parent, "out"), (&source{content: content}).open))
	requireFiles(t, content, filepath.Join(parent, "out"))
	assert.Empty(t, names(t, outside))
}

func TestFetchReplacesAnotherVersionAtOnce(t *testing.T) {
	one := map[string]string{"config": "1", "weights": "old", "same": "same"}
	two := map[string]string{"config": "2", "weights": "new!", "same": "same"}
	parent := t.TempDir()
	dir := filepath.Join(parent, "out")
	require.NoError(t, inTurn(t.Context(), list(one), dir, (&source{content: one}).open))
	s := &source{content: two, limit: map[string]int64{"weights": 2}}
	require.Error(t, inTurn(t.Context(), list(two), dir, s.open))
	requireFiles(t, one, dir) // untouched until the new one is complete
	require.NoError(t, inTurn(t.Context(), list(two), dir, s.open))
	requireFiles(t, two, dir)
	assert.NotContains(t, s.opened, "same", "what is there already is not transferred")
	assert.Equal(t, []string{"out"}, names(t, parent))
}

func TestFetchThroughALinkToADirectory(t *testing.T) {
	content := map[string]string{"f": "x"}
	disk, home := t.TempDir(), t.TempDir()
	link := filepath.Join(home, "cache")
	if err := os.Symlink(disk, link); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	require.NoError(t, inTurn(t.Context(), list(content), filepath.Join(link, "3"), (&source{content: content}).open))
	requireFiles(t, content, filepath.Join(disk, "3"))
	require.NoError(t, inTurn(t.Context(), list(content), filepath.Join(link, "3"), (&source{}).open))
}

func TestFetchFromReadOnlyCache(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("permissions do not bind root: only that nothing is opened is checked")
	}
	content := map[string]string{"f": "x"}
	parent := t.TempDir()
	dir := filepath.Join(parent, "out")
	require.NoError(t, inTurn(t.Context(), list(content), dir, (&source{content: content}).open))
	require.NoError(t, os.Chmod(parent, 0o500))
	defer func() { require.NoError(t, os.Chmod(parent, 0o700)) }()
	unused := func(context.Context, string, int64) (io.ReadCloser, error) { return nil, errors.New("not needed") }
	require.NoError(t, inTurn(t.Context(), list(content), dir, unused))
}

func TestFetchTogether(t *testing.T) {
	content := map[string]string{"a": strings.Repeat("a", 100_000), "b": "b"}
	s := &source{content: content}
	parent := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { assert.NoError(t, inTurn(t.Context(), list(content), filepath.Join(parent, "out"), s.open)) })
	}
	wg.Wait()
	requireFiles(t, content, filepath.Join(parent, "out"))
	assert.Equal(t, []string{"out"}, names(t, parent))
	assert.EqualValues(t, 100_001, s.served.Load(), "fetched once, the others waited")
}

func TestFetchIntoARoot(t *testing.T) {
	err := inTurn(t.Context(), []registry.File{file("f", "x")}, string(filepath.Separator), (&source{}).open)
	require.ErrorIs(t, err, registry.ErrInvalid)
}

// inTurn fetches one file at a time, so that it is known which ones an interrupted attempt got.
func inTurn(ctx context.Context, files []registry.File, dir string, open Open) error {
	return Fetch(ctx, files, dir, 1, open)
}

func TestFetchSeveralAtATime(t *testing.T) {
	content := map[string]string{}
	for i := range 40 {
		content[fmt.Sprintf("d%d/e/f%d", i%7, i)] = strings.Repeat(fmt.Sprint(i), 1000)
	}
	dir := filepath.Join(t.TempDir(), "out")
	s := &source{content: content}
	require.NoError(t, Fetch(t.Context(), list(content), dir, 8, func(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(s.content[name][offset:])), nil
	}))
	for name, want := range content {
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}

// Without a checksum the size is all there is to go by.
func TestFetchWithoutChecksums(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	f := registry.File{Path: "f", Size: 5}
	open := func(text string) Open {
		return func(_ context.Context, _ string, offset int64) (io.ReadCloser, error) {
			assert.Zero(t, offset, "what an earlier attempt left may be of another file")
			return io.NopCloser(strings.NewReader(text)), nil
		}
	}
	require.ErrorIs(t, inTurn(t.Context(), []registry.File{f}, dir, open("hell")), registry.ErrCorrupt)
	require.ErrorIs(t, inTurn(t.Context(), []registry.File{f}, dir, open("hello!")), registry.ErrCorrupt)
	require.NoError(t, inTurn(t.Context(), []registry.File{f}, dir, open("hello")))
	require.ErrorIs(t, Check([]registry.File{f}), registry.ErrInvalid, "no manifest holds such")
}

func TestEachStopsAtTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	var ended atomic.Int32
	err := Each(t.Context(), 1000, 4, func(ctx context.Context, i int) error {
		if i == 3 {
			return broken
		}
		if i > 3 {
			<-ctx.Done()
			ended.Add(1)
		}
		return nil
	})
	require.ErrorIs(t, err, broken)
	assert.LessOrEqual(t, ended.Load(), int32(4))
	assert.NoError(t, Each(t.Context(), 0, 4, nil))
}

func TestFetchToAFullDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	full := func(context.Context, string, int64) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("hel"), iotest.ErrReader(&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}))), nil
	}
	err := inTurn(t.Context(), []registry.File{file("f", "hello")}, dir, full)
	require.ErrorIs(t, err, syscall.ENOSPC)
	assert.ErrorContains(t, err, "make room")
	var from int64
	require.NoError(t, inTurn(t.Context(), []registry.File{file("f", "hello")}, dir, func(_ context.Context, _ string, offset int64) (io.ReadCloser, error) {
		from = offset
		return io.NopCloser(strings.NewReader("hello"[offset:])), nil
	}))
	assert.EqualValues(t, 3, from)
}
