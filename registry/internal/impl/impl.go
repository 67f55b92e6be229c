// Package impl is what the implementations of the registry say and write alike.
package impl

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/docent-ml/docent/registry"
)

// Wrap tells what was being done. Errors that know more about place and remedy keep it.
func Wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	//nolint:errorlint // only the outermost is completed
	if e, ok := err.(*registry.Error); ok && e.Op == "" {
		full := *e
		full.Op = op
		if full.Name == "" {
			full.Name = name
		}
		return &full
	}
	return &registry.Error{Op: op, Name: name, Err: err}
}

// Ref names a version in errors.
func Ref(name string, n int) string { return name + "/" + strconv.Itoa(n) }

// Usable refuses a version that is not ready; message is why its registration failed.
func Usable(status registry.Readiness, message string) error {
	switch status {
	case registry.Ready:
		return nil
	case registry.FailedRegistration:
		return &registry.Error{Err: fmt.Errorf("%w: %s", registry.ErrFailed, message), Hint: "register the artifacts again"}
	default:
		return &registry.Error{Err: fmt.Errorf("%w: the version is %s", registry.ErrNotReady, status), Hint: "wait with WaitReady"}
	}
}

// MarshalMetric writes a metric's value, for some of which JSON has no literal: a diverged loss is worth recording too.
func MarshalMetric(value float64) ([]byte, error) {
	switch {
	case math.IsNaN(value):
		return []byte(`"NaN"`), nil
	case math.IsInf(value, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(value, -1):
		return []byte(`"-Infinity"`), nil
	default:
		return json.Marshal(value)
	}
}

// MetricHistory yields the points that read returns, which may be in any order.
func MetricHistory(runID, key string, read func() ([]registry.Metric, error)) iter.Seq2[registry.Metric, error] {
	return func(yield func(registry.Metric, error) bool) {
		points, err := read()
		if err == nil && len(points) == 0 {
			err = fmt.Errorf("%w: no metric %q", registry.ErrNotFound, key)
		}
		if err != nil {
			yield(registry.Metric{}, Wrap("get metric of run", runID, err))
			return
		}
		slices.SortStableFunc(points, func(a, b registry.Metric) int {
			return cmp.Or(cmp.Compare(a.Step, b.Step), a.Time.Compare(b.Time))
		})
		for _, p := range points {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// Serves says whether a stage means one version that serves: its changes are a model's history.
func Serves(s registry.Stage) bool { return s == registry.Staging || s == registry.Production }

// Last is the last entry of a stage; nil is none.
func Last(history []registry.Promotion, stage registry.Stage) *registry.Promotion {
	for i := range slices.Backward(history) {
		if history[i].Stage == stage {
			return &history[i]
		}
	}
	return nil
}

// Following is the time of what follows a history: now, or that of the last entry where the clock that gave it was ahead.
func Following(history []registry.Promotion, now time.Time) time.Time {
	if n := len(history); n > 0 && history[n-1].At.After(now) {
		return history[n-1].At
	}
	return now
}

// Unrecorded completes a history, the oldest entry first, by the moves that nobody recorded: those that lead from its
// last entries to the versions that serve now.
func Unrecorded(history []registry.Promotion, serves func(registry.Stage) int, now time.Time) (missing []registry.Promotion) {
	for _, stage := range []registry.Stage{registry.Staging, registry.Production} {
		from := 0
		if last := Last(history, stage); last != nil {
			from = last.Version
		}
		if n := serves(stage); n != from {
			missing = append(missing, registry.Promotion{Stage: stage, Version: n, From: from, At: Following(history, now), Why: registry.Elsewhere})
		}
	}
	return missing
}

// Backward yields a history, given with the oldest entry first, from its end.
func Backward(name string, read func() ([]registry.Promotion, error)) iter.Seq2[registry.Promotion, error] {
	return func(yield func(registry.Promotion, error) bool) {
		history, err := read()
		if err != nil {
			yield(registry.Promotion{}, Wrap("read history of", name, err))
			return
		}
		for _, p := range slices.Backward(history) {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// Deletable refuses to delete a version that somebody needs.
func Deletable(v registry.Version, history []registry.Promotion) error {
	var why string
	switch {
	case Serves(v.Stage):
		why = "it is in " + string(v.Stage)
	case len(v.Aliases) > 0:
		why = "it has the alias " + v.Aliases[0]
	case slices.ContainsFunc(history, func(p registry.Promotion) bool { return p.Version == v.Number || p.From == v.Number }):
		why = "the history of promotions names it"
	default:
		return nil
	}
	return &registry.Error{Err: fmt.Errorf("%w: %s", registry.ErrInvalid, why), Hint: "keep it: rollback may need it"}
}

// UsedRun refuses to delete a run that a version is made from.
func UsedRun(name string, version int) error {
	return &registry.Error{Err: fmt.Errorf("%w: %s is made from it", registry.ErrInvalid, Ref(name, version)), Hint: "delete the version first"}
}
