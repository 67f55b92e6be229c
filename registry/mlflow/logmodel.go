package mlflow

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/docent-ml/docent/registry"
)

// LogModel makes a logged model. Until it is READY nobody registers it, so what goes wrong before leaves nothing but
// its trace.
func (r *run) LogModel(ctx context.Context, name string, fsys fs.FS) (registry.Source, error) {
	if err := r.journal.flush(ctx); err != nil && !refused(err) { // the metrics so far are the model's too
		return registry.Source{}, err
	}
	w, err := r.running(ctx)
	if err != nil {
		return registry.Source{}, err
	}
	src, err := r.c.scan(ctx, fsys, "")
	if err != nil {
		return registry.Source{}, err
	}
	if len(src.files) == 0 {
		return registry.Source{}, &registry.Error{Name: name, Err: fmt.Errorf("%w: there are no files", registry.ErrInvalid), Hint: "name the folder of the model"}
	}
	m, err := r.c.createLoggedModel(ctx, w, name)
	if isNoRoute(err) {
		return r.logModelAsArtifacts(ctx, name, fsys)
	} else if err != nil {
		return registry.Source{}, err
	}
	if err := r.fillLoggedModel(ctx, m, fsys, src); err != nil {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		return registry.Source{}, errors.Join(err, r.c.setModelStatus(undo, m.Info.ID, modelFailed))
	}
	if err := r.describe(ctx, m, w.Data.Metrics); ctx.Err() != nil {
		return registry.Source{}, context.Cause(ctx)
	} else if err != nil {
		r.c.log.Warn("MLflow's page of the model lacks its metrics", "model", m.Info.ID, "error", err)
	}
	return registry.Source{RunID: r.id, ModelID: m.Info.ID}, nil
}

// describe gives a logged model the metrics of its run.
func (r *run) describe(ctx context.Context, m wireLoggedModel, metrics []wireMetric) error {
	for i := range metrics {
		metrics[i].ModelID = m.Info.ID
	}
	parts, err := batches(metrics, batchMetrics)
	for _, part := range parts {
		err = errors.Join(err, r.c.retry(ctx, func() error { return r.c.logBatch(ctx, r.id, batch{Metrics: part}) }))
	}
	return err
}

func (r *run) fillLoggedModel(ctx context.Context, m wireLoggedModel, fsys fs.FS, src source) error {
	t := r.c.tree(m.Info.ArtifactURI)
	if err := t.proxied(); err != nil {
		return err
	}
	version, err := r.c.serverVersion(ctx)
	if err != nil {
		return err
	}
	d := description{artifactPath: m.Info.ArtifactURI, runID: r.id, modelID: m.Info.ID, mlflow: version, created: r.c.now()}
	if err := d.complete(fsys, &src, ""); err != nil {
		return err
	}
	all, last := src, source{open: src.open}
	all.files = nil
	for _, f := range src.files { // what tells that it is a model comes when the rest is there
		if f.Path == mlmodelFile {
			last.files = append(last.files, f)
		} else {
			all.files = append(all.files, f)
		}
	}
	for _, part := range []source{all, last} {
		if err := t.upload(ctx, part, nil); err != nil {
			return err
		}
	}
	if _, err := t.putManifest(ctx, src.files); err != nil {
		return err
	}
	if err := r.c.setModelStatus(ctx, m.Info.ID, modelReady); err != nil {
		return err
	}
	return r.addOutput(ctx, wireOutput{ModelID: m.Info.ID})
}

// addOutput ties a logged model to the run. MLflow refuses to do it twice.
func (r *run) addOutput(ctx context.Context, output wireOutput) error {
	body := struct {
		Run    string       `json:"run_id"`
		Models []wireOutput `json:"models"`
	}{r.id, []wireOutput{output}}
	_, _, err := create(ctx, r.c, "runs/outputs", "", body, false, func() ([]wireOutput, error) {
		w, err := r.c.readRun(ctx, r.id)
		return slices.DeleteFunc(w.Outputs.Models, func(o wireOutput) bool { return o != output }), err
	})
	return err
}

// logModelAsArtifacts is for servers before MLflow 3.
func (r *run) logModelAsArtifacts(ctx context.Context, name string, fsys fs.FS) (registry.Source, error) {
	if err := registry.CheckPath(name); err != nil {
		return registry.Source{}, err
	}
	src, err := r.c.scan(ctx, fsys, name)
	if err != nil {
		return registry.Source{}, err
	}
	version, err := r.c.serverVersion(ctx)
	if err != nil {
		return registry.Source{}, err
	}
	d := description{artifactPath: name, runID: r.id, mlflow: version, created: r.c.now()}
	if err := d.complete(fsys, &src, name); err != nil {
		return registry.Source{}, err
	}
	return registry.Source{RunID: r.id, Path: name}, r.artifacts.add(ctx, src)
}

