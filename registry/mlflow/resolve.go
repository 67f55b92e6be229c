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

// Resolve implements registry.Models. See the package comment for how alias and stage go together.
func (c *Client) Resolve(ctx context.Context, u registry.URI) (none registry.Version, err error) {
	defer impl.Told(&err, "resolve", u.String())
	if err := u.Validate(); err != nil {
		return none, err
	}
	if u.RunID != "" || u.ModelID != "" {
		o, _, err := c.locate(ctx, registry.Source{RunID: u.RunID, ModelID: u.ModelID, Path: u.Path})
		if err != nil {
			return none, err
		}
		return registry.Version{RunID: o.runID, ModelID: o.modelID, Path: o.path, Stage: registry.None, Status: registry.Ready}, nil
	}
	n, err := c.find(ctx, u)
	if err != nil {
		return none, err
	}
	w, err := c.version(ctx, u.Name, n)
	if err != nil {
		return none, err
	}
	v := w.export(w.Aliases)
	if u.Path == "" {
		return v, nil
	}
	v.Path = path.Join(v.Path, u.Path)
	if _, _, err := c.contents(ctx, w, v.Path); err != nil {
		return none, err
	}
	return v, nil
}

// find returns the number of the version that u means.
func (c *Client) find(ctx context.Context, u registry.URI) (int, error) {
	if u.Version != 0 {
		return u.Version, nil
	}
	m, err := c.model(ctx, u.Name)
	if err != nil {
		return 0, err
	}
	aliases := map[string]int{}
	for _, a := range m.Aliases {
		aliases[a.Alias] = int(a.Version)
	}
	stage, n, err := impl.Find(u, m.serves, aliases, m.export().Latest)
	if stage != "" && err == nil {
		c.tellDisagreement(ctx, m, stage, n)
	}
	return n, err
}

// tellDisagreement says once when somebody has moved the stage in MLflow and not the alias: what is served is not what
// its UI shows.
func (c *Client) tellDisagreement(ctx context.Context, m wireModel, stage registry.Stage, holder int) {
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

// contents lists the files of a version at a path (of the tree it was made from; "" is all of it), as Download writes
// them, and where they are.
func (c *Client) contents(ctx context.Context, w wireVersion, at string) (origin, []registry.File, error) {
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
func (c *Client) originOf(ctx context.Context, w wireVersion) (o origin, err error) {
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

// Files implements registry.Models.
func (c *Client) Files(ctx context.Context, v registry.Version) ([]registry.File, error) {
	_, files, err := c.filesOf(ctx, v)
	return files, impl.Wrap("list files of", impl.VersionRef(v), err)
}

// filesOf lists what v means: paths as Download writes them, relative to the origin.
func (c *Client) filesOf(ctx context.Context, v registry.Version) (origin, []registry.File, error) {
	if v.Number == 0 {
		o, all, err := c.locate(ctx, registry.Source{RunID: v.RunID, ModelID: v.ModelID, Path: v.Path})
		if err != nil {
			return o, nil, err
		}
		within, files := artifact.Select(all, o.path)
		o.path = within
		return o, files, nil
	}
	w, err := c.version(ctx, v.Name, v.Number)
	if err != nil {
		return origin{}, nil, err
	}
	stored := w.export(nil)
	if err := impl.Usable(stored.Status, stored.Message); err != nil {
		return origin{}, nil, err
	}
	return c.contents(ctx, w, v.Path)
}

// Download implements registry.Models. A download that broke off leaves ".<name>.partial" beside dir for the next one
// to go on from.
func (c *Client) Download(ctx context.Context, v registry.Version, dir string) (err error) {
	defer impl.Told(&err, "download", impl.VersionRef(v))
	o, files, err := c.filesOf(ctx, v)
	if err != nil {
		return err
	}
	sizes := make(map[string]int64, len(files))
	unverified := 0
	for _, f := range files {
		sizes[f.Path] = f.Size
		if f.SHA256 == "" {
			unverified++
		}
	}
	if unverified > 0 {
		c.log.Warn("MLflow has no checksums of these files, which docent did not log: only their sizes are verified", "version", impl.VersionRef(v), "files", unverified)
	}
	return artifact.Fetch(ctx, files, dir, c.o.Transfers, func(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
		r, err := o.tree.open(ctx, path.Join(o.path, name), offset, sizes[name])
		return r, missing(name, err)
	})
}

// Verify implements registry.Models. The files are read from the server, of which MLflow's own API tells the size alone.
func (c *Client) Verify(ctx context.Context, v registry.Version) error {
	return impl.Wrap("verify", impl.VersionRef(v), c.verify(ctx, v))
}

func (c *Client) verify(ctx context.Context, v registry.Version) error {
	o, files, err := c.filesOf(ctx, v)
	if err != nil {
		return err
	}
	return artifact.VerifyAll(ctx, files, c.o.Transfers, func(ctx context.Context, f registry.File) error {
		r, err := o.tree.open(ctx, path.Join(o.path, f.Path), 0, f.Size)
		if err != nil {
			return missing(f.Path, err)
		}
		return errors.Join(artifact.Verify(ctx, f, r), r.Close())
	})
}
