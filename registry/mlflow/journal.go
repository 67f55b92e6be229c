package mlflow

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docent-ml/docent/internal/filelock"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/artifact"
)

// journal holds what a run has logged and the server has not taken yet, in the order of the calls. It is written before
// anything is sent. What may have arrived is sent again, after a crash the whole file is, but for the points that the
// server then has.
//
// A file begins with a line that says where it belongs (journalHead); then come lines of entries. Beside it lies a lock,
// <file>.lock, held by the process whose journal it is.
type journal struct {
	c    *Client
	run  string
	turn chan struct{} // held while something is sent

	doubted bool // a part of what waits may have arrived; held by turn

	mu      sync.Mutex
	storage storage // nil until the first entry
	name    string  // of the file; "" in memory
	lock    *filelock.Lock
	head    int64 // length of the first line
	size    int64 // of the storage
	sent    int64 // offset up to which the server has everything
	points  int   // metrics beyond that offset
	away    bool  // the log says that the server does not answer

	wake       chan struct{}
	background sync.WaitGroup
	stop       context.CancelFunc // ends the sending in the background; nil where none runs
}

type storage interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
}

type journalHead struct {
	Server    string `json:"server"`
	Workspace string `json:"workspace,omitempty"`
	Run       string `json:"run"`
}

// entry is one call: metrics of a step, or the end of the run.
type entry struct {
	Time    int64             `json:"time"` // ms
	Step    int64             `json:"step,omitempty"`
	Metrics map[string]number `json:"metrics,omitempty"`
	End     registry.Status   `json:"end,omitempty"`
}

const (
	journalSuffix = ".metrics.jsonl"
	lineMetrics   = 500 // metrics of a line: several lines make a request
)

func newJournal(c *Client, run string) *journal {
	return &journal{c: c, run: run, turn: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
}

// append adds entries, all or none. A last line that a crash cut short was never acknowledged.
func (j *journal) append(entries ...entry) error {
	var lines bytes.Buffer
	points := 0
	for _, e := range entries {
		data, err := json.Marshal(e)
		if err != nil {
			return err
		}
		lines.Write(data)
		lines.WriteByte('\n')
		points += len(e.Metrics)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.open(); err != nil {
		return err
	}
	if _, err := j.storage.WriteAt(lines.Bytes(), j.size); err != nil {
		return errors.Join(err, j.storage.Truncate(j.size))
	}
	j.size += int64(lines.Len())
	j.points += points
	return nil
}

// open makes the storage. j.mu is held.
func (j *journal) open() (err error) {
	if j.storage != nil {
		return nil
	}
	head, err := json.Marshal(journalHead{j.c.base.String(), j.c.o.Workspace, j.run})
	if err != nil {
		return err
	}
	head = append(head, '\n')
	if j.c.o.BufferDir == "" {
		j.storage = &memory{}
	} else {
		if err := os.MkdirAll(j.c.o.BufferDir, 0o777); err != nil {
			return err
		}
		name := filepath.Join(j.c.o.BufferDir, j.run+"-"+strings.ToLower(rand.Text()[:8])+journalSuffix)
		lock, err := filelock.Try(name + ".lock")
		if err != nil {
			return err
		}
		file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return errors.Join(err, lock.UnlockAndRemove())
		}
		j.storage, j.name, j.lock = file, name, lock
	}
	if _, err := j.storage.WriteAt(head, 0); err != nil {
		return errors.Join(err, j.discard())
	}
	j.head = int64(len(head))
	j.size, j.sent = j.head, j.head
	j.c.mu.Lock()
	j.c.journals[j] = struct{}{}
	j.c.mu.Unlock()
	return nil
}

// inBackground sees to it that what was appended is sent soon.
func (j *journal) inBackground() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stop == nil {
		ctx, cancel := context.WithCancel(j.c.ctx)
		j.stop = cancel
		j.background.Go(func() { j.sendAlong(ctx) })
	}
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// sendAlong sends while training goes on.
func (j *journal) sendAlong(ctx context.Context) {
	for failures := 0; ; {
		if failures == 0 {
			select {
			case <-j.wake:
			case <-ctx.Done():
				return
			}
			if sleep(ctx, j.c.gather) != nil {
				return
			}
		} else if sleep(ctx, j.c.backoff(failures)) != nil {
			return
		}
		err := j.send(ctx, func(attempt func() error) error { return attempt() })
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failures = 0
		case !retryable(err):
			j.c.log.Warn("MLflow does not take the metrics of this run", "run", j.run, "error", err)
			return // End tries again, and says it
		default:
			failures++
			j.outage(true, err)
		}
	}
}

