package impl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"math"
	"path"
	"slices"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/artifact"
)

// Store keeps what New makes a registry of. What reaches its methods has been checked: names, keys, texts, the context. What
// they return as an error gets told what was being done. Lists end at the first error that is not ErrCorrupt.
type Store interface {
	StartRun(ctx context.Context, experiment, name string, tags map[string]string) (registry.Run, error)
	ResumeRun(ctx context.Context, id string) (registry.Run, error)
	GetRun(ctx context.Context, id string) (registry.RunInfo, error)
	ListRuns(ctx context.Context, experiment string) iter.Seq2[registry.RunInfo, error]
	DeleteRun(ctx context.Context, id string) error
	Points(ctx context.Context, id, key string) ([]registry.Metric, error) // of a metric, in any order

	Register(ctx context.Context, name string, src registry.Source, tags map[string]string) (registry.Version, error)
	List(ctx context.Context, name string) iter.Seq2[registry.Version, error]
	ListModels(ctx context.Context) iter.Seq2[registry.Model, error]
	TagVersion(ctx context.Context, name string, version int, tags map[string]string) error                 // of a version that is there
	SetAlias(ctx context.Context, name, alias string, version int) error                                    // likewise
	Promote(ctx context.Context, name string, n int, o registry.PromoteOptions) ([]registry.Version, error) // one that can serve
	Promotions(ctx context.Context, name string) ([]registry.Promotion, error)                              // the oldest first
	DeleteVersion(ctx context.Context, name string, version int) error
	Find(ctx context.Context, u registry.URI) (registry.Version, error) // by name and what stands behind it, whatever u.Path
	Contents(ctx context.Context, v registry.Version) (Contents, error)
}

// Contents are the files that a version means, or an error if there is none.
type Contents struct {
	Files  []registry.File // by their paths as Download writes them
	Source registry.Source // of what they are, where the version has no number
	Open   artifact.Open
}

// New makes a registry that moves so many files at a time.
func New(s Store, atATime int, log *slog.Logger) registry.Registry { return &logic{s, atATime, log} }

type logic struct {
	s       Store
	atATime int
	log     *slog.Logger
}

// call makes a call unless its arguments have a fault.
func call[T any](ctx context.Context, op, name string, fault error, do func() (T, error)) (result T, err error) {
	if err = cmp.Or(fault, context.Cause(ctx)); err == nil {
		result, err = do()
	}
	if err != nil {
		var none T
		return none, Wrap(op, name, err)
	}
	return result, nil
}

