package mlflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/impl"
)

// run is the handle of a run. Only what it has sent itself, and whether it was ended through it, is kept here.
type run struct {
	c          *client
	id         string
	experiment string
	artifacts  tree
	limits     *limiter
	journal    *journal

	mu    sync.Mutex
	ended registry.Status
}

func (c *client) newRun(w wireRun, limits *limiter) (*run, error) {
	if err := (registry.URI{RunID: w.Info.ID}).Validate(); err != nil { // it becomes part of a file's name
		return nil, err
	}
	return &run{c: c, id: w.Info.ID, experiment: w.Info.Experiment, artifacts: c.runTree(w), limits: limits, journal: newJournal(c, w.Info.ID)}, nil
}

func (r *run) ID() string { return r.id }

// check refuses what comes after an End of this handle.
func (r *run) check() error {
	if err := r.c.check(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended != "" {
		return impl.Ended(r.ended)
	}
	return nil
}

// running reads the run and refuses one that has ended, by whomever: the server would go on recording.
func (r *run) running(ctx context.Context) (wireRun, error) {
	if err := r.check(); err != nil {
		return wireRun{}, err
	}
	w, err := r.c.run(ctx, r.id)
	switch {
	case err != nil:
		return w, err
	case w.Info.Lifecycle == deleted:
		return w, &registry.Error{Err: fmt.Errorf("%w: the run has been deleted", registry.ErrInvalid), Hint: "restore it on the MLflow server, or start another"}
	case w.Info.Status != string(registry.Running):
		return w, impl.Ended(registry.Status(w.Info.Status))
	}
	return w, nil
}

// batch is the body of log-batch.
type batch struct {
	Run     string       `json:"run_id"`
	Metrics []wireMetric `json:"metrics,omitempty"`
	Params  []pair       `json:"params,omitempty"`
	Tags    []pair       `json:"tags,omitempty"`
}

// logBatch sends one batch once. The same points again are stored once, as are the same parameters and tags.
func (c *client) logBatch(ctx context.Context, run string, b batch) error {
	b.Run = run
	return c.do(ctx, request{method: http.MethodPost, path: apiPath + "runs/log-batch", body: b}, nil)
}

func (r *run) LogParams(ctx context.Context, params map[string]string) error {
	sent := r.limits.pairs("parameter", params, maxParam)
	if err := r.compareParams(ctx, sent); err != nil {
		return err
	}
	parts, err := batches(pairsOf(sent), batchPairs)
	if err != nil {
		return err
	}
	for _, part := range parts {
		err := r.c.retry(ctx, func() error { return r.c.logBatch(ctx, r.id, batch{Params: part}) })
		if errors.Is(err, registry.ErrInvalid) { // somebody may have been faster: then this tells which parameter
			if differs := r.compareParams(ctx, sent); differs != nil {
				return differs
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// compareParams refuses other values than those recorded, before a part of them is stored.
func (r *run) compareParams(ctx context.Context, params map[string]string) error {
	w, err := r.running(ctx)
	if err != nil {
		return err
	}
	return impl.SameParams(mapOf(w.Data.Params), params)
}

func (r *run) SetTags(ctx context.Context, tags map[string]string) error {
	if _, err := r.running(ctx); err != nil {
		return err
	}
	parts, err := batches(pairsOf(r.limits.pairs("tag", onPage(tags), maxRunTag)), batchPairs)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err := r.c.retry(ctx, func() error { return r.c.logBatch(ctx, r.id, batch{Tags: part}) }); err != nil {
			return err
		}
	}
	return nil
}

// onPage adds what MLflow's page of a run shows apart from other tags.
func onPage(tags map[string]string) map[string]string {
	out := maps.Clone(tags)
	for key, theirs := range map[string]string{
		"description": "mlflow.note.content", "source": "mlflow.source.name", "user": "mlflow.user", "commit": "mlflow.source.git.commit",
	} {
		if value := tags[key]; value != "" && tags[theirs] == "" {
			out[theirs] = value
		}
	}
	return out
}

// LogMetrics writes to the journal, from which the metrics are sent in the background. Where the journal cannot be
// written, for want of space perhaps, they are sent at once.
func (r *run) LogMetrics(ctx context.Context, step int64, metrics map[string]float64) error {
	if err := r.check(); err != nil || len(metrics) == 0 {
		return err
	}
	sent := make(map[string]number, len(metrics))
	for key, v := range metrics {
		sent[r.limits.key(key)] = number(v)
	}
	entries := metricsEntries(r.c.stamp(), step, sent)
	err := r.journal.append(entries...)
	if err == nil {
		r.journal.inBackground()
		return nil
	}
	direct := r.c.sendEntries(ctx, r.id, entries, false, r.c.patiently(ctx))
	if direct == nil {
		return nil
	}
	return &registry.Error{Path: r.c.o.BufferDir, Err: errors.Join(err, direct),
		Hint: "make room in the folder for metrics, or choose another: until then they are lost while the server is away"}
}

// Inputs are MLflow's data sets: the digest, which is cut there, stands whole in a tag of the input.
const (
	inputContext = "mlflow.data.context"
	inputDigest  = "docent.digest"
)

func (r *run) LogInput(ctx context.Context, in registry.Input) error {
	if _, err := r.running(ctx); err != nil {
		return err
	}
	source, err := json.Marshal(inputSource{in.Source})
	if err != nil {
		return err
	}
	w := wireInput{Dataset: wireDataset{Name: in.Name, Digest: cut(in.Digest, maxDigest), SourceType: "local", Source: string(source)}}
	if in.Context != "" {
		w.Tags = append(w.Tags, pair{inputContext, in.Context})
	}
	if in.Digest != w.Dataset.Digest {
		w.Tags = append(w.Tags, pair{inputDigest, in.Digest})
	}
	body := struct {
		Run      string      `json:"run_id"`
		Datasets []wireInput `json:"datasets"`
	}{r.id, []wireInput{w}}
	return r.c.post(ctx, "runs/log-inputs", body, nil)
}

type inputSource struct {
	URI string `json:"uri"`
}

// input reads what logInput wrote, and what MLflow's own client writes.
func (w wireInput) input() registry.Input {
	tags := mapOf(w.Tags)
	in := registry.Input{Name: w.Dataset.Name, Digest: w.Dataset.Digest, Source: w.Dataset.Source, Context: tags[inputContext]}
	if whole := tags[inputDigest]; whole != "" {
		in.Digest = whole
	}
	var source inputSource
	if json.Unmarshal([]byte(in.Source), &source) == nil {
		in.Source = source.URI
	}
	return in
}

// End sends what waits in the journal and then ends the run. If the server stays away both are kept in BufferDir, for
// the next run to tell it.
func (r *run) End(ctx context.Context, status registry.Status) error {
	r.mu.Lock()
	done := r.ended != ""
	r.mu.Unlock()
	if done {
		return nil
	}
	at := r.c.stamp().UnixMilli()
	err := r.journal.flush(ctx)
	if err == nil || refused(err) { // metrics that the server will never take do not keep the run open
		err = errors.Join(err, r.c.endRun(ctx, r.id, status, at, r.c.patiently(ctx)))
	}
	if err != nil {
		if r.c.o.BufferDir != "" && retryable(err) {
			err = errors.Join(err, r.journal.append(entry{Time: at, End: status}))
		}
		return r.journal.tell(err)
	}
	r.mu.Lock()
	r.ended = status
	r.mu.Unlock()
	return r.journal.remove()
}

// endRun ends a run that is running; the status of one that has ended stays.
func (c *client) endRun(ctx context.Context, id string, status registry.Status, at int64, try func(attempt func() error) error) error {
	var w wireRun
	err := try(func() (err error) {
		w, err = c.readRun(ctx, id)
		return err
	})
	if err != nil || w.Info.Status != string(registry.Running) {
		return err
	}
	return try(func() error { return c.setStatus(ctx, id, status, max(at, int64(w.Info.Start))) })
}
