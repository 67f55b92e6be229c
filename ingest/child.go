package ingest

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"time"

	"github.com/docent-ml/docent/ingest/internal/deadline"
)

// childArg, as the last argument, marks a process as a child.
const childArg = "docent-ingest-child"

func isChild(args []string) bool { return len(args) > 1 && args[len(args)-1] == childArg }

// Exit codes of a child that gave up by itself.
const (
	exitMemory  = 86
	exitTimeout = 87
)

// RunChild serves Options.Isolated. Call it first in main, with os.Args:
//
//	func main() {
//		if ingest.RunChild(os.Args) {
//			return
//		}
//		…
//	}
//
// It returns false at once unless this process was started by Walk to read
// documents; then it reads them, and returns true when the parent is done.
// Readers that are not of this package are named by a value of their type. One
// with the same settings reads all documents of a child.
func RunChild(args []string, readers ...Reader) bool {
	if !isChild(args) {
		return false
	}
	signal.Ignore(os.Interrupt) // Ctrl-C in a terminal is for the parent to handle
	serveChild(os.Stdin, os.Stdout, append(readers, PDF{}, DOCX{}, HTML{}, Text{}, Markdown{}))
	return true
}

// serveChild answers requests until the input ends.
func serveChild(in io.Reader, out io.Writer, readers []Reader) {
	r := bufio.NewReader(in)
	h := hello{Protocol: protocol}
	for _, k := range readers {
		h.Readers = append(h.Readers, readerType(k).String())
	}
	if writeFrame(out, h) != nil {
		return
	}
	limited := false
	known := &library{types: readers, made: map[string]Reader{}}
	for {
		var req request
		if readFrame(r, &req) != nil {
			return
		}
		if !limited {
			limitMemory(req.Memory)
			limited = true
		}
		if writeFrame(out, answer(req, r, known)) != nil {
			return
		}
	}
}

func answer(req request, r io.Reader, known *library) response {
	// The parent kills at the deadline; should it be gone, nobody else would.
	timer := time.AfterFunc(req.Timeout+2*time.Second, func() { os.Exit(exitTimeout) })
	defer timer.Stop()
	ctx := deadline.Enforce(context.Background())
	reader, err := known.reader(req)
	if req.Prepare {
		if err == nil {
			err = prepare(ctx, reader)
		}
		return failure(err)
	}
	data := make([]byte, req.Size)
	if _, err := io.ReadFull(r, data); err != nil {
		return failure(err)
	}
	if err != nil {
		return failure(err)
	}
	ctx, cancel := withLimit(ctx, req.Timeout, 0)
	defer cancel()
	doc, err := readSafely(ctx, reader, data)
	if err != nil {
		return failure(err)
	}
	return response{Document: doc}
}

func failure(err error) response {
	if err == nil {
		return response{}
	}
	return response{Outcome: outcomeOf(err), Error: err.Error()}
}

// withLimit ends the context when no more of the limit is left.
func withLimit(ctx context.Context, limit, spent time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit-spent, fmt.Errorf("%w of %v", ErrTimeout, limit.Round(time.Millisecond)))
}

// limitMemory ends the process when it holds more than limit bytes. The garbage
// collector is told first, and the kernel has the last word. Below that, the
// collector may take its time: what lives is one document.
func limitMemory(limit int64) {
	debug.SetMemoryLimit(limit / 4 * 3)
	debug.SetGCPercent(400)
	limitByKernel(limit + limit/4)
	go func() {
		for range time.Tick(10 * time.Millisecond) {
			if heldMemory() > uint64(limit) {
				os.Exit(exitMemory)
			}
		}
	}()
}

// heldMemory is what the Go runtime has from the operating system.
func heldMemory() uint64 {
	s := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

// child is a running child process as the parent sees it.
type child struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	errors  *tail
	readers []string
	limit   int64
	buf     []byte // for the bytes of documents on their way
	served  int
	broken  bool // must be stopped, for its state is unknown
}

// helloTimeout bounds the start of a child, which may have to be read from disk.
const helloTimeout = 20 * time.Second

