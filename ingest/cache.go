package ingest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// cache keeps what readers made of files, by what the files hold and by the
// readers with their settings and versions. Beside that it notes which content
// a file of a name, size and time had, so that an unchanged file need not even
// be hashed.
//
// An entry begins with its own SHA-256: one that is torn, cut or changed does
// not fit and counts as missing. That makes it needless to wait for the disk,
// and entries are written whole under another name first, so processes do not
// get in each other's way.
type cache struct {
	dir    string
	log    *slog.Logger
	warned sync.Once
}

// engineVersion goes up when the readers of this package give other text for
// the same file; a test holds it against their text.
const engineVersion = "9"

// versioned is what readers of other packages may implement, so that the cache
// forgets what an older version of them read.
type versioned interface{ EngineVersion() string }

// cacheKey is a content, and who is to read it.
type cacheKey struct {
	id      string // SHA-256 of the file
	readers string
}

type cacheEntry struct {
	Document *Document `json:"document"`
	Outcome  Outcome   `json:"outcome,omitempty"` // of the error
	Error    string    `json:"error,omitempty"`
}

func (c *cache) get(k cacheKey) (*Document, error, bool) {
	var e cacheEntry
	if !c.load(c.file("pages", k.id+k.readers), &e) || e.Document == nil {
		return nil, nil, false
	}
	if e.Error != "" {
		return e.Document, &taggedError{e.Error, errorOf(e.Outcome)}, true
	}
	return e.Document, nil, true
}

func (c *cache) put(k cacheKey, d *Document, err error) {
	e := cacheEntry{Document: d}
	if err != nil {
		e.Outcome, e.Error = outcomeOf(err), err.Error()
	}
	c.save(c.file("pages", k.id+k.readers), e)
}

// file is where the entry of a key lies; 256 folders keep each of them small.
func (c *cache) file(kind, key string) string {
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:])
	return filepath.Join(c.dir, kind, name[:2], name[2:])
}

func (c *cache) load(name string, v any) bool {
	data, err := os.ReadFile(name)
	if err != nil {
		return false
	}
	sum, body, ok := bytes.Cut(data, []byte("\n"))
	want := sha256.Sum256(body)
	return ok && string(sum) == hex.EncodeToString(want[:]) && json.Unmarshal(body, v) == nil
}

// save is silent about its first failure's followers: a cache that cannot be
// written costs time, no document.
func (c *cache) save(name string, v any) {
	if err := c.write(name, v); err != nil {
		c.warned.Do(func() { c.log.Warn("cannot write to the cache: documents will be read again", "error", err) })
	}
}

func (c *cache) write(name string, v any) (err error) {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	sum := sha256.Sum256(body)
	_, err = fmt.Fprintf(f, "%x\n%s", sum, body)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// settled is how old a file must be for its time to be believed: one that is
// changed twice within the clock's grain would look the same.
const settled = 2 * time.Second

// identify hashes a file, or takes its hash from the note about it.
func (w *walker) identify(p string) (cacheKey, error) {
	key := cacheKey{readers: describe(w.reader(p)) + describe(w.Fallback[extension(p)])}
	f, size, err := w.open(p)
	if err != nil {
		return key, err
	}
	defer f.Close()
	note := ""
	if where := whereabouts(f); where != "" {
		note = w.cache.file("files", where)
		if w.cache.load(note, &key.id) {
			return key, nil
		}
	}
	sum := &digest{Hash: sha256.New(), size: size}
	if _, err := io.Copy(sum, io.LimitReader(f, size+1)); err != nil {
		return key, err
	}
	if key.id = sum.id(); key.id == "" {
		return key, changed(sum.n, size)
	}
	if note != "" {
		w.cache.save(note, key.id)
	}
	return key, nil
}

// whereabouts is what an unchanged file keeps: its name, size and time. It is
// "" for files that have no name of their own in the system, or are too young.
func whereabouts(f fs.File) string {
	named, ok := f.(*os.File)
	if !ok {
		return ""
	}
	info, err1 := f.Stat()
	full, err2 := filepath.Abs(named.Name())
	if err1 != nil || err2 != nil || time.Since(info.ModTime()) < settled {
		return ""
	}
	return fmt.Sprintf("%s\n%d\n%d", full, info.Size(), info.ModTime().UnixNano())
}

// describe names a reader with all that its text depends on.
func describe(r Reader) string {
	if r == nil {
		return ""
	}
	version := engineVersion
	if v, ok := r.(versioned); ok {
		version = v.EngineVersion()
	}
	settings, err := json.Marshal(r)
	if err != nil { // such a reader cannot be told from one with other settings
		settings = []byte(fmt.Sprintf("%+v", r))
	}
	return fmt.Sprintf("\n%s %s %s", readerType(r), version, settings)
}
