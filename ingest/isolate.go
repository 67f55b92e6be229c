package ingest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"
)

// Isolated reads documents in child processes, one for each worker and half as
// many for Options.Fallback, whose readers may be heavy. They are killed at the
// deadline or above the memory limit and then replaced. A
// document can neither take the calling process down nor touch another
// document. Starting a child costs some ten milliseconds, each document about
// as much as a copy of it.
//
// Children get no environment variables and no files: they see the bytes of
// one document at a time. Only a reader that keeps a cache on disk, as that of
// package pdfium may, opens files there.
type Isolated struct {
	// Command starts the child program, which must call RunChild. Nil starts
	// this program again.
	Command []string

	// MaxMemory is how many bytes one child may hold. Zero means 512 MiB. It is
	// watched from inside; on Linux the kernel refuses what goes far beyond.
	MaxMemory int64
}

const defaultMaxMemory = 512 << 20

func (i *Isolated) validate() error {
	var errs []error
	if i.MaxMemory != 0 && i.MaxMemory < 64<<20 {
		errs = append(errs, errors.New("ingest: Isolated.MaxMemory must be at least 64 MiB"))
	}
	if isChild(os.Args) {
		errs = append(errs, errors.New("ingest: this process is itself a child: call ingest.RunChild as the first thing in main"))
	}
	return errors.Join(errs...)
}

// pool keeps the children of one walk.
type pool struct {
	Isolated
	log  *slog.Logger
	room chan struct{} // one for each child that may be at work
	idle chan *child
}

func newPool(i Isolated, children int, log *slog.Logger) *pool {
	if i.MaxMemory == 0 {
		i.MaxMemory = defaultMaxMemory
	}
	return &pool{Isolated: i, log: log, room: make(chan struct{}, children), idle: make(chan *child, children)}
}

// read has a child read a document. fatal is an error that every document
// would meet. The clock runs while a child is at work, not while one is waited
// for, started or made ready: that is no document's fault.
func (p *pool) read(ctx context.Context, limit time.Duration, r Reader, sum *digest, open func() (fs.File, error)) (doc *Document, fatal, err error) {
	req, fatal := newRequest(r)
	if fatal != nil {
		return nil, fatal, nil
	}
	select {
	case p.room <- struct{}{}:
		defer func() { <-p.room }()
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	var spent time.Duration // by the document, which has one deadline however often it is tried
	for {
		c, fatal := p.take(ctx, req)
		if fatal != nil && ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		if fatal != nil {
			return nil, fatal, nil
		}
		began := time.Now()
		timed, cancel := withLimit(ctx, limit, spent)
		doc, err = attempt(timed, c, req, sum, open)
		cancel()
		spent += time.Since(began)
		if !c.broken {
			p.idle <- c // from here on it is another's
			return doc, nil, err
		}
		c.stop()
		p.log.Info("child process ended", "pid", c.cmd.Process.Pid, "reason", err)
		// What a child still holds from earlier documents must not decide over
		// this one: only the verdict of a fresh child counts.
		if c.served <= 1 || !errors.Is(err, ErrCrashed) {
			return doc, nil, err
		}
	}
}

func attempt(ctx context.Context, c *child, req request, sum *digest, open func() (fs.File, error)) (*Document, error) {
	f, err := open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	req.Size = sum.size
	return c.read(ctx, req, f, sum)
}

// take returns an idle child or starts one.
func (p *pool) take(ctx context.Context, req request) (*child, error) {
	select {
	case c := <-p.idle:
		return c, nil
	default:
	}
	c, err := startChild(ctx, p.Isolated)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(c.readers, req.Reader) {
		c.stop()
		return nil, fmt.Errorf("ingest: the child program knows the readers %v but not %s: pass it to RunChild", c.readers, req.Reader)
	}
	if err := c.prepare(ctx, req); err != nil {
		c.stop()
		return nil, err
	}
	p.log.Debug("child process started", "pid", c.cmd.Process.Pid)
	return c, nil
}

// close stops all children; no read is running any more.
func (p *pool) close() {
	close(p.idle)
	for c := range p.idle {
		c.stop()
	}
}
