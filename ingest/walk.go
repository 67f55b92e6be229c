package ingest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bmatcuk/doublestar/v4"
)

// Options says what Walk reads and how. The zero value reads all files that
// DefaultReaders knows, in the calling process.
type Options struct {
	// Readers maps file extensions, in lower case and with their dot, to
	// readers. Nil means DefaultReaders.
	Readers map[string]Reader

	// Include and Exclude are patterns as in path.Match, where "**" also
	// matches any number of folders, and {a,b} one of several. A pattern without a slash is held against
	// the last element of a path, else against the whole of it. No Include
	// means everything; Exclude wins, and leaves out what is below a folder.
	Include, Exclude []string

	// SystemFiles reads what is left out else: folders and files that version
	// control, operating systems and office programs keep for themselves, such
	// as .git, __MACOSX, "._plan.docx" and "~$plan.docx".
	SystemFiles bool

	// Skipped is called for each file of a kind without a reader, and for what
	// SystemFiles says, in path order between the documents, unless Include or
	// Exclude leave it out.
	Skipped func(Skipped)

	// Redact changes the text of each page, title and metadata before anybody
	// sees them, such as to blacken names. It is called in this process, from
	// several goroutines. What CacheDir keeps is not changed.
	Redact func(text string) string

	// Paths, when not nil, are the files to read, as List yields them. Nothing
	// is looked for, and Include and Exclude do not count.
	Paths []string

	MaxFileBytes int64         // larger files are not opened; 0: 256 MiB
	Timeout      time.Duration // for one document; 0: one minute
	// Workers is how many documents are read at the same time. 0: GOMAXPROCS,
	// and one more with Isolated, whose children wait between documents.
	Workers int

	// Fallback maps file extensions to second readers, such as that of package
	// pdfium. One is asked where the first reader fails, finds no text or doubts
	// it; what it reads better stands for what the first one gave. The first
	// then has half of Timeout.
	Fallback map[string]Reader

	// Isolated reads each document in a child process. Nil reads in this one;
	// see the package comment for what that risks.
	Isolated *Isolated

	// CacheDir is a folder that keeps what was read, so that a file which did
	// not change is not read again; "" keeps nothing. It holds the text of the
	// documents, also of those that needed a password. Several processes may
	// use it at once, and it may be deleted at any time.
	CacheDir string

	// Progress is called after each document, in path order, before Walk
	// yields it, and holds the walk up until it returns. It makes Walk count
	// the documents first.
	Progress func(Progress)

	Logger *slog.Logger // nil: discard
}

// Progress is how far a walk has come.
type Progress struct {
	Done, Total int // documents; Total is as counted at the start
	Path        string
	Outcome     Outcome
	Elapsed     time.Duration // since the walk began
	PerSecond   float64       // documents, on average since the walk began
	Remaining   time.Duration // what is left, at that rate
}

func progress(done, total int, d *Document, elapsed time.Duration) Progress {
	p := Progress{Done: done, Total: max(total, done), Path: d.Path, Outcome: d.Outcome, Elapsed: elapsed}
	if seconds := elapsed.Seconds(); seconds > 0 {
		p.PerSecond = float64(done) / seconds
		p.Remaining = time.Duration(float64(p.Total-done) / p.PerSecond * float64(time.Second))
	}
	return p
}

