package mlflowtest

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

type loggedModel struct {
	ID, name, experiment, run, Status string
	tags                              map[string]string
	params                            []pair
	noProxy                           bool
}

func (m *loggedModel) root() string { return m.experiment + "/models/" + m.ID + "/artifacts" }

func (m *loggedModel) uri() string {
	if m.noProxy {
		return "/srv/mlruns/" + m.root()
	}
	return "mlflow-artifacts:/" + m.root()
}

func (m *loggedModel) info() map[string]any {
	return map[string]any{"info": map[string]any{"model_id": m.ID, "experiment_id": m.experiment, "name": m.name, "status": m.Status, "source_run_id": m.run,
		"artifact_uri": m.uri(), "tags": tagList(m.tags)}, "data": lists("params", m.params)}
}

var attributeFilter = regexp.MustCompile(`(?:^|AND )(name|source_run_id) *= *'([^']*)'`)

// matches looks at the attributes that a filter names.
func (m *loggedModel) matches(filter string) bool {
	for _, match := range attributeFilter.FindAllStringSubmatch(filter, -1) {
		if match[2] != map[string]string{"name": m.name, "source_run_id": m.run}[match[1]] {
			return false
		}
	}
	return true
}

// loggedModel is the one that the address names.
func (s *Fake) loggedModel(in request) *loggedModel {
	if m := s.logged[in.text("id")]; m != nil {
		return m
	}
	panic(notFound("Logged model with ID '%s' not found.", in.text("id")))
}

// ofLoggedModels answers what is asked about logged models; the id in the address is an argument.
func (s *Fake) ofLoggedModels() endpoints {
	return endpoints{
		"POST logged-models": func(in request) any {
			m := &loggedModel{ID: "m-" + s.newID(), name: in.text("name"), experiment: in.text("experiment_id"), run: in.text("source_run_id"),
				Status: "LOGGED_MODEL_PENDING", tags: in.tags(), params: get[[]pair](in, "params"), noProxy: s.NoProxy}
			if strings.ContainsAny(m.name, `/:.%"'`) {
				panic(invalid("Invalid model name"))
			}
			s.logged[m.ID] = m
			return map[string]any{"model": m.info()}
		},
		"POST logged-models/search": func(in request) any {
			filter := in.text("filter")
			var found []any
			for _, id := range slices.Backward(slices.Sorted(maps.Keys(s.logged))) { // newest first
				if m := s.logged[id]; matches(filter, m.tags) && m.matches(filter) {
					found = append(found, m.info())
				}
			}
			return lists("models", found)
		},
		"GET logged-models/*": func(in request) any { return map[string]any{"model": s.loggedModel(in).info()} },
		"PATCH logged-models/*": func(in request) any {
			m, status := s.loggedModel(in), in.text("status")
			if in.text("model_id") != m.ID {
				panic(invalid("model_id is missing"))
			}
			m.Status = status
			if status != "LOGGED_MODEL_READY" && status != "LOGGED_MODEL_UPLOAD_FAILED" {
				m.Status = "LOGGED_MODEL_STATUS_UNSPECIFIED"
			}
			return map[string]any{"model": m.info()}
		},
		"DELETE logged-models/*": func(in request) any {
			delete(s.logged, s.loggedModel(in).ID)
			return nil
		},
		"GET logged-models/*/artifacts/directories": func(in request) any { return s.listBelow(s.loggedModel(in).root(), in.text("artifact_directory_path")) },
	}
}
