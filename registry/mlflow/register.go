package mlflow

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/artifact"
)

// manifestTag of a version is the SHA-256 of its manifest, which lies in the manifestDir of what it was made from.
const manifestTag = "docent.manifest"

// Register looks first at what the version is made from: MLflow registers whatever it is told.
func (c *client) Register(ctx context.Context, name string, src registry.Source, tags map[string]string) (none registry.Version, err error) {
	from, files, err := c.locate(ctx, src)
	if err != nil {
		return none, err
	}
	if from.modelID != "" && from.path != "" {
		return none, &registry.Error{Path: from.path, Err: fmt.Errorf("%w: a part of a logged model", registry.ErrInvalid),
			Hint: "leave the path out: MLflow makes versions of whole logged models"}
	}
	if err := from.tree.verifySizes(ctx, files); err != nil {
		return none, err
	}
	sent := newLimiter(c.log).pairs("tag", tags, maxVersionTag)
	sent[publishID] = cmp.Or(sent[publishID], rand.Text())
	if !slices.ContainsFunc(files, func(f registry.File) bool { return f.SHA256 == "" }) {
		if sent[manifestTag], err = from.tree.putManifest(ctx, files); err != nil {
			return none, err
		}
	}
	if err := c.ensureModel(ctx, name); err != nil {
		return none, err
	}
	v, err := c.createVersion(ctx, name, from, sent, tags[publishID] != "")
	if err != nil {
		return none, err
	}
	return v.export(nil), nil
}

// origin is what a version is made from.
type origin struct {
	tree       tree
	path       string // within the tree
	runID      string
	experiment string // of the run
	modelID    string
}

// locate finds what a source names and lists its files, by their paths in its tree. As for MLflow's own client a path of a
// run may also begin with the name of a logged model that the run made; what lies among the run's artifacts goes first.
func (c *client) locate(ctx context.Context, src registry.Source) (origin, []registry.File, error) {
	o, err := c.from(ctx, src)
	if err != nil {
		return o, nil, err
	}
	files, err := o.list(ctx)
	if o.modelID != "" || o.path == "" || !errors.Is(err, registry.ErrNotFound) {
		return o, files, err
	}
	name, within, _ := strings.Cut(o.path, "/")
	id, fault := c.loggedModelOf(ctx, o, name)
	if id == "" {
		return o, nil, cmp.Or(fault, err)
	}
	return c.locate(ctx, registry.Source{ModelID: id, Path: within})
}

// from finds the run or logged model of a source.
func (c *client) from(ctx context.Context, src registry.Source) (origin, error) {
	if src.ModelID != "" {
		m, err := c.loggedModel(ctx, src.ModelID)
		if err != nil {
			return origin{}, err
		}
		if m.Info.Status != modelReady {
			return origin{}, &registry.Error{Name: src.ModelID, Err: fmt.Errorf("%w: the logged model is not complete (%s)", registry.ErrNotFound, m.Info.Status),
				Hint: "log the model again"}
		}
		o := origin{tree: c.tree(m.Info.ArtifactURI), path: src.Path, runID: m.Info.RunID, modelID: m.Info.ID}
		o.tree.model, o.tree.ours = m.Info.ID, mapOf(m.Info.Tags)[publishID] != ""
		return o, nil
	}
	r, err := c.run(ctx, src.RunID)
	if err != nil {
		return origin{}, err
	}
	return origin{tree: c.runTree(r), path: src.Path, runID: r.Info.ID, experiment: r.Info.Experiment}, nil
}

// list returns the files at the origin's path, by their paths in its tree.
func (o origin) list(ctx context.Context) ([]registry.File, error) {
	all, err := o.tree.files(ctx)
	if err != nil {
		return nil, err
	}
	within, files := artifact.Select(all, o.path)
	if len(files) == 0 {
		return nil, &registry.Error{Path: o.path, Err: fmt.Errorf("%w: %s has no such artifact", registry.ErrNotFound, cmp.Or(o.modelID, "run "+o.runID)),
			Hint: "log artifacts first"}
	}
	for i, f := range files {
		files[i].Path = path.Join(within, f.Path)
	}
	return files, nil
}

// uri is the source as MLflow's own client writes it.
func (o origin) uri() string {
	switch {
	case o.modelID != "":
		return "models:/" + o.modelID
	case o.path == "":
		return o.tree.uri
	}
	return strings.TrimSuffix(o.tree.uri, "/") + "/" + o.path
}

// ensureModel makes the registered model; that it exists is as good.
func (c *client) ensureModel(ctx context.Context, name string) error {
	err := c.post(ctx, "registered-models/create", texts{"name": name}, nil)
	if errors.Is(err, registry.ErrExists) {
		return nil
	}
	return err
}

// createVersion makes a version. If it may have been made before, it is looked for first.
func (c *client) createVersion(ctx context.Context, name string, o origin, tags map[string]string, before bool) (wireVersion, error) {
	body := struct {
		Name    string `json:"name"`
		Source  string `json:"source"`
		RunID   string `json:"run_id,omitempty"`
		ModelID string `json:"model_id,omitempty"`
		Tags    []pair `json:"tags"`
	}{name, o.uri(), o.runID, o.modelID, pairsOf(tags)}
	filter := "name=" + quoted(name) + " and tags.`" + publishID + "`=" + quoted(tags[publishID])
	v, doubt, err := create(ctx, c, "model-versions/create", "model_version", body, before, func() ([]wireVersion, error) {
		found, _, err := c.searchVersions(ctx, filter, "")
		return found, err
	})
	if err != nil || !doubt {
		return v, err
	}
	return c.onlyOne(ctx, v, filter)
}

// onlyOne removes second versions: a request that seemed lost may have been on its way when it was looked for.
func (c *client) onlyOne(ctx context.Context, v wireVersion, filter string) (wireVersion, error) {
	var found []wireVersion
	err := c.retry(ctx, func() (err error) {
		found, _, err = c.searchVersions(ctx, filter, "")
		return err
	})
	if err != nil || len(found) < 2 {
		return v, err
	}
	first := found[len(found)-1]
	for _, extra := range found[:len(found)-1] {
		c.log.Warn("MLflow made two versions of one: removing the second", "model", extra.Name, "version", extra.Version, "keeping", first.Version)
		err := c.removeVersion(ctx, extra.Name, int(extra.Version))
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			return first, err
		}
	}
	return first, nil
}
