package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/gate"
)

// startTracking begins the run in the registry, or goes on with it, and notes on disk that there is one.
func (p *pipeline) startTracking(ctx context.Context) (err error) {
	if p.Resume {
		if p.tracked, err = p.registry.ResumeRun(ctx, p.state.Run); err != nil {
			return fmt.Errorf("resume: run %s in registry %s: %w", p.state.Run, p.Registry, err)
		}
		info, err := p.registry.GetRun(ctx, p.state.Run)
		p.recorded = info.Metrics
		return err
	}
	name := p.RunName
	if name == "" {
		name = p.Name + " " + p.started.Format("2006-01-02 15.04.05")
	}
	tags := map[string]string{
		"base_model": p.info.Ref, "documents": p.Docs, "backend": p.device.Name, "machine": machineName(), "user": program.User(p.environ),
		"source": "docent trainer", "docent": program.Version(),
		"description": fmt.Sprintf("%s, taught by the documents in %s.", p.baseName(), p.Docs),
	}
	if commit := program.Commit(); commit != "" {
		tags["commit"] = commit
	}
	if p.tracked, err = p.registry.StartRun(ctx, p.Experiment, name, tags); err != nil {
		return err
	}
	params, err := p.params()
	if err != nil {
		return err
	}
	if err := p.tracked.LogParams(ctx, params); err != nil {
		return err
	}
	for file, purpose := range map[string]string{p.TrainFile(): "training", p.file(evalFile): "evaluation"} {
		digest, err := fileDigest(file)
		if err != nil {
			return err
		}
		if err := p.tracked.LogInput(ctx, registry.Input{Name: filepath.Base(file), Digest: digest, Source: file, Context: purpose}); err != nil {
			return err
		}
	}
	p.state.Run, p.state.Started = p.tracked.ID(), p.started
	if p.state.Inputs, err = p.inputs(); err != nil {
		return err
	}
	return p.saveState()
}

// params are the settings that decide what comes out.
func (p *pipeline) params() (map[string]string, error) {
	encoded, err := json.Marshal(p.config)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &fields); err != nil {
		return nil, err
	}
	params := map[string]string{
		"base": p.Base, "base_sha256": p.info.Digest, "precision": string(p.info.Precision),
		"chunk_size": fmt.Sprint(p.ChunkSize), "chunk_overlap": fmt.Sprint(p.ChunkOverlap), "chunk_unit": p.ChunkUnit,
		"recipe": fmt.Sprintf("%+v", p.Recipe), "wordings": fmt.Sprint(p.Wordings),
	}
	for key, value := range fields {
		params[key] = strings.Trim(string(value), `"`)
	}
	return params, nil
}

// logMetrics records metrics, but for those that the registry has: after a kill the steps behind the last checkpoint are
// done again, and come to the same.
func (p *pipeline) logMetrics(ctx context.Context, step int, metrics map[string]float64) error {
	maps.DeleteFunc(metrics, func(key string, _ float64) bool {
		last, ok := p.recorded[key]
		return ok && int64(step) <= last.Step
	})
	return p.tracked.LogMetrics(ctx, int64(step), metrics)
}

// track records metrics. Training does not stop when the registry does: the first fault is told, and the last stage
// will fail if it lasts.
func (p *pipeline) track(ctx context.Context, step int, metrics map[string]float64) {
	err := p.logMetrics(context.WithoutCancel(ctx), step, metrics)
	if err != nil && p.untold == nil {
		p.untold = err
		p.log.Warn("metrics are not recorded", "error", err)
	}
}

