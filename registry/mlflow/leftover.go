package mlflow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docent-ml/docent/internal/filelock"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/artifact"
)

// sendLeft sends what processes that ended left in BufferDir. What is wrong with a file concerns an earlier run, so it
// is logged and does not stop this one.
func (c *client) sendLeft(ctx context.Context) error {
	if c.o.BufferDir == "" {
		return nil
	}
	names, err := filepath.Glob(filepath.Join(globEscape(c.o.BufferDir), "*"+journalSuffix))
	if err != nil {
		return err
	}
	for _, name := range names {
		err := c.sendFile(ctx, name)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			c.log.Warn("metrics of an earlier run are not sent", "file", name, "error", err)
		}
	}
	return nil
}

func globEscape(dir string) string {
	if filepath.Separator == '\\' {
		return dir // there it is no escape character; folders with brackets are not found
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// sendFile sends and removes one journal that nobody holds.
func (c *client) sendFile(ctx context.Context, name string) error {
	lock, err := filelock.Try(name + ".lock")
	if lock == nil {
		return err // in use
	}
	j := newJournal(c, "")
	if err := j.reopen(name); err != nil || j.file == nil {
		return errors.Join(err, lock.UnlockAndRemove())
	}
	j.lock = lock
	if j.run == "" { // of another server
		return j.release()
	}
	j.doubted = true // by whoever wrote it
	points := j.points()
	if err := j.send(ctx, once); err != nil {
		return errors.Join(c.explain(err), j.release())
	}
	if points > 0 {
		c.log.Info("metrics that an earlier process left are sent", "run", j.run, "metrics", points)
	}
	return j.remove()
}

// reopen reads a file that open made. Without a file there is nothing in it; without a run it is another server's.
func (j *journal) reopen(name string) (err error) {
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // somebody else has just sent it
	} else if err != nil {
		return err
	}
	defer func() {
		if j.file == nil {
			err = errors.Join(err, file.Close())
		}
	}()
	data, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	size := int64(bytes.LastIndexByte(data, '\n') + 1)
	first, rest, found := bytes.Cut(data[:size], []byte("\n"))
	if !found { // a crash came before the first line was written
		return os.Remove(name)
	}
	var head journalHead
	if err := artifact.DecodeJSON(first, &head); err != nil {
		return &registry.Error{Path: name, Err: err, Hint: "it is no file of metrics: remove it"}
	}
	if head.Server != j.c.base.String() || head.Workspace != j.c.o.Workspace {
		j.file = file
		return nil
	}
	if err := (registry.URI{RunID: head.Run}).Validate(); err != nil {
		return err
	}
	j.file, j.run, j.head, j.size = file, head.Run, int64(len(first))+1, size
	for line := range bytes.Lines(rest) {
		var e entry
		if err := artifact.DecodeJSON(line, &e); err != nil {
			j.damaged = &registry.Error{Path: name, Err: fmt.Errorf("metrics that were kept: line %d: %w", len(j.waiting)+2, err), Hint: "correct the line or remove the file"}
			break
		}
		j.waiting = append(j.waiting, e)
	}
	return nil
}
