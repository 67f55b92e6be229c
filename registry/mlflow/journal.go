package mlflow

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docent-ml/docent/internal/filelock"
	"github.com/docent-ml/docent/registry"
)

// journal holds what a run has logged and the server has not taken yet, in the order of the calls. With a BufferDir a file
// has it too, written before anything is sent. What may have arrived is sent again, after a crash the whole file is, but
// for the points that the server then has.
//
// A file begins with a line that says where it belongs (journalHead); then come lines of entries. Beside it lies a lock,
// <file>.lock, held by the process whose journal it is.
type journal struct {
	c    *client
	run  string
	turn chan struct{} // held while something is sent

	doubted bool // a part of what waits may have arrived; held by turn

	mu      sync.Mutex
	waiting []entry
	damaged error    // what in the file comes after that cannot be read
	file    *os.File // nil in memory, and until the first entry
	lock    *filelock.Lock
	head    int64 // length of the first line
	size    int64 // of the file
	away    bool  // the log says that the server does not answer

	wake       chan struct{}
	background sync.WaitGroup
	stop       context.CancelFunc // ends the sending in the background; nil where none runs
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

func newJournal(c *client, run string) *journal {
	return &journal{c: c, run: run, turn: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
}

// append adds entries, all or none. A last line that a crash cut short was never acknowledged.
func (j *journal) append(entries ...entry) error {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, e := range entries {
		if err := encoder.Encode(e); err != nil {
			return err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.open(); err != nil {
		return err
	}
	if j.file != nil {
		if _, err := j.file.WriteAt(lines.Bytes(), j.size); err != nil {
			return errors.Join(err, j.file.Truncate(j.size))
		}
		j.size += int64(lines.Len())
	}
	j.waiting = append(j.waiting, entries...)
	return nil
}

// open makes the file, where there is to be one, and has Close see to the journal. j.mu is held.
func (j *journal) open() error {
	if j.file == nil && j.c.o.BufferDir != "" {
		head, err := json.Marshal(journalHead{j.c.base.String(), j.c.o.Workspace, j.run})
		if err != nil {
			return err
		}
		if err := os.MkdirAll(j.c.o.BufferDir, 0o777); err != nil {
			return err
		}
		name := filepath.Join(j.c.o.BufferDir, j.run+"-"+strings.ToLower(rand.Text()[:8])+journalSuffix)
		if j.lock, err = filelock.Try(name + ".lock"); err != nil {
			return err
		}
		if j.file, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666); err != nil {
			j.file = nil
			return errors.Join(err, j.lock.UnlockAndRemove())
		}
		if _, err := j.file.Write(append(head, '\n')); err != nil {
			return errors.Join(err, j.discard())
		}
		j.head = int64(len(head)) + 1
		j.size = j.head
	}
	j.c.mu.Lock()
	defer j.c.mu.Unlock()
	j.c.journals[j] = struct{}{}
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
		err := j.send(ctx, once)
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
	was, name := j.away, j.name()
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
		entries, err := j.next()
		if len(entries) == 0 {
			j.outage(false, nil)
			return err
		}
		if err := j.c.sendEntries(ctx, j.run, entries, j.doubted, try); err != nil {
			j.doubted = true
			return err
		}
		j.doubted = false
		if err := j.taken(len(entries)); err != nil {
			return err
		}
	}
}

// next returns the entries to send, about as many as fit into a request. Behind the last is what cannot be read.
func (j *journal) next() ([]entry, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for metrics := 0; n < len(j.waiting) && metrics <= batchMetrics-lineMetrics; n++ {
		metrics += len(j.waiting[n].Metrics)
	}
	return slices.Clone(j.waiting[:n]), j.damaged
}

// taken forgets the first n entries. The file does when it has no others.
func (j *journal) taken(n int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting = j.waiting[n:]
	if len(j.waiting) > 0 || j.file == nil || j.damaged != nil {
		return nil
	}
	j.waiting, j.size = nil, j.head
	return j.file.Truncate(j.head)
}

// once and patiently are how often send tries a request.
func once(attempt func() error) error { return attempt() }

func (c *client) patiently(ctx context.Context) func(attempt func() error) error {
	return func(attempt func() error) error { return c.retry(ctx, attempt) }
}

// sendEntries sends entries of a run in their order. Where doubted, some of them may have arrived before, and what the server has is left out: those that keep runs in files would store it twice.
func (c *client) sendEntries(ctx context.Context, run string, entries []entry, doubted bool, try func(func() error) error) error {
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
			list = append(list, wireMetric{Key: key, Value: e.Metrics[key], Timestamp: integer(e.Time), Step: integer(e.Step)})
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
func (c *client) notThere(ctx context.Context, run string, list []wireMetric) ([]wireMetric, error) {
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
	return j.send(ctx, j.c.patiently(ctx))
}

// tell adds to an error what was not sent and where it is.
func (j *journal) tell(err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch points := j.points(); {
	case err == nil:
		return nil
	case j.file != nil:
		return &registry.Error{Path: j.name(), Err: fmt.Errorf("what the server has not taken, %d metrics, waits in this file: %w", points, err),
			Hint: "it is sent by the next run that is started or resumed with the same folder"}
	case points > 0:
		return &registry.Error{Err: fmt.Errorf("%d metrics are not sent, and will be lost with this process: %w", points, err),
			Hint: "give the client a BufferDir that outlives it"}
	}
	return err
}

// finish ends the journal with the client: one attempt, and the file stays if it fails.
func (j *journal) finish(ctx context.Context) error {
	j.stopBackground()
	ctx = whileClosing(ctx)
	if err := j.tell(j.send(ctx, once)); err != nil {
		return errors.Join(err, j.release())
	}
	return j.remove()
}

// name is that of the file. j.mu is held.
func (j *journal) name() string {
	if j.file == nil {
		return ""
	}
	return j.file.Name()
}

// points are the metrics that wait. j.mu is held.
func (j *journal) points() (n int) {
	for _, e := range j.waiting {
		n += len(e.Metrics)
	}
	return n
}

// remove ends a journal that has been sent, release leaves its file to others.
func (j *journal) remove() error  { return j.end(j.discard) }
func (j *journal) release() error { return j.end(j.leave) }

func (j *journal) end(how func() error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.c.mu.Lock()
	delete(j.c.journals, j)
	j.c.mu.Unlock()
	if j.file == nil {
		return nil
	}
	return how()
}

// discard removes the file. j.mu is held, here and below.
func (j *journal) discard() error {
	err := errors.Join(j.file.Close(), os.Remove(j.file.Name()), j.lock.UnlockAndRemove())
	j.file = nil
	return err
}

func (j *journal) leave() error {
	err := errors.Join(j.file.Close(), j.lock.Unlock())
	j.file = nil
	return err
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
