package local

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/impl"
)

// runFile is run.json.
type runFile struct {
	ID         string            `json:"id"`
	Experiment string            `json:"experiment"`
	Name       string            `json:"name"`
	Status     registry.Status   `json:"status"`
	Started    time.Time         `json:"started"`
	Ended      *time.Time        `json:"ended,omitempty"`
	Params     map[string]string `json:"params,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Inputs     []inputFile       `json:"inputs,omitempty"`
	// Metrics holds the last points of an ended run: for people, and to spare readers the history.
	Metrics map[string]point `json:"metrics,omitempty"`
}

type inputFile struct {
	Name    string `json:"name"`
	Digest  string `json:"digest,omitempty"`
	Source  string `json:"source,omitempty"`
	Context string `json:"context,omitempty"`
}

func (f *runFile) check(experiment, id string) error {
	fault := ""
	switch {
	case f.ID != id:
		fault = fmt.Sprintf("id is %q", f.ID)
	case f.Experiment != experiment:
		fault = fmt.Sprintf("experiment is %q", f.Experiment)
	case !slices.Contains([]registry.Status{registry.Running, registry.Finished, registry.Failed, registry.Killed}, f.Status):
		fault = fmt.Sprintf("status is %q", f.Status)
	case (f.Status == registry.Running) != (f.Ended == nil):
		fault = "status and ended disagree"
	}
	if fault == "" {
		return nil
	}
	return fmt.Errorf("%w: %s", registry.ErrCorrupt, fault)
}

func (f *runFile) info(metrics map[string]point) registry.RunInfo {
	info := registry.RunInfo{ID: f.ID, Experiment: f.Experiment, Name: f.Name, Status: f.Status, Started: f.Started,
		Params: f.Params, Tags: f.Tags, Metrics: make(map[string]registry.Metric, len(metrics))}
	if f.Ended != nil {
		info.Ended = *f.Ended
	}
	for key, p := range metrics {
		info.Metrics[key] = p.metric()
	}
	for _, in := range f.Inputs {
		info.Inputs = append(info.Inputs, registry.Input(in))
	}
	return info
}

func (s *store) StartRun(ctx context.Context, experiment, name string, tags map[string]string) (registry.Run, error) {
	r := &run{s: s}
	return r, s.locked(ctx, func() error {
		started, err := s.startAfter(experiment)
		if err != nil {
			return err
		}
		r.id = strings.Replace(started.Format(idTime), ".", "-", 1) + "-" + randomHex(4)
		dir, err := s.newFolder("runs", experiment)
		if err != nil {
			return err
		}
		r.dir, r.experiment = path.Join(dir, r.id), experiment
		return s.writeJSON(r.file("run.json"), runFile{ID: r.id, Experiment: experiment, Name: cmp.Or(name, r.id),
			Status: registry.Running, Started: started, Tags: tags})
	})
}

func (s *store) ResumeRun(ctx context.Context, id string) (registry.Run, error) {
	r, err := s.findRun(id)
	if err != nil {
		return nil, err
	}
	return r, s.locked(ctx, func() error {
		f, err := r.read()
		if err != nil || f.Status == registry.Running {
			return err
		}
		f.Status, f.Ended, f.Metrics = registry.Running, nil, nil
		return s.writeJSON(r.file("run.json"), f)
	})
}

func (s *store) GetRun(ctx context.Context, id string) (info registry.RunInfo, err error) {
	r, err := s.findRun(id)
	if err != nil {
		return info, err
	}
	return r.info(ctx)
}

func (s *store) ListRuns(ctx context.Context, experiment string) iter.Seq2[registry.RunInfo, error] {
	return func(yield func(registry.RunInfo, error) bool) {
		runs, err := s.runsOf(experiment)
		if err != nil {
			yield(registry.RunInfo{}, err)
			return
		}
		for _, r := range runs {
			if info, err := r.info(ctx); !yield(info, impl.Wrap("get run", r.id, err)) {
				return
			}
		}
	}
}

// runsOf finds the runs of an experiment, newest first: their ids begin with the time.
func (s *store) runsOf(experiment string) ([]*run, error) {
	dir, err := s.folder("runs", experiment)
	if err != nil {
		return nil, err
	}
	ids, err := s.names(dir)
	if err != nil {
		return nil, err
	}
	var runs []*run
	for _, id := range slices.Backward(ids) {
		r := &run{s: s, id: id, experiment: experiment, dir: path.Join(dir, id)}
		if _, err := s.root.Stat(r.file("run.json")); err == nil {
			runs = append(runs, r)
		}
	}
	return runs, nil
}

func (s *store) findRun(id string) (*run, error) {
	experiments, err := s.names("runs")
	if err != nil {
		return nil, err
	}
	for _, experiment := range experiments {
		r := &run{s: s, id: id, experiment: experiment, dir: path.Join("runs", experiment, id)}
		if _, err := s.root.Stat(r.file("run.json")); err == nil {
			return r, nil
		}
	}
	return nil, fmt.Errorf("%w: no such run", registry.ErrNotFound)
}

// run is the handle of a run; what it knows of it is on the disk.
type run struct {
	s              *store
	id, experiment string
	dir            string
}

func (r *run) ID() string              { return r.id }
func (r *run) file(name string) string { return path.Join(r.dir, name) }

func (r *run) read() (*runFile, error) {
	var f runFile
	if err := r.s.readJSON(r.file("run.json"), &f); err != nil {
		return nil, err
	}
	if err := f.check(r.experiment, r.id); err != nil {
		return nil, &registry.Error{Path: r.file("run.json"), Err: err, Hint: "restore the file from a backup"}
	}
	return &f, nil
}

func (r *run) info(ctx context.Context) (registry.RunInfo, error) {
	f, err := r.read()
	if err != nil {
		return registry.RunInfo{}, err
	}
	metrics := f.Metrics
	if f.Status == registry.Running {
		if metrics, err = r.lastMetrics(ctx); err != nil {
			return registry.RunInfo{}, err
		}
	}
	return f.info(metrics), nil
}

// update changes run.json while the run is running.
func (r *run) update(ctx context.Context, change func(f *runFile) error) error {
	return r.s.locked(ctx, func() error {
		f, err := r.running()
		if err != nil {
			return err
		}
		if err := change(f); err != nil {
			return err
		}
		return r.s.writeJSON(r.file("run.json"), f)
	})
}

func (r *run) running() (*runFile, error) {
	f, err := r.read()
	if err == nil && f.Status != registry.Running {
		err = impl.Ended(f.Status)
	}
	return f, err
}

func (r *run) LogParams(ctx context.Context, params map[string]string) error {
	return r.update(ctx, func(f *runFile) error {
		err := impl.SameParams(f.Params, params)
		f.Params = merged(f.Params, params)
		return err
	})
}

func (r *run) SetTags(ctx context.Context, tags map[string]string) error {
	return r.update(ctx, func(f *runFile) error {
		f.Tags = merged(f.Tags, tags)
		return nil
	})
}

func (r *run) LogInput(ctx context.Context, in registry.Input) error {
	return r.update(ctx, func(f *runFile) error {
		if !slices.Contains(f.Inputs, inputFile(in)) {
			f.Inputs = append(f.Inputs, inputFile(in))
		}
		return nil
	})
}

func (r *run) End(ctx context.Context, status registry.Status) error {
	return r.s.locked(ctx, func() error {
		f, err := r.read()
		if err != nil || f.Status != registry.Running {
			return err
		}
		if err := r.syncMetrics(); err != nil {
			return err
		}
		if f.Metrics, err = r.lastMetrics(ctx); err != nil {
			return err
		}
		ended := later(r.s.stamp(), f.Started)
		for _, m := range f.Metrics {
			ended = later(ended, m.Time)
		}
		f.Status, f.Ended = status, &ended
		return r.s.writeJSON(r.file("run.json"), f)
	})
}

func merged(old, add map[string]string) map[string]string {
	if old == nil {
		return maps.Clone(add)
	}
	old = maps.Clone(old)
	maps.Copy(old, add)
	return old
}

// stamp is the time in the store's resolution. A clock may have been put back since something was written: what is
// ordered by its time takes the later one, see later.
func (s *store) stamp() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

const idTime = "20060102-150405.000" // which ids of runs begin with, so that they sort by it

// startAfter is when a new run starts: now, or just after the newest one of its experiment.
func (s *store) startAfter(experiment string) (time.Time, error) {
	runs, err := s.runsOf(experiment)
	if len(runs) == 0 {
		if errors.Is(err, registry.ErrNotFound) {
			err = nil
		}
		return s.stamp(), err
	}
	id := runs[0].id
	if len(id) > len(idTime) {
		id = id[:15] + "." + id[16:len(idTime)]
	}
	newest, err := time.Parse(idTime, id)
	if err != nil {
		return s.stamp(), nil //nolint:nilerr // a name that somebody else gave
	}
	return later(s.stamp(), newest.Add(time.Millisecond)), nil
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
