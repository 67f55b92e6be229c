package mlflow

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/impl"
)

// publishID is the tag by which what was created is found again when the answer got lost.
const publishID = "docent.publish_id"

const pageSize = 200

// experiment returns the id of the named experiment, ErrNotFound where there is none.
func (c *client) experiment(ctx context.Context, name string) (string, error) {
	found, err := fetch[wireExperiment](ctx, c, "experiments/get-by-name", "experiment", query("experiment_name", name))
	if errors.Is(err, registry.ErrNotFound) && !isNoRoute(err) {
		return "", fmt.Errorf("%w: no such experiment", registry.ErrNotFound)
	} else if err != nil {
		return "", err
	}
	if found.Lifecycle == deleted {
		return "", &registry.Error{Name: name, Err: fmt.Errorf("%w: the experiment has been deleted, and its name cannot be used again", registry.ErrInvalid),
			Hint: "restore it on the MLflow server (mlflow experiments restore), or choose another name"}
	}
	return found.ID, nil
}

// ensureExperiment makes the experiment if nobody else has.
func (c *client) ensureExperiment(ctx context.Context, name string) (string, error) {
	id, err := c.experiment(ctx, name)
	if !errors.Is(err, registry.ErrNotFound) || isNoRoute(err) {
		return id, err
	}
	var made wireExperiment
	// Repeating it is harmless: the second one is told that the name exists.
	if err := c.post(ctx, "experiments/create", texts{"name": name}, &made); err == nil {
		return made.ID, nil
	} else if !errors.Is(err, registry.ErrExists) {
		return "", err
	}
	return c.experiment(ctx, name)
}

// StartRun also sends the metrics that earlier processes left in BufferDir.
func (c *client) StartRun(ctx context.Context, experiment, name string, tags map[string]string) (registry.Run, error) {
	id, err := c.ensureExperiment(ctx, experiment)
	if err != nil {
		return nil, err
	}
	// Before there is a run that nobody would end if this is cancelled.
	if err := c.sendLeft(ctx); err != nil {
		return nil, err
	}
	if err := c.notBefore(ctx, id); err != nil {
		return nil, err
	}
	limits := newLimiter(c.log)
	sent := limits.pairs("tag", onPage(tags), maxRunTag)
	unique := rand.Text()
	sent[publishID] = unique
	if sent["mlflow.source.type"] == "" {
		sent["mlflow.source.type"] = "LOCAL"
	}
	body := struct {
		Experiment string `json:"experiment_id"`
		Name       string `json:"run_name,omitempty"`
		Start      int64  `json:"start_time"`
		Tags       []pair `json:"tags,omitempty"`
	}{id, name, c.stamp().UnixMilli(), pairsOf(sent)}
	made, _, err := create(ctx, c, "runs/create", "run", body, false, func() ([]wireRun, error) {
		found, _, err := c.searchRuns(ctx, id, "tags.`"+publishID+"` = '"+unique+"'", 1, "")
		return found, err
	})
	if err != nil {
		return nil, err
	}
	return c.newRun(made, limits)
}

// notBefore has the next run begin after the newest one of the experiment, since runs are listed by that time.
func (c *client) notBefore(ctx context.Context, experiment string) error {
	var newest []wireRun
	err := c.retry(ctx, func() (err error) {
		newest, _, err = c.searchRuns(ctx, experiment, "", 1, "")
		return err
	})
	if len(newest) > 0 {
		c.seen(newest[0].Info.Start + 1)
	}
	return err
}

// ResumeRun also sends the metrics that earlier processes left in BufferDir.
func (c *client) ResumeRun(ctx context.Context, id string) (registry.Run, error) {
	found, err := c.run(ctx, id)
	if err != nil {
		return nil, err
	}
	if found.Info.Lifecycle == deleted {
		return nil, &registry.Error{Err: fmt.Errorf("%w: the run has been deleted", registry.ErrInvalid),
			Hint: "restore it on the MLflow server (mlflow runs restore), or start another"}
	}
	// Before the status: an end that was left to be told is not the end any more.
	if err := c.sendLeft(ctx); err != nil {
		return nil, err
	}
	c.seen(found.Info.Start)
	for _, m := range found.Data.Metrics {
		c.seen(m.Timestamp)
	}
	if err := c.retry(ctx, func() error { return c.setStatus(ctx, id, registry.Running, 0) }); err != nil {
		return nil, err
	}
	return c.newRun(found, newLimiter(c.log))
}

// setStatus writes a run's status once; end is in milliseconds, 0 while it runs.
func (c *client) setStatus(ctx context.Context, id string, status registry.Status, end int64) error {
	body := struct {
		Run    string `json:"run_id"`
		Status string `json:"status"`
		End    int64  `json:"end_time,omitempty"`
	}{id, string(status), end}
	return c.do(ctx, request{method: http.MethodPost, path: apiPath + "runs/update", body: body}, nil)
}

