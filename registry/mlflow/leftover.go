package mlflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
func (c *Client) sendLeft(ctx context.Context) error {
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
func (c *Client) sendFile(ctx context.Context, name string) (err error) {
	lock, err := filelock.Try(name + ".lock")
	if lock == nil {
		return err // in use
	}
	j := newJournal(c, "")
	if err := j.reopen(name); err != nil || j.storage == nil {
		return errors.Join(err, lock.UnlockAndRemove())
	}
	j.lock = lock
	if j.run == "" { // of another server
		return j.release()
	}
	j.doubted = true // by whoever wrote it
	points := j.points
	err = j.send(ctx, func(attempt func() error) error { return attempt() })
	if err != nil {
		return errors.Join(c.explain(err), j.release())
	}
	if points > 0 {
		c.log.Info("metrics that an earlier process left are sent", "run", j.run, "metrics", points)
	}
	return j.remove()
}

// reopen reads a file that open made. Without storage there is nothing in it; without a run it is another server's.
func (j *journal) reopen(name string) error {
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // somebody else has just sent it
	} else if err != nil {
		return err
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	size := int64(bytes.LastIndexByte(data, '\n') + 1)
	first, rest, found := bytes.Cut(data[:size], []byte("\n"))
	var head journalHead
	if !found { // a crash came before the first line was written
		return errors.Join(file.Close(), os.Remove(name))
	}
	if err := artifact.DecodeJSON(first, &head); err != nil {
		return errors.Join(&registry.Error{Path: name, Err: err, Hint: "it is no file of metrics: remove it"}, file.Close())
	}
	j.storage, j.name = file, name
	if head.Server != j.c.base.String() || head.Workspace != j.c.o.Workspace {
		return nil
	}
	if err := (registry.URI{RunID: head.Run}).Validate(); err != nil {
		j.storage = nil
		return errors.Join(err, file.Close())
	}
	j.run, j.head, j.sent, j.size = head.Run, int64(len(first))+1, int64(len(first))+1, size
	for line := range bytes.Lines(rest) {
		var e entry
		if json.Unmarshal(line, &e) == nil { // a damaged one stops the sending where it stands
			j.points += len(e.Metrics)
		}
	}
	return nil
}
