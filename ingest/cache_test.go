package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/ingesttest"
)

// counting counts what it reads.
type counting struct {
	Setting string
	reads   *atomic.Int64
	version string
}

func (c counting) EngineVersion() string { return c.version }

func (c counting) Read(_ context.Context, r io.ReaderAt, size int64) (*Document, error) {
	c.reads.Add(1)
	data, err := slurp(r, size)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(string(data), "bad") {
		return nil, fmt.Errorf("%w: as it says", ErrMalformed)
	}
	if strings.HasPrefix(string(data), "slow") {
		return nil, ErrTimeout
	}
	return &Document{Title: "t", Pages: []Page{{1, string(data) + c.Setting}}}, nil
}

// aged writes a file that was last changed a while ago.
func aged(t testing.TB, name, text string, age time.Duration) {
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	at := time.Now().Add(-age)
	require.NoError(t, os.Chtimes(name, at, at))
}

func entriesOf(t testing.TB, dir string) (names []string) {
	require.NoError(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, p)
		}
		return err
	}))
	return names
}

func TestCache(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir, cacheDir := t.TempDir(), t.TempDir()
	aged(t, filepath.Join(dir, "a.x"), "one", time.Hour)
	aged(t, filepath.Join(dir, "b.x"), "bad file", time.Hour)
	aged(t, filepath.Join(dir, "c.x"), "slow file", time.Hour)
	aged(t, filepath.Join(dir, "sub", "d.x"), "one", time.Hour) // the same content
	reader := counting{reads: &atomic.Int64{}, version: "1"}
	walk := func(reads int64) []*Document {
		t.Helper()
		reader.reads.Store(0)
		docs, _ := collect(t, os.DirFS(dir), Options{Readers: map[string]Reader{".x": reader}, CacheDir: cacheDir, Workers: 1})
		assert.Equal(t, reads, reader.reads.Load())
		return docs
	}
	first := walk(3) // d.x has the content of a.x
	assert.Equal(t, []Outcome{OK, Malformed, Timeout, OK}, []Outcome{first[0].Outcome, first[1].Outcome, first[2].Outcome, first[3].Outcome})
	assert.Equal(t, first, walk(1), "all but the one that might end otherwise")
	for _, name := range entriesOf(t, cacheDir) {
		assert.NotContains(t, filepath.Base(name), ".new", "no temporary file")
	}

	// Changed content, also of the same size, is read; touched files are only hashed.
	aged(t, filepath.Join(dir, "a.x"), "two", 30*time.Minute)
	assert.Equal(t, "two", walk(2)[0].Text())
	aged(t, filepath.Join(dir, "a.x"), "two", 20*time.Minute)
	walk(1)
	// A file so young that it may change again within the clock's grain is hashed each time.
	aged(t, filepath.Join(dir, "a.x"), "six", 0)
	assert.Equal(t, "six", walk(2)[0].Text())
	young, err := os.Stat(filepath.Join(dir, "a.x"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.x"), []byte("ten"), 0o644))
	require.NoError(t, os.Chtimes(filepath.Join(dir, "a.x"), young.ModTime(), young.ModTime()))
	assert.Equal(t, "ten", walk(2)[0].Text())

	// Settings and versions count.
	reader.Setting = "!"
	assert.Equal(t, "ten!", walk(4)[0].Text())
	reader.version = "2"
	walk(4)
	assert.Equal(t, "ten!", walk(1)[0].Text())
}

func TestCacheIsByFallbackToo(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir, cacheDir := t.TempDir(), t.TempDir()
	aged(t, filepath.Join(dir, "a.x"), "bytes", time.Hour)
	first := map[string]Reader{".x": scripted{Fail: Malformed}}
	second := map[string]Reader{".x": scripted{Pages: []Page{{1, "second"}}}}
	d, _ := one(t, os.DirFS(dir), Options{Readers: first, CacheDir: cacheDir})
	assert.Equal(t, Malformed, d.Outcome)
	for range 2 {
		d, err := one(t, os.DirFS(dir), Options{Readers: first, Fallback: second, CacheDir: cacheDir})
		assert.NoError(t, err)
		assert.Equal(t, "second", d.Text())
		assert.True(t, d.Fallback)
	}
	// A crash may have been the machine's: the next run tries again.
	docs := len(entriesOf(t, cacheDir))
	_, _ = one(t, os.DirFS(dir), Options{Readers: map[string]Reader{".x": scripted{Fail: Crashed, Sleep: 1}}, Fallback: second, CacheDir: cacheDir})
	assert.Len(t, entriesOf(t, cacheDir), docs)
}

func TestCorruptCacheEntriesAreRewritten(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir, cacheDir := t.TempDir(), t.TempDir()
	aged(t, filepath.Join(dir, "a.x"), "text", time.Hour)
	reader := counting{reads: &atomic.Int64{}, version: "1"}
	o := Options{Readers: map[string]Reader{".x": reader}, CacheDir: cacheDir}
	want, _ := one(t, os.DirFS(dir), o)
	names := entriesOf(t, cacheDir)
	require.Len(t, names, 2)
	for what, damage := range map[string]func(name string, data []byte) []byte{
		"cut":      func(_ string, data []byte) []byte { return data[:len(data)-3] },
		"empty":    func(string, []byte) []byte { return nil },
		"changed":  func(_ string, data []byte) []byte { data[len(data)-2] ^= 1; return data },
		"no JSON":  func(string, []byte) []byte { return fmt.Appendf(nil, "%x\nhello", sha256.Sum256([]byte("hello"))) },
		"no entry": func(string, []byte) []byte { return fmt.Appendf(nil, "%x\n{}", sha256.Sum256([]byte("{}"))) },
	} {
		for _, name := range names {
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(name, damage(name, data), 0o600))
		}
		reader.reads.Store(0)
		got, err := one(t, os.DirFS(dir), o)
		assert.NoError(t, err, what)
		assert.Equal(t, want, got, what)
		assert.EqualValues(t, 1, reader.reads.Load(), what)
		_, _ = one(t, os.DirFS(dir), o)
		assert.EqualValues(t, 1, reader.reads.Load(), what+": rewritten")
	}
}

func TestCacheOfManyAtOnce(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir, cacheDir := t.TempDir(), t.TempDir()
	for i := range 40 {
		aged(t, filepath.Join(dir, fmt.Sprintf("%02d.x", i)), fmt.Sprint("text ", i/2), time.Hour)
	}
	o := Options{Readers: map[string]Reader{".x": counting{reads: &atomic.Int64{}, version: "1"}}, CacheDir: cacheDir, Workers: 4}
	want, _ := collect(t, os.DirFS(dir), Options{Readers: o.Readers})
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			got, _ := collect(t, os.DirFS(dir), o)
			assert.Equal(t, want, got)
		})
	}
	wg.Wait()
}

