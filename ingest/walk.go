package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options says what Walk reads and how. The zero value reads all PDF, text and
// Markdown files in the calling process.
type Options struct {
	// Readers maps file extensions, in lower case and with their dot, to
	// readers. Nil means .pdf, .txt and .md with the readers of this package.
	Readers map[string]Reader

	// Include and Exclude are patterns as in path.Match, where "**" also
	// matches any number of folders. A pattern without a slash is held against
	// the last element of a path, else against the whole of it. No Include
	// means everything; Exclude wins, and leaves out what is below a folder.
	Include, Exclude []string

	MaxFileBytes int64         // larger files are not opened; 0: 256 MiB
	Timeout      time.Duration // for one document; 0: one minute
	Workers      int           // documents read at the same time; 0: GOMAXPROCS

	// Isolated reads each document in a child process. Nil reads in this one;
	// see the package comment for what that risks.
	Isolated *Isolated

	// Progress is called after each document, in path order, before Walk
	// yields it, and holds the walk up until it returns.
	Progress func(Progress)

	Logger *slog.Logger // nil: discard
}

// Progress is how far a walk has come.
type Progress struct {
	Done, Total int // documents
	Path        string
	Outcome     Outcome
	Elapsed     time.Duration // since the walk began
}

// Validate reports all settings that make no sense.
func (o Options) Validate() error {
	var errs []error
	for ext, r := range o.Readers {
		if !strings.HasPrefix(ext, ".") || ext != strings.ToLower(ext) {
			errs = append(errs, fmt.Errorf("ingest: Options.Readers: extension %q must begin with a dot and be in lower case", ext))
		}
		if r == nil {
			errs = append(errs, fmt.Errorf("ingest: Options.Readers[%q] is nil", ext))
		}
	}
	for _, p := range slices.Concat(o.Include, o.Exclude) {
		if _, err := path.Match(p, ""); err != nil || p == "" {
			errs = append(errs, fmt.Errorf("ingest: pattern %q: must follow path.Match", p))
		}
	}
	if o.MaxFileBytes < 0 || o.Timeout < 0 || o.Workers < 0 {
		errs = append(errs, errors.New("ingest: Options.MaxFileBytes, Timeout and Workers must not be negative"))
	}
	if o.Isolated != nil {
		errs = append(errs, o.Isolated.validate())
	}
	return errors.Join(errs...)
}

func (o Options) withDefaults() Options {
	if o.Readers == nil {
		o.Readers = map[string]Reader{".pdf": PDF{}, ".txt": Text{}, ".md": Markdown{}}
	}
	if o.MaxFileBytes == 0 {
		o.MaxFileBytes = 256 << 20
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Walk reads the documents below fsys and yields them in the order of their
// paths, however many workers there are. Symbolic links to files are read;
// those to folders are not followed.
//
// Every file yields one document, with an error that is a *FileError unless its
// outcome is OK or Partial. A nil document comes with the error that ended the
// walk: wrong options, an unreadable root, a child program that does not start,
// or ctx. Leaving the loop stops the workers and their processes.
//
// Only the paths and the documents in work are held in memory. The sequence may
// be ranged over again, and reads the files again.
func Walk(ctx context.Context, fsys fs.FS, o Options) iter.Seq2[*Document, error] {
	return func(yield func(*Document, error) bool) {
		if err := o.Validate(); err != nil {
			yield(nil, err)
			return
		}
		w := &walker{fsys: fsys, Options: o.withDefaults(), began: time.Now()}
		files, err := w.list()
		if err != nil {
			yield(nil, fmt.Errorf("ingest: listing the folder: %w", err))
			return
		}
		w.Logger.Info("reading documents", "documents", len(files), "workers", w.Workers, "isolated", w.Isolated != nil)
		if err := w.run(ctx, files, yield); err != nil {
			yield(nil, err)
		}
	}
}

type walker struct {
	Options
	fsys  fs.FS
	began time.Time
	pool  *pool // of child processes; nil when reading in this one
}

// file is one path to read, or the error that listing it gave.
type file struct {
	path string
	err  error
}

// list finds the files to read. Sorting the whole list, and not each folder,
// makes the order that of the paths as strings.
func (w *walker) list() ([]file, error) {
	var files []file
	err := fs.WalkDir(w.fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && (p == "." || d == nil):
			return err
		case p != "." && matchesAny(w.Exclude, p):
			if d.IsDir() {
				return fs.SkipDir
			}
		case err != nil:
			files = append(files, file{p, err})
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.IsDir() || w.reader(p) == nil || len(w.Include) > 0 && !matchesAny(w.Include, p):
		case d.Type().IsRegular():
			files = append(files, file{path: p})
		case d.Type()&fs.ModeSymlink != 0:
			if info, err := fs.Stat(w.fsys, p); err != nil || info.Mode().IsRegular() {
				files = append(files, file{p, err})
			}
		}
		return nil
	})
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return files, err
}

func (w *walker) reader(p string) Reader { return w.Readers[strings.ToLower(path.Ext(p))] }

