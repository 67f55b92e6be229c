package mlflowtest

import (
	"fmt"
	"strings"
)

type loggedModel struct {
	ID, name, experiment, run, Status string
	tags                              map[string]string
}

func (m *loggedModel) info() map[string]any {
	return map[string]any{"info": map[string]any{"model_id": m.ID, "experiment_id": m.experiment, "name": m.name, "status": m.Status, "source_run_id": m.run,
		"artifact_uri": fmt.Sprintf("mlflow-artifacts:/%s/models/%s/artifacts", m.experiment, m.ID), "tags": tagList(m.tags)}}
}

func (s *Fake) loggedCreate(in request) (any, error) {
	var body struct {
		Experiment string `json:"experiment_id"`
		Name       string
		Run        string `json:"source_run_id"`
		Tags       []pair
	}
	in.decode(&body)
	if strings.ContainsAny(body.Name, `/:.%"'`) {
		return nil, invalid("Invalid model name")
	}
	m := &loggedModel{ID: "m-" + s.newID(), name: body.Name, experiment: body.Experiment, run: body.Run, Status: "LOGGED_MODEL_PENDING", tags: map[string]string{}}
	for _, t := range body.Tags {
		m.tags[t.Key] = t.Value
	}
	s.logged[m.ID] = m
	return map[string]any{"model": m.info()}, nil
}

func (s *Fake) loggedSearch(in request) (any, error) {
	var body struct {
		Experiments []string `json:"experiment_ids"`
		Filter      string
		Max         int `json:"max_results"`
	}
	in.decode(&body)
	var found []any
	for _, m := range s.logged {
		if matches(body.Filter, m.tags) {
			found = append(found, m.info())
		}
	}
	if found == nil {
		return nil, nil
	}
	return map[string]any{"models": found}, nil
}

func (s *Fake) loggedGet(in request) (any, error) {
	m := s.logged[in.query.Get("id")]
	if m == nil {
		return nil, notFound("Logged model with ID '%s' not found.", in.query.Get("id"))
	}
	return map[string]any{"model": m.info()}, nil
}

func (s *Fake) loggedUpdate(in request) (any, error) {
	var body struct {
		ID     string `json:"model_id"`
		Status string
	}
	in.decode(&body)
	m := s.logged[in.query.Get("id")]
	if m == nil || body.ID != m.ID {
		return nil, invalid("model_id is missing")
	}
	m.Status = body.Status
	if body.Status != "LOGGED_MODEL_READY" && body.Status != "LOGGED_MODEL_UPLOAD_FAILED" {
		m.Status = "LOGGED_MODEL_STATUS_UNSPECIFIED"
	}
	return map[string]any{"model": m.info()}, nil
}
