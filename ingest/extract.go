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
	"slices"
	"time"
)

// reading is what became of one document before it is settled. Doc is never
// nil; lasting tells that another try would end the same.
type reading struct {
	doc     *Document
	err     error
	lasting bool
}

// extract takes a document from the cache or from its readers. The fatal error
// is one that every document would meet.
func (w *walker) extract(ctx context.Context, p string) (r reading, fatal error) {
	if w.cache == nil {
		return w.readBoth(ctx, p)
	}
	key, err := w.identify(p)
	if err != nil {
		return reading{doc: &Document{}, err: err}, nil //nolint:nilerr // it is in the outcome
	}
	if doc, err, ok := w.cache.get(key); ok {
		return reading{doc, err, true}, nil
	}
	if r, fatal = w.readBoth(ctx, p); fatal == nil && r.lasting && r.doc.ID == key.id {
		w.cache.put(key, r.doc, r.err)
	}
	return r, fatal
}

// readBoth asks the second reader where the first is not to be believed.
func (w *walker) readBoth(ctx context.Context, p string) (reading, error) {
	second := w.Fallback[extension(p)]
	if second == nil {
		return w.readWith(ctx, w.pool, w.reader(p), p, w.Timeout)
	}
	began := time.Now()
	first, fatal := w.readWith(ctx, w.pool, w.reader(p), p, w.Timeout/2)
	if fatal != nil || ctx.Err() != nil || !first.doubtful() {
		return first, fatal
	}
	again, fatal := w.readWith(ctx, w.spare, second, p, max(w.Timeout-time.Since(began), w.Timeout/4))
	if fatal != nil {
		return reading{}, fatal
	}
	return better(first, again), nil
}

// readWith opens the file and hands it to a reader, in a child process if there
// are any.
func (w *walker) readWith(ctx context.Context, children *pool, by Reader, p string, limit time.Duration) (r reading, fatal error) {
	sum := &digest{Hash: sha256.New(), size: -1}
	open := func() (f fs.File, err error) {
		sum.Reset()
		f, sum.size, err = w.open(p)
		return f, err
	}
	if children != nil {
		r.doc, fatal, r.err = children.read(ctx, limit, by, sum, open)
	} else if fatal = prepare(ctx, by); fatal == nil {
		timed, cancel := withLimit(ctx, limit, 0)
		r.doc, r.err = w.inProcess(timed, by, sum, open)
		cancel()
	}
	if r.doc == nil {
		r.doc = &Document{}
	}
	r.doc.ID = sum.id()
	r.lasting = isLasting(r.err)
	return r, fatal
}

func prepare(ctx context.Context, r Reader) error {
	if p, ok := r.(interface{ Prepare(context.Context) error }); ok {
		return p.Prepare(ctx)
	}
	return nil
}

func isLasting(err error) bool {
	if err == nil {
		return true
	}
	return slices.Contains([]Outcome{Empty, Encrypted, NotPDF, Malformed}, outcomeOf(err))
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
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) && sum.size > 0 {
		return nil, changed(int64(n), sum.size)
	}
	if err != nil && !errors.Is(err, io.EOF) {
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
