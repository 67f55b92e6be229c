package mlflow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/artifact"
	"github.com/docent-ml/docent/registry/internal/impl"
)

// Find reads the version that u means. See the package comment for how alias and stage go together.
func (c *client) Find(ctx context.Context, u registry.URI) (registry.Version, error) {
	n := u.Version
	if n == 0 {
		m, err := c.model(ctx, u.Name)
		if err != nil {
			return registry.Version{}, err
		}
		aliases := map[string]int{}
		for _, a := range m.Aliases {
			aliases[a.Alias] = int(a.Version)
		}
		var stage registry.Stage
		if stage, n, err = impl.Find(u, m.serves, aliases, m.export().Latest); err != nil {
			return registry.Version{}, err
		} else if stage != "" {
			c.tellDisagreement(ctx, m, stage, n)
		}
	}
	v, err := c.version(ctx, u.Name, n)
	return v.export(v.Aliases), err
}

// tellDisagreement says once when somebody has moved the stage in MLflow and not the alias: what is served is not what
// its UI shows.
func (c *client) tellDisagreement(ctx context.Context, m wireModel, stage registry.Stage, holder int) {
	m.Aliases = nil
	highest := m.serves(stage)
	if highest == 0 || highest == holder {
		return
	}
	w, err := c.version(ctx, m.Name, holder)
	if err != nil || w.Stage == string(stage) {
		return
	}
	key := fmt.Sprintf("%s %s %d %d", m.Name, stage, holder, highest)
	c.mu.Lock()
	told := c.told[key]
	c.told[key] = true
	c.mu.Unlock()
	if !told {
		c.log.Warn("alias and stage name different versions, and the alias counts: promote the one that is meant",
			"model", m.Name, "alias", aliasOf(stage), "version", holder, "stage", stage, "has", highest)
	}
}

// filesOf lists the files of a version at a path (of the tree it was made from; "" is all of it), as Download writes
// them, and where they are.
func (c *client) filesOf(ctx context.Context, w wireVersion, at string) (origin, []registry.File, error) {
	o, err := c.originOf(ctx, w)
	if err != nil {
		return o, nil, err
	}
	v := w.export(nil)
	whole := o.path
	switch {
	case v.Path != whole: // of a copy, whose own source has no path
		at = path.Join(whole, at)
	case at == "":
		at = whole
	}
	var all []registry.File
	if sum := v.Tags[manifestTag]; sum != "" {
		if strings.Trim(sum, "0123456789abcdef") != "" {
			return o, nil, fmt.Errorf("%w: tag %s is %q", registry.ErrCorrupt, manifestTag, sum)
		}
		all, err = o.tree.manifest(ctx, sum)
	} else {
		all, err = o.tree.files(ctx)
	}
	if err != nil {
		return o, nil, err
	}
	within, files := artifact.Select(all, at)
	if len(files) == 0 && at == whole {
		return o, nil, &registry.Error{Err: fmt.Errorf("%w: its files are gone from the MLflow server", registry.ErrCorrupt), Hint: "restore them, or register a new version"}
	} else if len(files) == 0 {
		return o, nil, &registry.Error{Path: at, Err: fmt.Errorf("%w: the version has no such file", registry.ErrNotFound), Hint: "leave the path out for all of it"}
	}
	o.path = within
	return o, files, nil
}

// originOf finds what a version was made from, with the path of its files there. That it is gone is damage.
func (c *client) originOf(ctx context.Context, w wireVersion) (o origin, err error) {
	source := w.source()
	if source == (registry.Source{}) { // a copy of another version, or files outside any run: the server knows where
		w.Source, err = fetch[string](ctx, c, "model-versions/get-download-uri", "artifact_uri", query("name", w.Name, "version", fmt.Sprint(int64(w.Version))))
		source = w.source()
	}
	switch {
	case err != nil:
	case source == (registry.Source{}):
		o = origin{tree: c.tree(w.Source), runID: w.RunID}
	default:
		o, err = c.from(ctx, source)
	}
	if errors.Is(err, registry.ErrNotFound) && !isNoRoute(err) {
		err = &registry.Error{Err: fmt.Errorf("%w: what the version was made from is gone: %w", registry.ErrCorrupt, err),
			Hint: "restore it on the MLflow server, or register a new version"}
	}
	return o, err
}

// Contents lists what v means.
func (c *client) Contents(ctx context.Context, v registry.Version) (impl.Contents, error) {
	var o origin
	var files []registry.File
	if v.Number == 0 {
		from, all, err := c.locate(ctx, registry.Source{RunID: v.RunID, ModelID: v.ModelID, Path: v.Path})
		if err != nil {
			return impl.Contents{}, err
		}
		o = from
		o.path, files = artifact.Select(all, from.path)
		v = registry.Version{RunID: o.runID, ModelID: o.modelID, Path: from.path}
	} else {
		w, err := c.version(ctx, v.Name, v.Number)
		if err == nil {
			stored := w.export(nil)
			err = impl.Usable(stored.Status, stored.Message)
		}
		if err == nil {
			o, files, err = c.filesOf(ctx, w, v.Path)
		}
		if err != nil {
			return impl.Contents{}, err
		}
	}
	sizes := make(map[string]int64, len(files))
	for _, f := range files {
		sizes[f.Path] = f.Size
	}
	return impl.Contents{
		Files: files, Source: registry.Source{RunID: v.RunID, ModelID: v.ModelID, Path: v.Path},
		Open: func(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
			r, err := o.tree.open(ctx, path.Join(o.path, name), offset, sizes[name])
			return r, missing(name, err)
		},
	}, nil
}