// A cache that cannot be written to is told once, and costs no document.
func TestCacheWithoutRoom(t *testing.T) {
	ingesttest.NothingLeft(t)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	var log bytes.Buffer
	o := Options{CacheDir: filepath.Join(file, "below"), Logger: slog.New(slog.NewTextHandler(&log, nil)), Workers: 1}
	docs, _ := collect(t, fstest.MapFS{"a.txt": {Data: []byte("one")}, "b.txt": {Data: []byte("two")}}, o)
	assert.Equal(t, []string{"one", "two"}, []string{docs[0].Text(), docs[1].Text()})
	assert.Equal(t, 1, strings.Count(log.String(), "cannot write to the cache"), log.String())
}

// The text of the test files, in one number. When it changes, the engine reads
// otherwise than before: raise engineVersion, or caches go on with the old text.
func TestEngineVersionStandsForItsText(t *testing.T) {
	ingesttest.NothingLeft(t)
	sum := sha256.New()
	for _, dir := range []string{"guides", "hostile"} {
		docs, _ := collect(t, os.DirFS(filepath.Join("testdata", dir)), Options{})
		for _, d := range docs {
			fmt.Fprintf(sum, "%s %s %s\n", d.Path, d.Outcome, d.Text())
		}
	}
	const want = "version 9: 17eeb0179ed6749fc2d4a352699a6cacfbf82a776048ba1374794a064a05fb07"
	assert.Equal(t, want, fmt.Sprintf("version %s: %x", engineVersion, sum.Sum(nil)))
}
