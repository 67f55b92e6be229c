package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Promotion is an entry of a model's history: another version serves in a stage than before, or none does.
type Promotion struct {
	Stage   Stage     `json:"stage"`             // Staging or Production
	Version int       `json:"version"`           // that serves from now on; 0 is none
	From    int       `json:"from,omitempty"`    // that served until then; 0 is none
	At      time.Time `json:"at"`                // of one that somebody made without docent: when it was noticed
	By      string    `json:"by,omitempty"`      // who did it; "" is unknown
	Why     string    `json:"why,omitempty"`     //
	Verdict string    `json:"verdict,omitempty"` // of the gate that it passed
}

// Elsewhere is the Why of a promotion that the registry found done, by somebody in MLflow's UI for example.
const Elsewhere = "moved without docent"

// Rollback promotes the version that served in a stage (o.Stage, Production if empty) before the one that does now. A
// version that was rolled back from, or replaced by one that had served before it, is not come back to: the history
// is walked, not counted. Versions that have been deleted are passed over. Without an earlier version it is
// ErrNotFound.
func Rollback(ctx context.Context, m Models, name string, o PromoteOptions) (to int, archived []Version, err error) {
	if o.Stage, err = ParseStage(string(cmp.Or(o.Stage, Production))); err != nil {
		return 0, nil, err
	}
	served, now, err := servedBefore(ctx, m, name, o.Stage)
	if err != nil {
		return 0, nil, err
	}
	for _, n := range slices.Backward(served) {
		if _, err := m.Get(ctx, name, n); errors.Is(err, ErrNotFound) {
			continue
		} else if err != nil {
			return 0, nil, err
		}
		if o.Why == "" {
			o.Why = fmt.Sprintf("rollback from version %d", now)
		}
		archived, err = m.Promote(ctx, name, n, o)
		return n, archived, err
	}
	return 0, nil, &Error{Op: "roll back", Name: name, Err: fmt.Errorf("%w: its history has no version in %s before %d", ErrNotFound, o.Stage, now),
		Hint: "promote one by its number"}
}

// servedBefore are the versions to roll back to, the best last, and the one that serves now (0 is none). Coming back
// to a version takes out of the line what had served after it.
func servedBefore(ctx context.Context, m Models, name string, stage Stage) (line []int, now int, err error) {
	var history []Promotion
	for p, err := range m.History(ctx, name) {
		if err != nil {
			return nil, 0, err
		}
		if p.Stage == stage {
			history = append(history, p)
		}
	}
	for _, p := range slices.Backward(history) { // the oldest first
		if len(line) == 0 && p.From != 0 {
			line = append(line, p.From)
		}
		now = p.Version
		if now == 0 { // taken out of the stage
			line = slices.DeleteFunc(line, func(n int) bool { return n == p.From })
			continue
		}
		if i := slices.Index(line, now); i >= 0 {
			line = line[:i]
		}
		line = append(line, now)
	}
	if len(line) > 0 && line[len(line)-1] == now {
		line = line[:len(line)-1]
	}
	return line, now, nil
}
