package mlflow

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/impl"
)

// quoted writes a string of a filter. Names of models have no quotes, by registry.CheckName; other values are ours.
func quoted(s string) string {
	if strings.Contains(s, "'") {
		return `"` + strings.ReplaceAll(s, `"`, "") + `"`
	}
	return "'" + s + "'"
}

// searchVersions asks once for a page of versions, newest first.
func (c *client) searchVersions(ctx context.Context, filter, token string) ([]wireVersion, string, error) {
	q := query("filter", filter, "max_results", strconv.Itoa(pageSize), "order_by", "version_number DESC", "page_token", token)
	var out struct {
		Versions []wireVersion `json:"model_versions"`
		Token    string        `json:"next_page_token"`
	}
	err := c.do(ctx, request{method: http.MethodGet, path: apiPath + "model-versions/search", query: q}, &out)
	slices.SortFunc(out.Versions, func(a, b wireVersion) int { return cmp.Compare(b.Version, a.Version) })
	return out.Versions, out.Token, err
}

func (c *client) version(ctx context.Context, name string, n int) (wireVersion, error) {
	return fetch[wireVersion](ctx, c, "model-versions/get", "model_version", query("name", name, "version", strconv.Itoa(n)))
}

// model reads a registered model with all its aliases.
func (c *client) model(ctx context.Context, name string) (wireModel, error) {
	m, err := fetch[wireModel](ctx, c, "registered-models/get", "registered_model", query("name", name))
	if err == nil && m.Name == "" { // a proxy's, which must not pass for a model without versions
		err = c.explain(c.notMLflow(http.Header{}, []byte("{}")))
	}
	return m, err
}

// export makes the public form. Aliases that are a stage's name belong to the stage.
func (w wireVersion) export(aliases []string) registry.Version {
	v := registry.Version{
		Name: w.Name, Number: int(w.Version), RunID: w.RunID, Stage: registry.None, Status: registry.Pending, Message: w.Message,
		Tags: mapOf(w.Tags), Created: fromMillis(w.Created),
	}
	source := w.source()
	v.ModelID, v.Path = source.ModelID, source.Path
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

// source is what the version says it was made from: a path in a logged model or among the artifacts of its run. It is zero
// for anything else.
func (w wireVersion) source() registry.Source {
	if id, ok := strings.CutPrefix(w.Source, "models:/"); ok {
		if strings.HasPrefix(id, "m-") && !strings.ContainsAny(id, "/@") {
			return registry.Source{ModelID: id}
		}
		return registry.Source{}
	}
	for _, root := range []string{"runs:/" + w.RunID, "/" + w.RunID + "/artifacts"} {
		if _, rest, ok := strings.Cut(w.Source, root); ok && w.RunID != "" && (rest == "" || rest[0] == '/') {
			return registry.Source{RunID: w.RunID, Path: strings.Trim(rest, "/")}
		}
	}
	if m := loggedModelRoot.FindStringSubmatch(w.Source); m != nil {
		return registry.Source{ModelID: m[1], Path: strings.Trim(m[2], "/")}
	}
	return registry.Source{}
}

// loggedModelRoot is where MLflow keeps the files of a logged model, below those of its experiment.
var loggedModelRoot = regexp.MustCompile(`/models/(m-[0-9A-Za-z]+)/artifacts(/.*)?$`)

func (c *client) List(ctx context.Context, name string) iter.Seq2[registry.Version, error] {
	return func(yield func(registry.Version, error) bool) {
		m, err := c.model(ctx, name)
		if err != nil {
			yield(registry.Version{}, err)
			return
		}
		c.versions(ctx, m)(yield)
	}
}

// versions yields the versions of a model, newest first, page by page.
func (c *client) versions(ctx context.Context, m wireModel) iter.Seq2[registry.Version, error] {
	return func(yield func(registry.Version, error) bool) {
		for v, err := range pages(ctx, c, func(token string) ([]wireVersion, string, error) {
			return c.searchVersions(ctx, "name="+quoted(m.Name), token)
		}) {
			if !yield(v.export(m.aliasesOf(v.Version)), err) {
				return
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

func (c *client) ListModels(ctx context.Context) iter.Seq2[registry.Model, error] {
	return func(yield func(registry.Model, error) bool) {
		for m, err := range pages(ctx, c, func(token string) ([]wireModel, string, error) {
			var page struct {
				Models []wireModel `json:"registered_models"`
				Token  string      `json:"next_page_token"`
			}
			q := query("max_results", "100", "order_by", "name ASC", "page_token", token)
			err := c.do(ctx, request{method: http.MethodGet, path: apiPath + "registered-models/search", query: q}, &page)
			return page.Models, page.Token, err
		}) {
			if err == nil && m.Name == "" {
				err = c.explain(c.notMLflow(http.Header{}, []byte("{}")))
			}
			if err == nil && registry.CheckName(m.Name) == nil { // MLflow takes other names too; its list leaves the aliases out
				name := m.Name
				if m, err = c.model(ctx, name); errors.Is(err, registry.ErrNotFound) { // deleted meanwhile
					continue
				}
				err = impl.Wrap("list model", name, err)
			}
			if !yield(m.export(), err) {
				return
			}
		}
	}
}

func (m wireModel) export() registry.Model {
	out := registry.Model{Name: m.Name, Created: fromMillis(m.Created), Production: m.serves(registry.Production)}
	for _, v := range m.Latest {
		out.Latest = max(out.Latest, int(v.Version))
	}
	return out
}
