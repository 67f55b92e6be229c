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
		"artifact_uri": m.uri(), "tags": tagList(m.tags)}}
}

func (s *Fake) loggedCreate(in request) any {
	var body struct {
		Experiment string `json:"experiment_id"`
		Name       string
		Run        string `json:"source_run_id"`
		Tags       []pair
	}
	in.decode(&body)
	if strings.ContainsAny(body.Name, `/:.%"'`) {
		panic(invalid("Invalid model name"))
	}
	m := &loggedModel{ID: "m-" + s.newID(), name: body.Name, experiment: body.Experiment, run: body.Run, Status: "LOGGED_MODEL_PENDING", tags: map[string]string{},
		noProxy: s.NoProxy}
	for _, t := range body.Tags {
		m.tags[t.Key] = t.Value
	}
	s.logged[m.ID] = m
	return map[string]any{"model": m.info()}
}

func (s *Fake) loggedSearch(in request) any {
	var body struct {
		Experiments []string `json:"experiment_ids"`
		Filter      string
		Max         int `json:"max_results"`
	}
	in.decode(&body)
	var found []any
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(s.logged))) { // newest first
		m := s.logged[id]
		if matches(body.Filter, m.tags) && m.matches(body.Filter) {
			found = append(found, m.info())
		}
	}
	if found == nil {
		return nil
	}
	return map[string]any{"models": found}
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

func (s *Fake) loggedArtifacts(in request) any {
	m := s.logged[in.query.Get("id")]
	if m == nil {
		panic(notFound("Logged model with ID '%s' not found.", in.query.Get("id")))
	}
	return s.listBelow(m.root(), in.query.Get("artifact_directory_path"))
}

func (s *Fake) loggedGet(in request) any {
	m := s.logged[in.query.Get("id")]
	if m == nil {
		panic(notFound("Logged model with ID '%s' not found.", in.query.Get("id")))
	}
	return map[string]any{"model": m.info()}
}

func (s *Fake) loggedUpdate(in request) any {
	var body struct {
		ID     string `json:"model_id"`
		Status string
	}
	in.decode(&body)
	m := s.logged[in.query.Get("id")]
	if m == nil || body.ID != m.ID {
		panic(invalid("model_id is missing"))
	}
	m.Status = body.Status
	if body.Status != "LOGGED_MODEL_READY" && body.Status != "LOGGED_MODEL_UPLOAD_FAILED" {
		m.Status = "LOGGED_MODEL_STATUS_UNSPECIFIED"
	}
	return map[string]any{"model": m.info()}
}

func (s *Fake) loggedDelete(in request) any {
	if s.logged[in.query.Get("id")] == nil {
		panic(notFound("Logged model with ID '%s' not found.", in.query.Get("id")))
	}
	delete(s.logged, in.query.Get("id"))
	return nil
}
