package mlflow

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/artifact"
	"github.com/docent-ml/docent/registry/internal/impl"
)

// manifestTag of a version is the SHA-256 of its manifest, which lies in the manifestDir of what it was made from.
const manifestTag = "docent.manifest"

// Register implements registry.Models. MLflow registers whatever it is told, so what the version is made from is looked
// at first. A tag docent.publish_id of the caller's is kept; otherwise the version gets one.
func (c *Client) Register(ctx context.Context, name string, src registry.Source, tags map[string]string) (registry.Version, error) {
	v, err := c.register(ctx, name, src, tags)
	return v, impl.Wrap("register", name, err)
}

func (c *Client) register(ctx context.Context, name string, src registry.Source, tags map[string]string) (registry.Version, error) {
	var none registry.Version
	if err := cmp.Or(registry.CheckName(name), registry.CheckPairs(tags)); err != nil {
		return none, err
	}
	from, err := c.from(ctx, src)
	if err != nil {
		return none, err
	}
	files, err := from.list(ctx)
	if err != nil {
		return none, err
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
	v, err := c.createVersion(ctx, name, from, sent)
	if err != nil {
		return none, err
	}
	return v.export(nil), nil
}

// origin is what a version is made from.
type origin struct {
	tree    tree
	path    string // within the tree
	runID   string
	modelID string
}

// from finds the run or logged model of a source.
func (c *Client) from(ctx context.Context, src registry.Source) (origin, error) {
	if src.ModelID != "" {
		u := registry.URI{ModelID: src.ModelID}
		if err := u.Validate(); err != nil {
			return origin{}, err
		}
		m, err := c.loggedModel(ctx, src.ModelID)
		if err != nil {
			return origin{}, err
		}
		if m.Info.Status != modelReady {
			return origin{}, &registry.Error{Name: src.ModelID, Err: fmt.Errorf("%w: the logged model is not complete (%s)", registry.ErrNotFound, m.Info.Status),
				Hint: "log the model again"}
		}
		o := origin{tree: c.tree(m.Info.ArtifactURI), path: src.Path, runID: m.Info.RunID, modelID: m.Info.ID}
		o.tree.ours = mapOf(m.Info.Tags)[publishID] != ""
		return o, nil
	}
	if err := (registry.URI{RunID: src.RunID, Path: src.Path}).Validate(); err != nil {
		return origin{}, err
	}
	r, err := c.run(ctx, src.RunID)
	if err != nil {
		return origin{}, err
	}
	return origin{tree: c.runTree(r), path: src.Path, runID: r.Info.ID}, nil
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
func (c *Client) ensureModel(ctx context.Context, name string) error {
	body := struct {
		Name string `json:"name"`
	}{name}
	err := c.post(ctx, "registered-models/create", body, nil)
	if errors.Is(err, registry.ErrExists) {
		return nil
	}
	return err
}

func (c *Client) createVersion(ctx context.Context, name string, o origin, tags map[string]string) (wireVersion, error) {
	body := struct {
		Name    string `json:"name"`
		Source  string `json:"source"`
		RunID   string `json:"run_id,omitempty"`
		ModelID string `json:"model_id,omitempty"`
		Tags    []pair `json:"tags"`
	}{name, o.uri(), o.runID, o.modelID, pairsOf(tags)}
	var out struct {
		Version wireVersion `json:"model_version"`
	}
	filter := "name=" + quoted(name) + " and tags.`" + publishID + "`=" + quoted(tags[publishID])
	doubt, err := c.create(ctx, func() error {
		return c.do(ctx, request{method: http.MethodPost, path: apiPath + "model-versions/create", body: body}, &out)
	}, func() (bool, error) {
		found, _, err := c.searchVersions(ctx, filter, "")
		if err != nil || len(found) == 0 {
			return false, err
		}
		out.Version = found[len(found)-1] // the first that was made
		return true, nil
	})
	if err != nil || !doubt {
		return out.Version, err
	}
	return c.onlyOne(ctx, out.Version, filter)
}

// onlyOne removes second versions: a request that seemed lost may have been on its way when it was looked for.
func (c *Client) onlyOne(ctx context.Context, v wireVersion, filter string) (wireVersion, error) {
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
		body := struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		}{extra.Name, strconv.FormatInt(int64(extra.Version), 10)}
		err := c.call(ctx, request{method: http.MethodDelete, path: apiPath + "model-versions/delete", body: body}, nil)
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			return first, err
		}
	}
	return first, nil
}