func startChild(ctx context.Context, i Isolated) (*child, error) {
	command := i.Command
	if len(command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("ingest: finding this program, to start it as a child: %w", err)
		}
		command = []string{self}
	}
	c := &child{limit: i.MaxMemory, errors: &tail{}, buf: make([]byte, 64<<10)}
	c.cmd = exec.Command(command[0], append(command[1:len(command):len(command)], childArg)...)
	c.cmd.Env = []string{} // secrets of the parent are none of a document's business
	c.cmd.Stderr = c.errors
	c.cmd.WaitDelay = time.Second
	in, err1 := c.cmd.StdinPipe()
	out, err2 := c.cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("ingest: starting a child process: %w", err)
	}
	c.in, c.out = in, bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("ingest: starting a child process: %w", err)
	}
	var h hello
	greet, cancel := context.WithTimeout(context.WithoutCancel(ctx), helloTimeout)
	defer cancel()
	stopKill := context.AfterFunc(greet, c.kill)
	stopKillEarly := context.AfterFunc(ctx, c.kill)
	err := readFrame(c.out, &h)
	if !stopKill() || !stopKillEarly() || err != nil || h.Protocol != protocol {
		c.stop()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("ingest: child process %s does not answer as one: call ingest.RunChild as the first thing in its main%s", command[0], c.errors.hint())
	}
	c.readers = h.Readers
	return c, nil
}

func (c *child) kill() { _ = c.cmd.Process.Kill() }

// stop ends the process and waits for it.
func (c *child) stop() {
	_ = c.in.Close()
	c.kill()
	_ = c.cmd.Wait()
}

// prepareTimeout bounds what a reader does before its first document.
const prepareTimeout = 2 * time.Minute

// prepare makes the reader of a request ready.
func (c *child) prepare(ctx context.Context, req request) error {
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, c.kill)()
	req.Prepare, req.Memory, req.Timeout = true, c.limit, prepareTimeout
	var resp response
	err := writeFrame(c.in, req)
	if err == nil {
		err = readFrame(c.out, &resp)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("ingest: preparing %s: %w", req.Reader, c.postMortem(ctx, err))
	case resp.Error != "":
		return fmt.Errorf("ingest: preparing %s: %s", req.Reader, resp.Error)
	}
	return nil
}

// patience is how long a child may take to notice its deadline by itself.
const patience = 250 * time.Millisecond

// read has the child read one document, whose req.Size bytes come from f and
// pass through sum. The document's deadline is that of ctx.
func (c *child) read(ctx context.Context, req request, f io.Reader, sum io.Writer) (*Document, error) {
	c.served++
	req.Memory = c.limit
	end := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		req.Timeout = time.Until(deadline)
		var cancel context.CancelFunc
		end, cancel = context.WithDeadline(end, deadline.Add(patience))
		defer cancel()
	}
	defer context.AfterFunc(end, c.kill)()
	defer context.AfterFunc(ctx, func() { // the walk was given up, so nobody waits
		if !errors.Is(context.Cause(ctx), ErrTimeout) {
			c.kill()
		}
	})()

	var resp response
	err := writeFrame(c.in, req)
	if err == nil {
		n, readErr := io.CopyBuffer(deaf{c.in}, io.TeeReader(io.LimitReader(f, req.Size), sum), c.buf)
		if readErr != nil || n < req.Size {
			c.broken = true // it still waits for the rest
			return nil, cmp.Or(readErr, changed(n, req.Size))
		}
		err = readFrame(c.out, &resp)
	}
	switch {
	case err != nil:
		return nil, c.postMortem(ctx, err)
	case hasMore(f):
		return nil, changed(req.Size+1, req.Size)
	case resp.Error != "":
		return nil, &taggedError{resp.Error, errorOf(resp.Outcome)}
	case resp.Document == nil:
		return nil, fmt.Errorf("%w: child process sent no document", ErrCrashed)
	}
	return resp.Document, nil
}

// deaf is a child that may no longer listen, which is no error here: the missing answer will tell.
type deaf struct{ io.Writer }

func (d deaf) Write(b []byte) (int, error) {
	_, _ = d.Writer.Write(b)
	return len(b), nil
}

// postMortem says why a child did not answer.
func (c *child) postMortem(ctx context.Context, err error) error {
	c.broken = true
	c.stop()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	state := c.cmd.ProcessState
	switch {
	case state == nil:
		return fmt.Errorf("%w: %v", ErrCrashed, err)
	case state.ExitCode() == exitMemory, strings.Contains(c.errors.String(), "out of memory"):
		return fmt.Errorf("%w: it needed more than %d MiB of memory (Isolated.MaxMemory)", ErrCrashed, c.limit>>20)
	case state.ExitCode() == exitTimeout:
		return ErrTimeout
	}
	return fmt.Errorf("%w: child process ended with %v%s", ErrCrashed, state, c.errors.hint())
}

// tail keeps the first bytes of what a child says on its standard error, where
// the Go runtime names the reason of its death.
type tail struct{ buf []byte }

const maxTail = 4096

func (t *tail) Write(b []byte) (int, error) {
	t.buf = append(t.buf, b[:min(len(b), maxTail-len(t.buf))]...)
	return len(b), nil
}

func (t *tail) String() string { return string(t.buf) }

func (t *tail) hint() string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(t.buf)), "\n")
	if line == "" {
		return ""
	}
	return ": " + printable(line)
}