// publish registers the model as a new version and promotes it.
func (p *pipeline) publish(ctx context.Context) error {
	metrics := p.measured()
	if err := p.logMetrics(ctx, p.history.step(), maps.Clone(metrics)); err != nil {
		return err
	}
	var err error
	if p.production, err = program.InProduction(ctx, p.registry, p.Name); err != nil {
		return err
	}
	if p.verdict, err = program.CheckGate(p.Gate, gate.Metrics{Candidate: metrics, Production: p.production}); err != nil {
		return err
	}
	if err := p.writeCard(); err != nil {
		return err
	}
	if err := p.tracked.LogArtifacts(ctx, "adapter", os.DirFS(p.AdapterDir())); err != nil {
		return err
	}
	v, err := p.register(ctx)
	if err != nil {
		return err
	}
	if v, err = registry.WaitReady(ctx, p.registry, v); err != nil {
		return err
	}
	p.published = v
	p.out.Say("register", "%s version %d in %s", v.Name, v.Number, p.Registry)
	if !p.Promote {
		return nil
	}
	if !p.verdict.Passed() {
		p.out.Say("gate", "version %d is not promoted: %s", v.Number, p.verdict)
		return nil
	}
	if unmeasured, err := p.unmeasured(); err != nil {
		return err
	} else if unmeasured && !p.PromoteAsked {
		p.out.Say("promote", "version %d is not promoted: no row was held back, so nothing tells how good it is: give more text, or -promote to promote it all the same", v.Number)
		return nil
	}
	archived, err := p.registry.Promote(ctx, v.Name, v.Number, registry.PromoteOptions{
		By: program.User(p.environ), Why: "trained by run " + p.tracked.ID(), Verdict: p.verdict.String(),
	})
	if err != nil {
		return err
	}
	p.published.Stage = registry.Production
	text := fmt.Sprintf("version %d is in %s", v.Number, registry.Production)
	for _, old := range archived {
		text += fmt.Sprintf(", version %d is archived", old.Number)
	}
	p.out.Say("promote", "%s", text)
	return nil
}

// unmeasured says whether no row and no wording was held back from the training.
func (p *pipeline) unmeasured() (bool, error) {
	held, err := readAll[dataset.Row](p.file(evalFile))
	return len(held) == 0 && len(p.suite.Reworded) == 0, err
}

// publishTag marks the version of one training.
const publishTag = "docent.publish_id"

// register makes the version, unless it was made before an interruption.
func (p *pipeline) register(ctx context.Context) (v registry.Version, err error) {
	if p.state.Publish != "" {
		for v, err := range p.registry.List(ctx, p.Name) {
			if errors.Is(err, registry.ErrNotFound) { // not even the model
				break
			}
			if err != nil || v.Tags[publishTag] == p.state.Publish {
				return v, err
			}
		}
	}
	if p.state.Model == nil {
		source, err := p.tracked.LogModel(ctx, "model", os.DirFS(p.tuned()))
		if err != nil {
			return v, err
		}
		p.state.Model, p.state.Publish = &source, rand.Text()
		if err := p.saveState(); err != nil {
			return v, err
		}
	}
	tags := map[string]string{"base_model": p.info.Ref, "base_sha256": p.info.Digest, publishTag: p.state.Publish}
	if p.engine != nil {
		tags[program.FingerprintTag] = p.engine.Info().Fingerprint
	}
	if !p.verdict.Passed() {
		tags[program.GateTag] = p.verdict.String()
	}
	return p.registry.Register(ctx, p.Name, *p.state.Model, tags)
}

// measured are the shares of right answers, those of the base model beside them, and the speed.
func (p *pipeline) measured() map[string]float64 {
	metrics := map[string]float64{"training_seconds": time.Since(p.state.Started).Seconds()}
	maps.Copy(metrics, p.after.Metrics())
	for _, s := range p.before.Shares() {
		metrics[gate.BasePrefix+string(s.Part)] = s.Value()
	}
	if p.perplexity.tuned > 0 {
		metrics[gate.Prefix+"perplexity"], metrics[gate.BasePrefix+"perplexity"] = p.perplexity.tuned, p.perplexity.base
	}
	for _, s := range p.speeds {
		maps.Copy(metrics, s.Metrics())
	}
	return metrics
}

// fileDigest is the SHA-256 of a file.
func fileDigest(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
