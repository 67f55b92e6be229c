package mlflow

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/impl"
)

func (c *client) DeleteVersion(ctx context.Context, name string, version int) error {
	w, err := c.version(ctx, name, version)
	if err != nil {
		return err
	}
	m, err := c.model(ctx, name)
	if err != nil {
		return err
	}
	history, _, err := m.history()
	if err != nil {
		return err
	}
	if err := impl.Deletable(w.export(w.Aliases), append(history, impl.Unrecorded(history, m.serves, c.stamp())...)); err != nil {
		return err
	}
	return c.removeVersion(ctx, name, version)
}

func (c *client) removeVersion(ctx context.Context, name string, version int) error {
	return c.delete(ctx, "model-versions/delete", texts{"name": name, "version": strconv.Itoa(version)})
}

// DeleteRun: the files of the run and of the models that it logged go at once; of the
// rest MLflow keeps a trace, as of all that is deleted there, until "mlflow gc".
func (c *client) DeleteRun(ctx context.Context, id string) error {
	r, err := c.run(ctx, id)
	if err != nil {
		return err
	}
	if r.Info.Status == string(registry.Running) {
		return impl.ErrRuns
	}
	var made []wireVersion
	err = c.retry(ctx, func() (err error) {
		made, _, err = c.searchVersions(ctx, "run_id="+quoted(id), "")
		return err
	})
	if err != nil {
		return err
	}
	if len(made) > 0 {
		return impl.UsedRun(made[0].Name, int(made[0].Version))
	}
	trees := []tree{c.runTree(r)}
	for _, output := range r.Outputs.Models {
		m, err := c.loggedModel(ctx, output.ModelID)
		if errors.Is(err, registry.ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		t := c.tree(m.Info.ArtifactURI)
		t.model = m.Info.ID
		trees = append(trees, t)
	}
	if err := c.post(ctx, "runs/delete", texts{"run_id": id}, nil); err != nil {
		return err
	}
	for _, t := range trees {
		if err := t.remove(ctx); err != nil {
			return err
		}
		if t.model != "" {
			if err := c.delete(ctx, "logged-models/"+t.model, texts{"model_id": t.model}); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove deletes the files of a tree. Those that the server does not proxy it alone can delete.
func (t tree) remove(ctx context.Context) error {
	if t.root == "" {
		return nil
	}
	var names []string
	if err := t.walk(ctx, "", func(name string, _ int64) { names = append(names, name) }); err != nil {
		return err
	}
	for _, name := range names {
		err := t.c.retry(ctx, func() error {
			req, err := http.NewRequestWithContext(ctx, http.MethodDelete, t.url(name), nil)
			if err != nil {
				return err
			}
			resp, err := t.c.send(req)
			if err != nil {
				return err
			}
			return resp.Body.Close()
		})
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			return &registry.Error{Path: name, Err: err}
		}
	}
	return nil
}
