package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// PruneOptions say what Prune may take.
type PruneOptions struct {
	Keep  int           // the newest so many versions of each model, and runs of each experiment, stay
	Older time.Duration // what is younger stays
	Now   time.Time     // zero is time.Now
	Dry   bool          // only tell
}

// Pruned is what Prune took: a version or a run.
type Pruned struct {
	Version Version // Number is 0 for a run
	Run     RunInfo
}

// Prune deletes old versions, and then old runs with their artifacts, and yields each. It leaves alone whatever serves
// or has an alias, every version that a promotion in the history names, runs that a version is made from, and runs
// that run. Runs are looked for in the experiments that the versions come from. An error is the last element.
func Prune(ctx context.Context, r Registry, o PruneOptions) iter.Seq2[Pruned, error] {
	return func(yield func(Pruned, error) bool) {
		err := prune(ctx, r, o, func(p Pruned) bool { return yield(p, nil) })
		if err != nil && !errors.Is(err, errEnough) {
			yield(Pruned{}, err)
		}
	}
}

var errEnough = errors.New("the caller has had enough")

func prune(ctx context.Context, r Registry, o PruneOptions, took func(Pruned) bool) error {
	if o.Keep < 0 || o.Older < 0 {
		return &Error{Op: "prune", Err: fmt.Errorf("%w: Keep %d, Older %v", ErrInvalid, o.Keep, o.Older), Hint: "neither may be negative"}
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	before := o.Now.Add(-o.Older)
	used, experiments := map[string]bool{}, map[string]bool{} // runs of versions that stay, and where to look
	for m, err := range r.ListModels(ctx) {
		if err != nil {
			return err
		}
		needed, err := promoted(ctx, r, m.Name)
		if err != nil {
			return err
		}
		versions, err := collect(r.List(ctx, m.Name))
		if err != nil {
			return err
		}
		for n, v := range versions {
			info, err := r.GetRun(ctx, v.RunID)
			if err == nil {
				experiments[info.Experiment] = true
			} else if !errors.Is(err, ErrNotFound) {
				return err
			}
			if n < o.Keep || needed[v.Number] || v.Stage == Production || v.Stage == Staging || len(v.Aliases) > 0 || !v.Created.Before(before) {
				used[v.RunID] = true
				continue
			}
			if !o.Dry {
				if err := r.DeleteVersion(ctx, v.Name, v.Number); err != nil {
					return err
				}
			}
			if !took(Pruned{Version: v}) {
				return errEnough
			}
		}
	}
	for experiment := range experiments {
		runs, err := collect(r.ListRuns(ctx, experiment))
		if err != nil {
			return err
		}
		for n, info := range runs {
			if n < o.Keep || used[info.ID] || info.Status == Running || !info.Ended.Before(before) {
				continue
			}
			if !o.Dry {
				if err := r.DeleteRun(ctx, info.ID); err != nil {
					return err
				}
			}
			if !took(Pruned{Run: info}) {
				return errEnough
			}
		}
	}
	return nil
}

// collect reads a list to its end before anything of it is deleted, which would change its pages. What is damaged is
// left out, and so stays.
func collect[T any](list iter.Seq2[T, error]) (all []T, err error) {
	for v, err := range list {
		if errors.Is(err, ErrCorrupt) {
			continue
		} else if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// promoted are the versions that a model's history names.
func promoted(ctx context.Context, m Models, name string) (map[int]bool, error) {
	named := map[int]bool{}
	for p, err := range m.History(ctx, name) {
		if err != nil {
			return nil, err
		}
		named[p.Version], named[p.From] = true, true
	}
	return named, nil
}