// quoted writes a string of a filter. Names of models have no quotes, by registry.CheckName; other values are ours.
func quoted(s string) string {
	if strings.Contains(s, "'") {
		return `"` + strings.ReplaceAll(s, `"`, "") + `"`
	}
	return "'" + s + "'"
}

// searchVersions asks once for a page of versions, newest first.
func (c *Client) searchVersions(ctx context.Context, filter, token string) ([]wireVersion, string, error) {
	q := query("filter", filter, "max_results", strconv.Itoa(pageSize), "order_by", "version_number DESC")
	if token != "" {
		q.Set("page_token", token)
	}
	var out struct {
		Versions []wireVersion `json:"model_versions"`
		Token    string        `json:"next_page_token"`
	}
	err := c.do(ctx, request{method: http.MethodGet, path: apiPath + "model-versions/search", query: q}, &out)
	if err != nil {
		return nil, token, err
	}
	slices.SortFunc(out.Versions, func(a, b wireVersion) int { return cmp.Compare(b.Version, a.Version) })
	return out.Versions, out.Token, nil
}

// Get implements registry.Models.
func (c *Client) Get(ctx context.Context, name string, version int) (registry.Version, error) {
	v, err := c.version(ctx, name, version)
	if err != nil {
		return registry.Version{}, impl.Wrap("get", impl.Ref(name, version), err)
	}
	return v.export(v.Aliases), nil
}

func (c *Client) version(ctx context.Context, name string, n int) (wireVersion, error) {
	if err := registry.CheckName(name); err != nil {
		return wireVersion{}, err
	}
	if n < 1 || n > math.MaxInt32 { // the server's databases have no more
		if _, err := c.model(ctx, name); err != nil {
			return wireVersion{}, err
		}
		return wireVersion{}, fmt.Errorf("%w: no such version", registry.ErrNotFound)
	}
	var out struct {
		Version wireVersion `json:"model_version"`
	}
	err := c.get(ctx, "model-versions/get", query("name", name, "version", strconv.Itoa(n)), &out)
	return out.Version, err
}

// model reads a registered model with all its aliases.
func (c *Client) model(ctx context.Context, name string) (wireModel, error) {
	if err := registry.CheckName(name); err != nil {
		return wireModel{}, err
	}
	var out struct {
		Model wireModel `json:"registered_model"`
	}
	err := c.get(ctx, "registered-models/get", query("name", name), &out)
	return out.Model, err
}

// export makes the public form. Aliases that are a stage's name belong to the stage.
func (w wireVersion) export(aliases []string) registry.Version {
	v := registry.Version{
		Name: w.Name, Number: int(w.Version), RunID: w.RunID, Stage: registry.None, Status: registry.Pending, Message: w.Message,
		Tags: mapOf(w.Tags), Created: fromMillis(w.Created),
	}
	v.ModelID, v.Path = w.origin()
	if stage, err := registry.ParseStage(w.Stage); err == nil {
		v.Stage = stage
	}
	switch w.Status {
	case "READY":
		v.Status = registry.Ready
	case "FAILED_REGISTRATION":
		v.Status = registry.FailedRegistration
	}
	for _, alias := range aliases {
		if _, notStage := registry.ParseStage(alias); notStage != nil {
			v.Aliases = append(v.Aliases, alias)
		}
	}
	slices.Sort(v.Aliases)
	return v
}