// Validate reports all settings that make no sense.
func (o Options) Validate() error {
	var errs []error
	errs = append(errs, validateReaders("Readers", o.Readers), validateReaders("Fallback", o.Fallback))
	for _, p := range slices.Concat(o.Include, o.Exclude) {
		if p == "" || !doublestar.ValidatePattern(p) {
			errs = append(errs, fmt.Errorf("ingest: pattern %q: must follow path.Match", p))
		}
	}
	for _, p := range o.Paths {
		if !validName(p) {
			errs = append(errs, fmt.Errorf("ingest: Options.Paths: %q is no path below a root: it must be relative, with slashes and without ..", p))
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

func validateReaders(field string, readers map[string]Reader) error {
	var errs []error
	for _, ext := range slices.Sorted(maps.Keys(readers)) {
		if !strings.HasPrefix(ext, ".") || ext != strings.ToLower(ext) {
			errs = append(errs, fmt.Errorf("ingest: Options.%s: extension %q must begin with a dot and be in lower case", field, ext))
		}
		if readers[ext] == nil {
			errs = append(errs, fmt.Errorf("ingest: Options.%s[%q] is nil", field, ext))
		}
	}
	return errors.Join(errs...)
}

// DefaultReaders returns the readers that Walk uses when Options.Readers is
// nil, to change some of them.
func DefaultReaders() map[string]Reader {
	return map[string]Reader{
		".pdf": PDF{}, ".docx": DOCX{}, ".docm": DOCX{}, ".html": HTML{}, ".htm": HTML{}, ".xhtml": HTML{},
		".txt": Text{}, ".md": Markdown{}, ".markdown": Markdown{},
	}
}

func (o Options) withDefaults() Options {
	if o.Readers == nil {
		o.Readers = DefaultReaders()
	}
	if o.MaxFileBytes == 0 {
		o.MaxFileBytes = 256 << 20
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
		if o.Isolated != nil {
			o.Workers++ // two cores then read 1.85 times as much as one, and 1.77 times without
		}
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
// What is held in memory are the documents in work and the names of the folder
// that is being read, however many files there are. The sequence may be ranged
// over again, and reads the files again.
func Walk(ctx context.Context, fsys fs.FS, o Options) iter.Seq2[*Document, error] {
	return func(yield func(*Document, error) bool) {
		if err := o.Validate(); err != nil {
			yield(nil, err)
			return
		}
		w := &walker{fsys: withAnyNames(fsys), Options: o.withDefaults(), began: time.Now()}
		if err := w.run(ctx, yield); err != nil {
			yield(nil, err)
		}
	}
}

// List yields the paths that Walk reads with these options, in the same order,
// for programs that share them out. An error ends it.
func List(fsys fs.FS, o Options) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		err := o.Validate()
		if err == nil {
			w := &walker{fsys: withAnyNames(fsys), Options: o.withDefaults()}
			if err = w.list(func(f file) bool { return f.skip != nil || yield(f.path, nil) }); err != nil {
				err = unlisted(err)
			}
		}
		if err != nil {
			yield("", err)
		}
	}
}

type walker struct {
	Options
	fsys  fs.FS
	began time.Time
	pool  *pool  // of child processes; nil when reading in this one
	spare *pool  // of those for Fallback
	cache *cache // nil: no cache
}

// result is a document with its error, or the error that ends the walk.
type result struct {
	doc   *Document
	err   error
	fatal error
	skip  *Skipped // instead of a document
}

// readAhead is how many documents, for each worker, may wait for one before
// them that takes longer.
const readAhead = 4

// run reads files ahead of the consumer. Each file gets a slot in a queue of
// fixed length, so results leave in order and never pile up.
func (w *walker) run(ctx context.Context, yield func(*Document, error) bool) error {
	total := 0
	if w.Progress != nil {
		count := func(f file) bool {
			if f.skip == nil {
				total++
			}
			return ctx.Err() == nil
		}
		if err := w.list(count); err != nil {
			return unlisted(err)
		}
	}
	if w.CacheDir != "" {
		w.cache = &cache{dir: w.CacheDir, log: w.Logger}
	}
	w.Logger.Info("reading documents", "workers", w.Workers, "isolated", w.Isolated != nil)
	if w.Isolated != nil {
		w.pool, w.spare = newPool(*w.Isolated, w.Workers, w.Logger), newPool(*w.Isolated, max(w.Workers/2, 1), w.Logger)
		defer w.pool.close()
		defer w.spare.close()
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	slots := make(chan chan result, readAhead*w.Workers)
	var listed error
	wg.Go(func() {
		defer close(slots)
		listed = w.feed(ctx, &wg, slots)
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
		if r.skip != nil {
			w.Skipped(*r.skip)
			continue
		}
		done++
		if w.Progress != nil {
			w.Progress(progress(done, total, r.doc, time.Since(w.began)))
		}
		if !yield(r.doc, r.err) {
			return nil
		}
	}
	if listed != nil {
		return unlisted(listed)
	}
	return context.Cause(ctx)
}

func unlisted(err error) error { return fmt.Errorf("ingest: listing the folder: %w", err) }

// feed starts the reading of one file after the other, with no more than
// Workers at a time.
func (w *walker) feed(ctx context.Context, wg *sync.WaitGroup, slots chan<- chan result) error {
	busy := make(chan struct{}, w.Workers)
	return w.list(func(f file) bool {
		if f.skip != nil && w.Skipped == nil {
			return ctx.Err() == nil
		}
		slot := make(chan result, 1)
		select {
		case slots <- slot:
		case <-ctx.Done():
			return false
		}
		if f.skip != nil {
			slot <- result{skip: f.skip}
			return true
		}
		busy <- struct{}{}
		wg.Go(func() {
			slot <- w.read(ctx, f)
			<-busy
		})
		return true
	})
}

// read turns one file into a result.
func (w *walker) read(ctx context.Context, f file) result {
	start := time.Now()
	got := reading{doc: &Document{}, err: f.err}
	if f.err == nil {
		var fatal error
		if got, fatal = w.extract(ctx, f.path); fatal != nil {
			return result{fatal: fatal}
		}
	}
	doc := got.doc
	doc.Path = pathAsText(f.path)
	err := doc.settle(got.err)
	doc.tellLanguage()
	if w.Redact != nil {
		doc.redact(w.Redact)
	}
	w.Logger.Debug("document read", "path", f.path, "outcome", doc.Outcome, "pages", len(doc.Pages), "took", time.Since(start))
	return result{doc: doc, err: err}
}