// run reads a run.
func (c *client) run(ctx context.Context, id string) (wireRun, error) {
	var w wireRun
	err := c.retry(ctx, func() (err error) {
		w, err = c.readRun(ctx, id)
		return err
	})
	if errors.Is(err, registry.ErrNotFound) && !isNoRoute(err) {
		err = fmt.Errorf("%w: no such run", registry.ErrNotFound)
	}
	return w, err
}

// readRun asks once for a run.
func (c *client) readRun(ctx context.Context, id string) (wireRun, error) {
	var out struct {
		Run wireRun `json:"run"`
	}
	err := c.do(ctx, request{method: http.MethodGet, path: apiPath + "runs/get", query: query("run_id", id)}, &out)
	return out.Run, err
}

func (c *client) GetRun(ctx context.Context, id string) (registry.RunInfo, error) {
	r, err := c.run(ctx, id)
	if err != nil {
		return registry.RunInfo{}, err
	}
	experiment, err := fetch[wireExperiment](ctx, c, "experiments/get", "experiment", query("experiment_id", r.Info.Experiment))
	if err != nil {
		return registry.RunInfo{}, err
	}
	return r.info(experiment.Name), nil
}

func (r wireRun) info(experiment string) registry.RunInfo {
	info := registry.RunInfo{
		ID: r.Info.ID, Experiment: experiment, Name: r.Info.Name, Status: registry.Status(r.Info.Status),
		Started: fromMillis(r.Info.Start), Params: mapOf(r.Data.Params), Tags: mapOf(r.Data.Tags),
		Metrics: make(map[string]registry.Metric, len(r.Data.Metrics)),
	}
	if info.Status != registry.Running { // the time of an end before a resume stays
		info.Ended = fromMillis(r.Info.End)
	}
	for _, m := range r.Data.Metrics {
		info.Metrics[m.Key] = m.point()
	}
	for _, in := range r.Inputs.Datasets {
		info.Inputs = append(info.Inputs, in.input())
	}
	return info
}

func (c *client) ListRuns(ctx context.Context, experiment string) iter.Seq2[registry.RunInfo, error] {
	return func(yield func(registry.RunInfo, error) bool) {
		id, err := c.experiment(ctx, experiment)
		if err != nil {
			yield(registry.RunInfo{}, err)
			return
		}
		for r, err := range pages(ctx, c, func(token string) ([]wireRun, string, error) { return c.searchRuns(ctx, id, "", pageSize, token) }) {
			if !yield(r.info(experiment), err) {
				return
			}
		}
	}
}

// searchRuns asks once for a page of runs, newest first.
func (c *client) searchRuns(ctx context.Context, experiment, filter string, n int, token string) ([]wireRun, string, error) {
	body := struct {
		Experiments []string `json:"experiment_ids"`
		Filter      string   `json:"filter,omitempty"`
		Max         int      `json:"max_results"`
		Order       []string `json:"order_by"`
		Token       string   `json:"page_token,omitempty"`
	}{[]string{experiment}, filter, n, []string{"attributes.start_time DESC"}, token}
	var out struct {
		Runs  []wireRun `json:"runs"`
		Token string    `json:"next_page_token"`
	}
	err := c.do(ctx, request{method: http.MethodPost, path: apiPath + "runs/search", body: body}, &out)
	return out.Runs, out.Token, err
}

func (c *client) Points(ctx context.Context, runID, key string) ([]registry.Metric, error) {
	if _, err := c.run(ctx, runID); err != nil { // the history of a run that does not exist is empty
		return nil, err
	}
	points, err := c.points(ctx, runID, sanitize(key), c.call)
	slices.SortStableFunc(points, impl.ByStep)
	return slices.CompactFunc(points, samePoint), err // servers that keep runs in files may have one twice
}

// points reads the history of a metric by its key on the server.
func (c *client) points(ctx context.Context, runID, key string, do func(context.Context, request, any) error) (points []registry.Metric, err error) {
	q := query("run_id", runID, "metric_key", key, "max_results", "10000")
	for {
		var out struct {
			Metrics []wireMetric `json:"metrics"`
			Token   string       `json:"next_page_token"`
		}
		if err := do(ctx, request{method: http.MethodGet, path: apiPath + "metrics/get-history", query: q}, &out); err != nil {
			return nil, err
		}
		for _, m := range out.Metrics {
			points = append(points, m.point())
		}
		if out.Token == "" {
			return points, nil
		}
		q.Set("page_token", out.Token)
	}
}
