// Package impl is what the implementations of the registry say and write alike.
package impl

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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

// versionRef names what a version, or the artifacts of a run, are called in errors.
func versionRef(v registry.Version) string {
	switch {
	case v.Number != 0:
		return Ref(v.Name, v.Number)
	case v.ModelID != "":
		return registry.URI{ModelID: v.ModelID}.String()
	}
	return registry.URI{RunID: v.RunID, Path: v.Path}.String()
}

// checkRunName checks what a run is to be called; empty is fine.
func checkRunName(name string) error {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return &registry.Error{Name: name, Err: fmt.Errorf("%w: not a name for a run", registry.ErrInvalid), Hint: "use UTF-8 text without control characters"}
	}
	return nil
}

// checkInput checks the description of a data set.
func checkInput(in registry.Input) error {
	for field, value := range map[string]string{"Name": in.Name, "Digest": in.Digest, "Source": in.Source, "Context": in.Context} {
		if !utf8.ValidString(value) || field == "Name" && value == "" {
			return &registry.Error{Name: in.Name, Err: fmt.Errorf("%w: %s is %q", registry.ErrInvalid, field, value), Hint: "give a name, and UTF-8 text"}
		}
	}
	return nil
}

// checkEnd checks that a run can end so.
func checkEnd(status registry.Status) error {
	if !slices.Contains([]registry.Status{registry.Finished, registry.Failed, registry.Killed}, status) {
		return &registry.Error{Err: fmt.Errorf("%w: %q does not end a run", registry.ErrInvalid, status), Hint: "use Finished, Failed or Killed"}
	}
	return nil
}

// checkPromotion checks options and says, in them too, which stage they mean.
func checkPromotion(o *registry.PromoteOptions) (stage registry.Stage, err error) {
	if o.Stage, err = registry.ParseStage(string(cmp.Or(o.Stage, registry.Production))); err == nil {
		err = o.Validate()
	}
	return o.Stage, err
}

// SameParams refuses other values than those recorded.
func SameParams(have, params map[string]string) error {
	var faults []error
	for _, key := range slices.Sorted(maps.Keys(params)) {
		if old, ok := have[key]; ok && old != params[key] {
			faults = append(faults, &registry.Error{Name: key, Err: fmt.Errorf("%w with the value %q", registry.ErrExists, old),
				Hint: "parameters do not change: log a metric or a tag"})
		}
	}
	return errors.Join(faults...)
}

// Ended refuses what comes after the end of a run.
func Ended(status registry.Status) error {
	return &registry.Error{Err: fmt.Errorf("%w: the run has ended (%s)", registry.ErrInvalid, status), Hint: "resume it first"}
}

// ErrRuns refuses to delete a run that runs.
var ErrRuns error = &registry.Error{Err: fmt.Errorf("%w: it runs", registry.ErrInvalid), Hint: "end it first"}

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

// ByStep compares points by step, then time.
func ByStep(a, b registry.Metric) int {
	return cmp.Or(cmp.Compare(a.Step, b.Step), a.Time.Compare(b.Time))
}

// inOrder sorts the points of a metric by step, then time.
func inOrder(key string, points []registry.Metric) error {
	if len(points) == 0 {
		return fmt.Errorf("%w: no metric %q", registry.ErrNotFound, key)
	}
	slices.SortStableFunc(points, ByStep)
	return nil
}

// Find is the number of the version that a URI without one means, and the stage if it means a stage.
func Find(u registry.URI, holder func(registry.Stage) int, aliases map[string]int, latest int) (stage registry.Stage, n int, err error) {
	stage = u.Stage
	if s, err := registry.ParseStage(u.Alias); err == nil && u.Alias == strings.ToLower(string(s)) {
		stage = s
	}
	fault, hint := "the model has no version", ""
	switch {
	case stage != "":
		n, fault, hint = holder(stage), fmt.Sprintf("no version is in %s", stage), "promote one"
	case u.Alias != "":
		n, fault, hint = aliases[u.Alias], fmt.Sprintf("no alias %s among %q", u.Alias, slices.Sorted(maps.Keys(aliases))), "set it"
	default:
		n = latest
	}
	if n == 0 {
		err = &registry.Error{Err: fmt.Errorf("%w: %s", registry.ErrNotFound, fault), Hint: hint}
	}
	return stage, n, err
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