// outage tells once when the server goes away, and once when it is back.
func (j *journal) outage(away bool, err error) {
	j.mu.Lock()
	was, name := j.away, j.name
	j.away = away
	j.mu.Unlock()
	switch {
	case away && !was:
		j.c.log.Warn("MLflow does not answer: metrics wait", "run", j.run, "file", name, "error", err)
	case was && !away:
		j.c.log.Info("MLflow takes metrics again: all that waited are sent", "run", j.run)
	}
}

// send sends everything. Each request goes through try, which decides about repeating it.
func (j *journal) send(ctx context.Context, try func(attempt func() error) error) error {
	select {
	case j.turn <- struct{}{}:
		defer func() { <-j.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for {
		entries, next, err := j.read()
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			j.outage(false, nil)
			return nil
		}
		if err := j.c.sendEntries(ctx, j.run, entries, j.doubted, try); err != nil {
			j.doubted = true
			return err
		}
		j.doubted = false
		j.mu.Lock()
		j.sent = next
		for _, e := range entries {
			j.points -= len(e.Metrics)
		}
		if j.sent == j.size {
			err = j.storage.Truncate(j.head)
			j.sent, j.size = j.head, j.head
		}
		j.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// read returns the next entries to send, about as many as fit into a request, and the offset behind them.
func (j *journal) read() (entries []entry, next int64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.storage == nil {
		return nil, 0, nil
	}
	data := make([]byte, min(j.size-j.sent, 2<<20)) // of the longest line at least
	if n, err := j.storage.ReadAt(data, j.sent); n < len(data) {
		return nil, 0, err
	}
	next = j.sent
	for metrics := 0; metrics <= batchMetrics-lineMetrics; {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			break
		}
		var e entry
		if err := artifact.DecodeJSON(data[:end], &e); err != nil {
			return nil, 0, &registry.Error{Path: j.name, Err: fmt.Errorf("metrics that were kept: offset %d: %w", next, err),
				Hint: "correct the line or remove the file"}
		}
		entries = append(entries, e)
		metrics += len(e.Metrics)
		next += int64(end) + 1
		data = data[end+1:]
	}
	return entries, next, nil
}

// sendEntries sends entries of a run in their order. Where doubted, some of them may have arrived before, and what the server has is left out: those that keep runs in files would store it twice.
func (c *Client) sendEntries(ctx context.Context, run string, entries []entry, doubted bool, try func(func() error) error) error {
	var list []wireMetric
	flush := func() error {
		parts, err := batches(list, batchMetrics)
		if err != nil {
			return err
		}
		list = nil
		for _, part := range parts {
			err := try(func() error {
				if doubted {
					rest, err := c.notThere(ctx, run, part)
					if err != nil || len(rest) == 0 {
						return err
					}
					part = rest
				}
				err := c.logBatch(ctx, run, batch{Metrics: part})
				doubted = doubted || ambiguous(err)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
	for _, e := range entries {
		for _, key := range sortedKeys(e.Metrics) {
			list = append(list, wireMetric{key, e.Metrics[key], integer(e.Time), integer(e.Step)})
		}
		if e.End == "" {
			continue
		}
		if err := flush(); err != nil {
			return err
		}
		if err := c.endRun(ctx, run, e.End, e.Time, try); err != nil {
			return err
		}
	}
	return flush()
}

// notThere leaves out the points that the server has.
func (c *Client) notThere(ctx context.Context, run string, list []wireMetric) ([]wireMetric, error) {
	have := map[string][]registry.Metric{}
	for _, m := range list {
		if _, asked := have[m.Key]; asked {
			continue
		}
		points, err := c.points(ctx, run, m.Key, c.do)
		if err != nil {
			return nil, err
		}
		have[m.Key] = points
	}
	return slices.DeleteFunc(slices.Clone(list), func(m wireMetric) bool {
		return slices.ContainsFunc(have[m.Key], func(p registry.Metric) bool { return samePoint(p, m.point()) })
	}), nil
}

// samePoint compares points of one metric, of which an infinity comes back as the largest number.
func samePoint(a, b registry.Metric) bool {
	finite := func(v float64) float64 { return max(-math.MaxFloat64, min(v, math.MaxFloat64)) }
	same := finite(a.Value) == finite(b.Value) || math.IsNaN(a.Value) && math.IsNaN(b.Value)
	return same && a.Step == b.Step && a.Time.Equal(b.Time)
}

// stopBackground waits until nothing is sent any more.
func (j *journal) stopBackground() {
	j.mu.Lock()
	stop := j.stop
	j.stop = nil
	j.mu.Unlock()
	if stop != nil {
		stop()
		j.background.Wait()
	}
}

// flush sends what waits, with patience.
func (j *journal) flush(ctx context.Context) error {
	j.stopBackground()
	return j.send(ctx, func(attempt func() error) error { return j.c.retry(ctx, attempt) })
}

// tell adds to an error what was not sent and where it is.
func (j *journal) tell(err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case err == nil:
		return nil
	case j.name != "":
		return &registry.Error{Path: j.name, Err: fmt.Errorf("what the server has not taken, %d metrics, waits in this file: %w", j.points, err),
			Hint: "it is sent by the next run that is started or resumed with the same folder"}
	case j.points > 0:
		return &registry.Error{Err: fmt.Errorf("%d metrics are not sent, and will be lost with this process: %w", j.points, err),
			Hint: "give the client a BufferDir that outlives it"}
	}
	return err
}

// finish ends the journal with the client: one attempt, and the file stays if it fails.
func (j *journal) finish(ctx context.Context) error {
	j.stopBackground()
	ctx = whileClosing(ctx)
	err := j.tell(j.send(ctx, func(attempt func() error) error { return attempt() }))
	if err != nil {
		return errors.Join(err, j.release())
	}
	return j.remove()
}

// remove ends a journal that has been sent.
func (j *journal) remove() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.c.forget(j)
	if j.storage == nil {
		return nil
	}
	return j.discard()
}

// discard removes the storage. j.mu is held.
func (j *journal) discard() error {
	err := j.storage.Close()
	if j.name != "" {
		err = errors.Join(err, os.Remove(j.name), j.lock.UnlockAndRemove())
	}
	j.storage = nil
	return err
}

// release leaves the file to others.
func (j *journal) release() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.c.forget(j)
	if j.storage == nil {
		return nil
	}
	err := j.storage.Close()
	if j.lock != nil {
		err = errors.Join(err, j.lock.Unlock())
	}
	j.storage = nil
	return err
}

func (c *Client) forget(j *journal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.journals, j)
}

// metricsEntries cuts the metrics of one call into lines.
func metricsEntries(at time.Time, step int64, metrics map[string]number) []entry {
	var out []entry
	for _, key := range sortedKeys(metrics) {
		if len(out) == 0 || len(out[len(out)-1].Metrics) == lineMetrics {
			out = append(out, entry{Time: at.UnixMilli(), Step: step, Metrics: map[string]number{}})
		}
		out[len(out)-1].Metrics[key] = metrics[key]
	}
	return out
}