// result is a document with its error, or the error that ends the walk.
type result struct {
	doc   *Document
	err   error
	fatal error
}

// run reads files ahead of the consumer. Each file gets a slot in a queue as
// long as there are workers, so results leave in order and never pile up.
func (w *walker) run(ctx context.Context, files []file, yield func(*Document, error) bool) error {
	if w.Isolated != nil {
		w.pool = newPool(*w.Isolated, w.Logger)
		defer w.pool.close()
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	slots := make(chan chan result, w.Workers-1)
	busy := make(chan struct{}, w.Workers)
	wg.Go(func() {
		defer close(slots)
		for _, f := range files {
			slot := make(chan result, 1)
			select {
			case slots <- slot:
			case <-ctx.Done():
				return
			}
			busy <- struct{}{}
			wg.Go(func() {
				slot <- w.read(ctx, f)
				<-busy
			})
		}
	})

	done := 0
	for slot := range slots {
		r := <-slot
		if r.fatal != nil {
			return r.fatal
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		done++
		if w.Progress != nil {
			w.Progress(Progress{done, len(files), r.doc.Path, r.doc.Outcome, time.Since(w.began)})
		}
		if !yield(r.doc, r.err) {
			return nil
		}
	}
	return context.Cause(ctx)
}

// read turns one file into a result.
func (w *walker) read(ctx context.Context, f file) result {
	start := time.Now()
	doc, err := &Document{}, f.err
	if err == nil {
		var fatal error
		if doc, fatal, err = w.extract(ctx, f.path); fatal != nil {
			return result{fatal: fatal}
		}
	}
	doc.Path = f.path
	err = doc.settle(err)
	w.Logger.Debug("document read", "path", f.path, "outcome", doc.Outcome, "pages", len(doc.Pages), "took", time.Since(start))
	return result{doc: doc, err: err}
}

// extract opens the file and hands it to its reader. The document is never nil
// unless fatal is not.
func (w *walker) extract(ctx context.Context, p string) (doc *Document, fatal, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, w.Timeout, fmt.Errorf("%w of %v", ErrTimeout, w.Timeout))
	defer cancel()
	sum := &digest{Hash: sha256.New(), size: -1}
	open := func() (f fs.File, err error) {
		sum.Reset()
		f, sum.size, err = w.open(p)
		return f, err
	}
	if w.pool != nil {
		doc, fatal, err = w.pool.read(ctx, w.reader(p), sum, open)
	} else {
		doc, err = w.inProcess(ctx, w.reader(p), sum, open)
	}
	if doc == nil {
		doc = &Document{}
	}
	doc.ID = sum.id()
	return doc, fatal, err
}

// digest hashes a file of a known size.
type digest struct {
	hash.Hash
	n, size int64
}

func (d *digest) Write(b []byte) (int, error) {
	d.n += int64(len(b))
	return d.Hash.Write(b)
}

func (d *digest) Reset() {
	d.n, d.size = 0, -1
	d.Hash.Reset()
}

// id is "" unless the whole file was hashed.
func (d *digest) id() string {
	if d.n != d.size {
		return ""
	}
	return hex.EncodeToString(d.Sum(nil))
}

// open returns the file and its size, which is within the limit.
func (w *walker) open(p string) (fs.File, int64, error) {
	f, err := w.fsys.Open(p)
	if err != nil {
		return nil, -1, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%w: not a regular file", fs.ErrInvalid)
	case info.Size() > w.MaxFileBytes:
		err = fmt.Errorf("%w: %d bytes, the limit is %d (Options.MaxFileBytes)", ErrTooLarge, info.Size(), w.MaxFileBytes)
	default:
		return f, info.Size(), nil
	}
	f.Close()
	return nil, -1, err
}

func (w *walker) inProcess(ctx context.Context, r Reader, sum *digest, open func() (fs.File, error)) (*Document, error) {
	f, err := open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, sum.size)
	n, err := io.ReadFull(io.TeeReader(f, sum), data)
	if err == io.ErrUnexpectedEOF || err == io.EOF && sum.size > 0 {
		return nil, changed(int64(n), sum.size)
	}
	if err != nil && err != io.EOF {
		return nil, err
	}
	if hasMore(f) {
		return nil, changed(sum.size+1, sum.size)
	}
	return readSafely(ctx, r, data)
}

func changed(got, want int64) error {
	return fmt.Errorf("file changed while it was read: %d bytes or more instead of %d", got, want)
}

func hasMore(f io.Reader) bool {
	n, _ := io.ReadFull(f, make([]byte, 1))
	return n > 0
}

// readSafely runs a reader, turning a panic into an error.
func readSafely(ctx context.Context, r Reader, data []byte) (doc *Document, err error) {
	defer func() {
		if x := recover(); x != nil {
			doc, err = nil, fmt.Errorf("%w: panic: %v", ErrCrashed, x)
		}
	}()
	doc, err = r.Read(ctx, memory(data), int64(len(data)))
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if doc == nil && err == nil {
		err = fmt.Errorf("%w: reader returned neither document nor error", ErrCrashed)
	}
	return doc, err
}