// origin reads the source: a logged model, or a path among the artifacts of the run.
func (w wireVersion) origin() (modelID, within string) {
	if id, ok := strings.CutPrefix(w.Source, "models:/"); ok {
		if strings.HasPrefix(id, "m-") && !strings.ContainsAny(id, "/@") {
			return id, ""
		}
		return "", ""
	}
	if rest, ok := strings.CutPrefix(w.Source, "runs:/"+w.RunID); ok {
		return "", strings.Trim(rest, "/")
	}
	if _, rest, ok := strings.Cut(w.Source, "/"+w.RunID+"/artifacts"); ok && w.RunID != "" {
		return "", strings.Trim(rest, "/")
	}
	return "", ""
}

// List implements registry.Models.
func (c *Client) List(ctx context.Context, name string) iter.Seq2[registry.Version, error] {
	return func(yield func(registry.Version, error) bool) {
		m, err := c.model(ctx, name)
		if err != nil {
			yield(registry.Version{}, impl.Wrap("list", name, err))
			return
		}
		for v, err := range c.versions(ctx, m) {
			if !yield(v, impl.Wrap("list", name, err)) || err != nil {
				return
			}
		}
	}
}

// versions yields the versions of a model, newest first, page by page.
func (c *Client) versions(ctx context.Context, m wireModel) iter.Seq2[registry.Version, error] {
	return func(yield func(registry.Version, error) bool) {
		for token, more := "", true; more; more = token != "" {
			var page []wireVersion
			err := c.retry(ctx, func() (err error) {
				page, token, err = c.searchVersions(ctx, "name="+quoted(m.Name), token)
				return err
			})
			if err != nil {
				yield(registry.Version{}, err)
				return
			}
			for _, v := range page {
				if !yield(v.export(m.aliasesOf(v.Version)), nil) {
					return
				}
			}
		}
	}
}

func (m wireModel) aliasesOf(version integer) []string {
	var names []string
	for _, a := range m.Aliases {
		if a.Version == version {
			names = append(names, a.Alias)
		}
	}
	return names
}

// holder is the version that an alias names; 0 is none.
func (m wireModel) holder(alias string) int {
	for _, a := range m.Aliases {
		if a.Alias == alias {
			return int(a.Version)
		}
	}
	return 0
}

// ListModels implements registry.Models.
func (c *Client) ListModels(ctx context.Context) iter.Seq2[registry.Model, error] {
	return func(yield func(registry.Model, error) bool) {
		q := query("max_results", "100", "order_by", "name ASC")
		for {
			var page struct {
				Models []wireModel `json:"registered_models"`
				Token  string      `json:"next_page_token"`
			}
			err := c.get(ctx, "registered-models/search", q, &page)
			if err != nil {
				yield(registry.Model{}, impl.Wrap("list models", "", err))
				return
			}
			for _, m := range page.Models {
				// The list leaves the aliases out. One that has been deleted meanwhile is left out too.
				if full, err := c.model(ctx, m.Name); err == nil {
					m = full
				} else if errors.Is(err, registry.ErrNotFound) {
					continue
				} else if !errors.Is(err, registry.ErrInvalid) { // a name that MLflow takes and this package does not
					yield(registry.Model{}, impl.Wrap("list model", m.Name, err))
					return
				}
				if !yield(m.export(), nil) {
					return
				}
			}
			if page.Token == "" {
				return
			}
			q.Set("page_token", page.Token)
		}
	}
}

func (m wireModel) export() registry.Model {
	out := registry.Model{Name: m.Name, Created: fromMillis(m.Created), Production: m.holder(aliasOf(registry.Production))}
	for _, v := range m.Latest {
		out.Latest = max(out.Latest, int(v.Version))
		if v.Stage == string(registry.Production) && m.holder(aliasOf(registry.Production)) == 0 {
			out.Production = max(out.Production, int(v.Version))
		}
	}
	return out
}
