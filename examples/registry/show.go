package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/registry"
)

// table writes rows in columns.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = strings.Join(strings.Fields(cell), " ")
		}
		if _, err := fmt.Fprintln(t, strings.TrimRight(strings.Join(row, "\t"), "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// list shows the models, or the versions of one.
func list(ctx context.Context, t *tool) error {
	if t.model != "" {
		return listVersions(ctx, t, t.model)
	}
	rows := [][]string{{"MODEL", "LATEST", "PRODUCTION", "CREATED"}}
	var damaged error
	for m, err := range t.registry.ListModels(ctx) {
		if errors.Is(err, registry.ErrCorrupt) { // the others are shown
			damaged = errors.Join(damaged, err)
			continue
		} else if err != nil {
			return err
		}
		rows = append(rows, []string{m.Name, strconv.Itoa(m.Latest), numberOr(m.Production, ""), when(m.Created)})
	}
	if len(rows) == 1 && damaged == nil {
		_, err := fmt.Fprintf(t.out, "no models in %s: the trainer registers some\n", t.cfg.Registry)
		return err
	}
	return errors.Join(table(t.out, rows), damaged)
}

func listVersions(ctx context.Context, t *tool, name string) error {
	serves, err := t.serves(ctx, name)
	if err != nil {
		return err
	}
	rows := [][]string{{"VERSION", "STAGE", "SERVES", "STATUS", "ALIASES", "CREATED", "RUN"}}
	for v, err := range t.registry.List(ctx, name) {
		if err != nil {
			return err
		}
		rows = append(rows, []string{strconv.Itoa(v.Number), string(v.Stage), strings.Join(serves[v.Number], ","), string(v.Status),
			strings.Join(v.Aliases, ","), when(v.Created), v.RunID})
	}
	return table(t.out, rows)
}

// serves are the stages that each version of a model serves in.
func (t *tool) serves(ctx context.Context, name string) (map[int][]string, error) {
	serves := map[int][]string{}
	for _, stage := range []registry.Stage{registry.Production, registry.Staging} {
		v, err := t.registry.Resolve(ctx, registry.URI{Name: name, Stage: stage})
		if err == nil {
			serves[v.Number] = append(serves[v.Number], string(stage))
		} else if !errors.Is(err, registry.ErrNotFound) {
			return nil, err
		}
	}
	return serves, nil
}

func history(ctx context.Context, t *tool) error {
	rows := [][]string{{"WHEN", "STAGE", "VERSION", "FROM", "BY", "WHY", "VERDICT"}}
	for p, err := range t.registry.History(ctx, t.model) {
		if err != nil {
			return err
		}
		rows = append(rows, []string{when(p.At), string(p.Stage), numberOr(p.Version, "none"), numberOr(p.From, ""), p.By, p.Why, p.Verdict})
	}
	if len(rows) == 1 {
		_, err := fmt.Fprintf(t.out, "no version of %s has been promoted\n", t.model)
		return err
	}
	return table(t.out, rows)
}

func numberOr(n int, none string) string {
	if n == 0 {
		return none
	}
	return strconv.Itoa(n)
}

// whence shows the versions whose answers have a system_fingerprint.
func whence(ctx context.Context, t *tool) error {
	found := false
	for m, err := range t.registry.ListModels(ctx) {
		if err != nil {
			return err
		}
		for v, err := range t.registry.List(ctx, m.Name) {
			if err != nil {
				return err
			}
			if !slices.Contains(strings.Fields(v.Tags[program.FingerprintTag]), t.fingerprint) {
				continue
			}
			found = true
			if err := show(ctx, t, registry.URI{Name: v.Name, Version: v.Number}); err != nil {
				return err
			}
		}
	}
	if !found {
		return fmt.Errorf("whence: no version in %s is known to answer with %s: a server tells the registry when it loads a version", t.cfg.Registry, t.fingerprint)
	}
	return nil
}

func show(ctx context.Context, t *tool, ref registry.URI) error {
	v, err := t.registry.Resolve(ctx, ref)
	if err != nil {
		return err
	}
	rows := [][]string{{"version", title(v)}, {"stage", string(v.Stage)}, {"status", strings.TrimSpace(string(v.Status) + " " + v.Message)},
		{"aliases", strings.Join(v.Aliases, ", ")}, {"created", when(v.Created)}, {"run", v.RunID}}
	if v.ModelID != "" {
		rows = append(rows, []string{"logged model", v.ModelID})
	}
	for _, key := range slices.Sorted(maps.Keys(v.Tags)) {
		rows = append(rows, []string{"tag " + key, v.Tags[key]})
	}
	if v.Number > 0 {
		for p, err := range t.registry.History(ctx, v.Name) {
			if err != nil {
				return err
			}
			if p.Version == v.Number {
				rows = append(rows, []string{"promoted", promotion(p)})
			} else if p.From == v.Number {
				rows = append(rows, []string{"replaced", fmt.Sprintf("%s in %s by version %s", when(p.At), p.Stage, numberOr(p.Version, "none"))})
			}
		}
	}
	run, err := program.RunOf(ctx, t.registry, v)
	if err != nil {
		return err
	}
	if run.ID != "" {
		rows = append(rows, []string{"experiment", run.Experiment}, []string{"run name", run.Name}, []string{"run status", string(run.Status)},
			[]string{"started", when(run.Started)}, []string{"ended", when(run.Ended)})
	}
	for _, key := range slices.Sorted(maps.Keys(run.Tags)) {
		rows = append(rows, []string{"run tag " + key, run.Tags[key]})
	}
	for _, in := range run.Inputs {
		rows = append(rows, []string{"input " + in.Context, fmt.Sprintf("%s from %s, digest %s", in.Name, in.Source, in.Digest)})
	}
	for _, key := range slices.Sorted(maps.Keys(run.Params)) {
		rows = append(rows, []string{"param " + key, run.Params[key]})
	}
	for _, key := range slices.Sorted(maps.Keys(run.Metrics)) {
		rows = append(rows, []string{"metric " + key, metric(run.Metrics[key])})
	}
	files, err := t.registry.Files(ctx, v)
	if err != nil {
		return err
	}
	for _, f := range files {
		rows = append(rows, []string{"file " + f.Path, fmt.Sprintf("%d bytes, SHA-256 %s", f.Size, cmp.Or(f.SHA256, "unknown"))})
	}
	return table(t.out, rows)
}

func title(v registry.Version) string {
	if v.Number == 0 {
		return registry.URI{RunID: v.RunID, Path: v.Path}.String()
	}
	return fmt.Sprintf("%s %d", v.Name, v.Number)
}

func metric(m registry.Metric) string {
	return fmt.Sprintf("%s at step %d", strconv.FormatFloat(m.Value, 'g', 6, 64), m.Step)
}

// compare puts what the versions were trained with, and what came of it, side by side. A star marks what differs.
func compare(ctx context.Context, t *tool) error {
	head := []string{"", ""}
	stages := []string{"", "stage"}
	keys := map[string]bool{} // "param x", "metric x"
	var columns []map[string]string
	for _, ref := range t.refs {
		v, err := t.registry.Resolve(ctx, ref)
		if err != nil {
			return err
		}
		run, err := program.RunOf(ctx, t.registry, v)
		if err != nil {
			return err
		}
		column := map[string]string{}
		for key, value := range run.Params {
			column["param "+key] = value
		}
		for key, m := range run.Metrics {
			column["metric "+key] = metric(m)
		}
		for key := range column {
			keys[key] = true
		}
		columns = append(columns, column)
		head, stages = append(head, title(v)), append(stages, string(v.Stage))
	}
	rows := [][]string{head, stages}
	sorted := slices.Sorted(maps.Keys(keys))
	slices.SortStableFunc(sorted, func(a, b string) int { // parameters first
		return strings.Compare(b[:1], a[:1])
	})
	for _, key := range sorted {
		row := []string{"", key}
		for _, column := range columns {
			row = append(row, cmp.Or(column[key], "-"))
		}
		if slices.ContainsFunc(row[2:], func(value string) bool { return value != row[2] }) {
			row[0] = "*"
		}
		rows = append(rows, row)
	}
	return table(t.out, rows)
}