func act(ctx context.Context, op, name string, fault error, do func() error) error {
	_, err := call(ctx, op, name, fault, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// list yields what a store lists.
func list[T any](ctx context.Context, op, name string, fault error, all func() iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if err := cmp.Or(fault, context.Cause(ctx)); err != nil {
			var none T
			yield(none, Wrap(op, name, err))
			return
		}
		for v, err := range all() {
			told := err
			if e, ok := err.(*registry.Error); !ok || e.Op == "" { //nolint:errorlint // only the outermost says which of the list it is
				told = Wrap(op, name, err)
			}
			if !yield(v, told) || err != nil && !errors.Is(err, registry.ErrCorrupt) {
				return
			}
		}
	}
}

// listed is what read returns, put into order.
func listed[T any](read func() ([]T, error), order func([]T) error) func() iter.Seq2[T, error] {
	return func() iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			all, err := read()
			if err == nil {
				err = order(all)
			}
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, v := range all {
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

func (l *logic) StartRun(ctx context.Context, experiment, name string, tags map[string]string) (registry.Run, error) {
	return call(ctx, "start run in", experiment, cmp.Or(registry.CheckName(experiment), registry.CheckPairs(tags), checkRunName(name)), func() (registry.Run, error) {
		r, err := l.s.StartRun(ctx, experiment, name, tags)
		return Run{r}, err
	})
}

func checkRun(id string) error { return registry.URI{RunID: id}.Validate() }

func (l *logic) ResumeRun(ctx context.Context, id string) (registry.Run, error) {
	return call(ctx, "resume run", id, checkRun(id), func() (registry.Run, error) {
		r, err := l.s.ResumeRun(ctx, id)
		return Run{r}, err
	})
}

func (l *logic) GetRun(ctx context.Context, id string) (registry.RunInfo, error) {
	return call(ctx, "get run", id, checkRun(id), func() (registry.RunInfo, error) { return l.s.GetRun(ctx, id) })
}

func (l *logic) ListRuns(ctx context.Context, experiment string) iter.Seq2[registry.RunInfo, error] {
	return list(ctx, "list runs of", experiment, registry.CheckName(experiment), func() iter.Seq2[registry.RunInfo, error] { return l.s.ListRuns(ctx, experiment) })
}

func (l *logic) DeleteRun(ctx context.Context, id string) error {
	return act(ctx, "delete run", id, checkRun(id), func() error { return l.s.DeleteRun(ctx, id) })
}

func (l *logic) MetricHistory(ctx context.Context, runID, key string) iter.Seq2[registry.Metric, error] {
	return list(ctx, "get metric of run", runID, checkRun(runID), listed(
		func() ([]registry.Metric, error) { return l.s.Points(ctx, runID, key) },
		func(points []registry.Metric) error { return inOrder(key, points) }))
}

func checkSource(src registry.Source) error {
	if src.ModelID != "" {
		return registry.URI{ModelID: src.ModelID}.Validate()
	}
	return registry.URI{RunID: src.RunID, Path: src.Path}.Validate()
}

func (l *logic) Register(ctx context.Context, name string, src registry.Source, tags map[string]string) (registry.Version, error) {
	return call(ctx, "register", name, cmp.Or(registry.CheckName(name), registry.CheckPairs(tags), checkSource(src)), func() (registry.Version, error) { return l.s.Register(ctx, name, src, tags) })
}

func (l *logic) Get(ctx context.Context, name string, n int) (registry.Version, error) {
	return call(ctx, "get", Ref(name, n), checkVersion(name, n), func() (registry.Version, error) { return l.get(ctx, name, n) })
}

func (l *logic) get(ctx context.Context, name string, n int) (registry.Version, error) {
	return l.s.Find(ctx, registry.URI{Name: name, Version: n})
}

// checkVersion finds what no registry has. MLflow's databases have no higher numbers.
func checkVersion(name string, n int) error {
	if err := registry.CheckName(name); err != nil || n >= 1 && n <= math.MaxInt32 {
		return err
	}
	return fmt.Errorf("%w: no such version; they count from 1", registry.ErrNotFound)
}

func (l *logic) List(ctx context.Context, name string) iter.Seq2[registry.Version, error] {
	return list(ctx, "list", name, registry.CheckName(name), func() iter.Seq2[registry.Version, error] { return l.s.List(ctx, name) })
}

func (l *logic) ListModels(ctx context.Context) iter.Seq2[registry.Model, error] {
	return list(ctx, "list models", "", nil, func() iter.Seq2[registry.Model, error] { return l.s.ListModels(ctx) })
}

func (l *logic) TagVersion(ctx context.Context, name string, n int, tags map[string]string) error {
	return act(ctx, "tag", Ref(name, n), cmp.Or(checkVersion(name, n), registry.CheckPairs(tags)), func() error {
		if _, err := l.get(ctx, name, n); err != nil {
			return err
		}
		return l.s.TagVersion(ctx, name, n, tags)
	})
}

func (l *logic) SetAlias(ctx context.Context, name, alias string, n int) error {
	return act(ctx, "set alias of", Ref(name, n), cmp.Or(checkVersion(name, n), registry.CheckAlias(alias)), func() error {
		if _, err := l.get(ctx, name, n); err != nil {
			return err
		}
		return l.s.SetAlias(ctx, name, alias, n)
	})
}

// Promote looks at the version first, and at its files without any lock: that takes its time.
func (l *logic) Promote(ctx context.Context, name string, n int, o registry.PromoteOptions) ([]registry.Version, error) {
	stage, fault := checkPromotion(&o)
	return call(ctx, "promote", Ref(name, n), cmp.Or(checkVersion(name, n), fault), func() ([]registry.Version, error) {
		v, err := l.get(ctx, name, n)
		if err == nil {
			err = Usable(v.Status, v.Message)
		}
		if err == nil && Serves(stage) {
			err = l.verify(ctx, registry.Version{Name: name, Number: n})
		}
		if err != nil {
			return nil, err
		}
		archived, err := l.s.Promote(ctx, name, n, o)
		if err == nil {
			l.log.Info("promoted", "model", name, "version", n, "stage", stage, "archived", len(archived))
		}
		return archived, err
	})
}

func (l *logic) History(ctx context.Context, name string) iter.Seq2[registry.Promotion, error] {
	return list(ctx, "read history of", name, registry.CheckName(name), listed(
		func() ([]registry.Promotion, error) { return l.s.Promotions(ctx, name) },
		func(all []registry.Promotion) error { slices.Reverse(all); return nil }))
}

func (l *logic) DeleteVersion(ctx context.Context, name string, n int) error {
	return act(ctx, "delete", Ref(name, n), checkVersion(name, n), func() error { return l.s.DeleteVersion(ctx, name, n) })
}

func (l *logic) Resolve(ctx context.Context, u registry.URI) (registry.Version, error) {
	fault := u.Validate()
	if fault == nil && u.Version != 0 {
		fault = checkVersion(u.Name, u.Version)
	}
	return call(ctx, "resolve", u.String(), fault, func() (v registry.Version, err error) {
		if u.RunID != "" || u.ModelID != "" {
			c, err := l.s.Contents(ctx, registry.Version{RunID: u.RunID, ModelID: u.ModelID, Path: u.Path})
			return registry.Version{RunID: c.Source.RunID, ModelID: c.Source.ModelID, Path: c.Source.Path, Stage: registry.None, Status: registry.Ready}, err
		}
		if v, err = l.s.Find(ctx, u); err != nil || u.Path == "" {
			return v, err
		}
		v.Path = path.Join(v.Path, u.Path)
		if _, err = l.s.Contents(ctx, v); errors.Is(err, registry.ErrNotReady) || errors.Is(err, registry.ErrFailed) {
			err = nil // it is found, ready or not
		}
		return v, err
	})
}

func (l *logic) contents(ctx context.Context, v registry.Version) (Contents, error) {
	err := checkSource(registry.Source{RunID: v.RunID, Path: v.Path, ModelID: v.ModelID})
	if v.Number != 0 {
		err = checkVersion(v.Name, v.Number)
	}
	if err != nil {
		return Contents{}, err
	}
	return l.s.Contents(ctx, v)
}

func (l *logic) Files(ctx context.Context, v registry.Version) ([]registry.File, error) {
	return call(ctx, "list files of", versionRef(v), nil, func() ([]registry.File, error) {
		c, err := l.contents(ctx, v)
		return c.Files, err
	})
}

// Download leaves ".<name>.partial" beside dir when it breaks off, for the next one to go on from.
func (l *logic) Download(ctx context.Context, v registry.Version, dir string) error {
	return act(ctx, "download", versionRef(v), nil, func() error {
		c, err := l.contents(ctx, v)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(c.Files, func(f registry.File) bool { return f.SHA256 == "" }) {
			l.log.Warn("there are no checksums of files that docent did not log: only their sizes are verified", "version", versionRef(v))
		}
		return artifact.Fetch(ctx, c.Files, dir, l.atATime, c.Open)
	})
}

func (l *logic) Verify(ctx context.Context, v registry.Version) error {
	return act(ctx, "verify", versionRef(v), nil, func() error { return l.verify(ctx, v) })
}

func (l *logic) verify(ctx context.Context, v registry.Version) error {
	c, err := l.contents(ctx, v)
	if err != nil {
		return err
	}
	return artifact.VerifyAll(ctx, c.Files, l.atATime, c.Open)
}

// Run checks what is logged.
type Run struct{ registry.Run }

func (r Run) LogParams(ctx context.Context, params map[string]string) error {
	return act(ctx, "log params of run", r.ID(), registry.CheckPairs(params), func() error { return r.Run.LogParams(ctx, params) })
}

func (r Run) SetTags(ctx context.Context, tags map[string]string) error {
	return act(ctx, "tag run", r.ID(), registry.CheckPairs(tags), func() error { return r.Run.SetTags(ctx, tags) })
}

func (r Run) LogMetrics(ctx context.Context, step int64, metrics map[string]float64) error {
	var fault error
	for _, key := range slices.Sorted(maps.Keys(metrics)) {
		fault = cmp.Or(fault, registry.CheckKey(key))
	}
	return act(ctx, "log metrics of run", r.ID(), fault, func() error { return r.Run.LogMetrics(ctx, step, metrics) })
}

func (r Run) LogInput(ctx context.Context, in registry.Input) error {
	return act(ctx, "log input of run", r.ID(), checkInput(in), func() error { return r.Run.LogInput(ctx, in) })
}

func (r Run) LogArtifacts(ctx context.Context, prefix string, fsys fs.FS) error {
	var fault error
	if prefix != "" {
		fault = registry.CheckPath(prefix)
	}
	return act(ctx, "log artifacts of run", r.ID(), fault, func() error { return r.Run.LogArtifacts(ctx, prefix, fsys) })
}

func (r Run) LogModel(ctx context.Context, name string, fsys fs.FS) (registry.Source, error) {
	return call(ctx, "log model of run", r.ID(), registry.CheckName(name), func() (registry.Source, error) { return r.Run.LogModel(ctx, name, fsys) })
}

func (r Run) End(ctx context.Context, status registry.Status) error {
	return act(ctx, "end run", r.ID(), checkEnd(status), func() error { return r.Run.End(ctx, status) })
}
