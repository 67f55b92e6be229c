package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/gate"
)

func promote(ctx context.Context, t *tool) error {
	stage := cmp.Or(t.stage, registry.Production)
	o := registry.PromoteOptions{Stage: stage, By: t.cfg.By, Why: t.cfg.Why}
	if stage == registry.Production {
		verdict, err := t.checkGate(ctx, t.model, t.number)
		if err != nil {
			return err
		}
		o.Verdict = verdict
	}
	archived, err := t.registry.Promote(ctx, t.model, t.number, o)
	if err != nil {
		return err
	}
	return t.sayPromoted(t.number, stage, archived)
}

// checkGate says what the gate says of a version, and refuses one that does not pass. A version that was never evaluated, such as
// one that another program made, is promoted: there is nothing to hold against the rules.
func (t *tool) checkGate(ctx context.Context, name string, number int) (string, error) {
	v, err := t.registry.Get(ctx, name, number)
	if err != nil {
		return "", err
	}
	metrics, err := program.MetricsOf(ctx, t.registry, v)
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(metrics)), func(key string) bool { return strings.HasPrefix(key, gate.Prefix) }) {
		return "", nil
	}
	m := gate.Metrics{Candidate: metrics}
	if len(t.cfg.Gate) > 0 {
		if m.Production, err = program.InProduction(ctx, t.registry, name); err != nil {
			return "", err
		}
	}
	verdict, err := program.CheckGate(t.cfg.Gate, m)
	if err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(t.out, "gate: %s\n", verdict); err != nil {
		return "", err
	}
	if !verdict.Passed() && !t.cfg.Anyway {
		return "", fmt.Errorf("promote: %s version %d does not pass the gate: %s\n  -anyway promotes it all the same, -gate sets other rules", name, number, verdict)
	}
	return verdict.String(), nil
}

func rollback(ctx context.Context, t *tool) error {
	to, archived, err := registry.Rollback(ctx, t.registry, t.model, registry.PromoteOptions{By: t.cfg.By, Why: t.cfg.Why})
	if err != nil {
		return err
	}
	return t.sayPromoted(to, registry.Production, archived)
}

func (t *tool) sayPromoted(number int, stage registry.Stage, archived []registry.Version) error {
	text := fmt.Sprintf("%s version %d is in %s", t.model, number, stage)
	for _, v := range archived {
		text += fmt.Sprintf(", version %d is archived", v.Number)
	}
	_, err := fmt.Fprintln(t.out, text)
	return err
}

// copyVersion makes a version of another registry out of this one's: the files, and a run with the parameters, tags,
// inputs and whole metrics of the one that made it. The stage stays behind, and the times are those of the copy.
func copyVersion(ctx context.Context, t *tool) (err error) {
	ref := t.refs[0]
	v, err := t.registry.Resolve(ctx, ref)
	if err != nil {
		return err
	}
	if v.Number == 0 {
		return fmt.Errorf("copy: %s is no version of a registered model", ref)
	}
	if v.Path != "" && ref.Path != "" {
		return fmt.Errorf("copy: %s is a part of a version: leave the path out", ref)
	}
	common := t.cfg.Common
	common.Registry = t.where
	other, err := program.OpenRegistry(ctx, common, program.RegistryOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.Close()) }()

	files, err := os.MkdirTemp("", "docent-copy-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(files)) }()
	files = filepath.Join(files, "model")
	if err := t.registry.Download(ctx, v, files); err != nil {
		return err
	}
	info, err := program.RunOf(ctx, t.registry, v)
	if err != nil {
		return err
	}
	tags := own(info.Tags)
	tags["docent.copied_from"] = fmt.Sprintf("%s in %s", ref, t.cfg.Registry)
	run, err := other.StartRun(ctx, cmp.Or(info.Experiment, v.Name), cmp.Or(info.Name, title(v)), tags)
	if err != nil {
		return err
	}
	defer func() { // no effect once it is finished
		err = errors.Join(err, run.End(context.WithoutCancel(ctx), registry.Failed))
	}()
	if err := t.copyRun(ctx, info, run); err != nil {
		return err
	}
	source, err := run.LogModel(ctx, "model", os.DirFS(files))
	if err != nil {
		return err
	}
	copied, err := other.Register(ctx, v.Name, source, own(v.Tags))
	if err != nil {
		return err
	}
	if copied, err = registry.WaitReady(ctx, other, copied); err != nil {
		return err
	}
	if err := run.End(ctx, registry.Finished); err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.out, "%s is %s version %d in %s\n", ref, copied.Name, copied.Number, t.where)
	return err
}

func (t *tool) copyRun(ctx context.Context, info registry.RunInfo, to registry.Run) error {
	if err := to.LogParams(ctx, info.Params); err != nil {
		return err
	}
	for _, in := range info.Inputs {
		if err := to.LogInput(ctx, in); err != nil {
			return err
		}
	}
	steps := map[int64]map[string]float64{}
	for key := range info.Metrics {
		for m, err := range t.registry.MetricHistory(ctx, info.ID, key) {
			if err != nil {
				return err
			}
			if steps[m.Step] == nil {
				steps[m.Step] = map[string]float64{}
			}
			steps[m.Step][key] = m.Value
		}
	}
	for _, step := range slices.Sorted(maps.Keys(steps)) {
		if err := to.LogMetrics(ctx, step, steps[step]); err != nil {
			return err
		}
	}
	return nil
}

// own leaves out the tags that a registry sets for itself.
func own(tags map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range tags {
		if !strings.HasPrefix(key, "mlflow.") && key != "docent.publish_id" && key != "docent.manifest" {
			out[key] = value
		}
	}
	return out
}