// loggedModelName replaces what MLflow does not take there and registry.CheckName does.
func loggedModelName(name string) string { return strings.ReplaceAll(name, ".", "-") }

func (c *client) createLoggedModel(ctx context.Context, w wireRun, name string) (wireLoggedModel, error) {
	unique := rand.Text()
	params := slices.Clone(w.Data.Params[:min(len(w.Data.Params), batchPairs)]) // the run has all of them
	for i := range params {
		params[i].Value = cut(params[i].Value, maxModelParam)
	}
	body := struct {
		Experiment string `json:"experiment_id"`
		Name       string `json:"name"`
		Run        string `json:"source_run_id"`
		Params     []pair `json:"params,omitempty"`
		Tags       []pair `json:"tags"`
	}{w.Info.Experiment, loggedModelName(name), w.Info.ID, params, []pair{{publishID, unique}}}
	m, _, err := create(ctx, c, "logged-models", "model", body, false, func() ([]wireLoggedModel, error) {
		return c.searchLoggedModels(ctx, w.Info.Experiment, "tags.`"+publishID+"` = "+quoted(unique))
	})
	if err == nil {
		err = registry.URI{ModelID: m.Info.ID}.Validate()
	}
	return m, err
}

// searchLoggedModels asks once for the newest logged models of an experiment.
func (c *client) searchLoggedModels(ctx context.Context, experiment, filter string) ([]wireLoggedModel, error) {
	body := struct {
		Experiments []string `json:"experiment_ids"`
		Filter      string   `json:"filter"`
		Max         int      `json:"max_results"`
	}{[]string{experiment}, filter, 50}
	var out struct {
		Models []wireLoggedModel `json:"models"`
	}
	err := c.do(ctx, request{method: http.MethodPost, path: apiPath + "logged-models/search", body: body}, &out)
	return out.Models, err
}

// loggedModelOf finds the logged model of this name that the run of o completed last; "" is none.
func (c *client) loggedModelOf(ctx context.Context, o origin, name string) (id string, err error) {
	if registry.CheckName(name) != nil {
		return "", nil //nolint:nilerr // MLflow has no such name
	}
	var found []wireLoggedModel
	err = c.retry(ctx, func() (err error) {
		found, err = c.searchLoggedModels(ctx, o.experiment, "name = "+quoted(loggedModelName(name))+" AND source_run_id = "+quoted(o.runID))
		return err
	})
	if isNoRoute(err) { // a server before MLflow 3
		return "", nil
	}
	for _, m := range found {
		if m.Info.Status == modelReady {
			return m.Info.ID, nil
		}
	}
	return "", err
}

// setModelStatus checks the answer: a status that the server does not know is taken without a word.
func (c *client) setModelStatus(ctx context.Context, id, status string) error {
	var out struct {
		Model wireLoggedModel `json:"model"`
	}
	err := c.call(ctx, request{method: http.MethodPatch, path: apiPath + "logged-models/" + id, body: texts{"model_id": id, "status": status}}, &out)
	if err == nil && out.Model.Info.Status != status {
		err = fmt.Errorf("%w: the logged model %s is %s and not %s", registry.ErrUnavailable, id, out.Model.Info.Status, status)
	}
	return err
}

func (c *client) loggedModel(ctx context.Context, id string) (wireLoggedModel, error) {
	m, err := fetch[wireLoggedModel](ctx, c, "logged-models/"+id, "model", nil)
	if errors.Is(err, registry.ErrNotFound) {
		err = &registry.Error{Err: fmt.Errorf("%w: no logged model %s", registry.ErrNotFound, id), Hint: "a registered model is written models:/name/latest"}
	}
	return m, err
}

// serverVersion is what /version says, in plain text; servers that do not tell are as old as may be.
func (c *client) serverVersion(ctx context.Context) (string, error) {
	version := "2.0.0"
	err := c.retry(ctx, func() error {
		_, text, err := c.exchange(ctx, http.MethodGet, c.base.String()+"/version", nil)
		if isNoRoute(err) {
			return nil
		}
		if err == nil && len(text) > 0 && len(text) < 40 && len(bytes.Trim(text, "0123456789abcdefghijklmnopqrstuvwxyz.-+")) == 0 {
			version = string(text)
		}
		return err
	})
	return version, err
}
