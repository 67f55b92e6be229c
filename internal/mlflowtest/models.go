package mlflowtest

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

type model struct {
	name     string
	created  int64
	next     int
	versions []*version
	aliases  map[string]int
	tags     map[string]string
}

type version struct {
	number                 int
	created                int64
	Stage, Status, Message string
	source, run            string
	tags                   map[string]string
}

func (m *model) version(n int) *version {
	for _, v := range m.versions {
		if v.number == n {
			return v
		}
	}
	return nil
}

// answer is a version; only some calls tell its aliases.
func (m *model) answer(v *version, aliases bool) map[string]any {
	out := map[string]any{"name": m.name, "version": strconv.Itoa(v.number), "creation_timestamp": v.created, "current_stage": v.Stage,
		"source": v.source, "run_id": v.run, "status": v.Status}
	if v.Message != "" {
		out["status_message"] = v.Message
	}
	if len(v.tags) > 0 {
		out["tags"] = tagList(v.tags)
	}
	var names []string
	for alias, n := range m.aliases {
		if n == v.number {
			names = append(names, alias)
		}
	}
	if aliases && names != nil {
		out["aliases"] = names
	}
	return out
}

// latest are the highest versions of each stage.
func (m *model) latest() []any {
	highest := map[string]*version{}
	for _, v := range m.versions {
		if old := highest[v.Stage]; old == nil || v.number > old.number {
			highest[v.Stage] = v
		}
	}
	var out []any
	for _, v := range highest {
		out = append(out, m.answer(v, false))
	}
	return out
}

func (m *model) info(aliases bool) map[string]any {
	out := map[string]any{"name": m.name, "creation_timestamp": m.created}
	if latest := m.latest(); latest != nil {
		out["latest_versions"] = latest
	}
	if len(m.tags) > 0 {
		out["tags"] = tagList(m.tags)
	}
	if aliases && len(m.aliases) > 0 {
		var list []any
		for alias, n := range m.aliases {
			list = append(list, map[string]string{"alias": alias, "version": strconv.Itoa(n)})
		}
		out["aliases"] = list
	}
	return out
}

func (s *Fake) modelsCreate(in request) any {
	var body struct{ Name string }
	in.decode(&body)
	if strings.ContainsAny(body.Name, "/:") {
		panic(invalid("Registered model name cannot contain '/' or ':'"))
	}
	if s.models[body.Name] != nil {
		panic(exists("Registered Model (name=%s) already exists.", body.Name))
	}
	m := &model{name: body.Name, created: now(), next: 1, aliases: map[string]int{}, tags: map[string]string{}}
	s.models[body.Name] = m
	return map[string]any{"registered_model": m.info(true)}
}

func (s *Fake) model(name string) *model {
	if m := s.models[name]; m != nil {
		return m
	}
	panic(notFound("Registered Model with name=%s not found", name))
}

func (s *Fake) modelsGet(in request) any {
	m := s.model(in.query.Get("name"))
	return map[string]any{"registered_model": m.info(true)}
}

func (s *Fake) modelsSearch(in request) any {
	var list []any
	for _, name := range slices.Sorted(maps.Keys(s.models)) {
		list = append(list, s.models[name].info(false))
	}
	return paged("registered_models", list, in.query.Get("page_token"), 2)
}

// find reads the name and version of a body.
func (s *Fake) find(name, number string) (*model, *version) {
	m := s.model(name)
	n, _ := strconv.Atoi(number)
	v := m.version(n)
	if v == nil {
		panic(notFound("Model Version (name=%s, version=%s) not found", name, number))
	}
	return m, v
}

func (s *Fake) modelsTag(in request) any {
	var body struct{ Name, Key, Value string }
	in.decode(&body)
	m := s.model(body.Name)
	checkKey(body.Key)
	m.tags[body.Key] = body.Value
	return nil
}

func (s *Fake) versionsTag(in request) any {
	var body struct{ Name, Version, Key, Value string }
	in.decode(&body)
	_, v := s.find(body.Name, body.Version)
	checkKey(body.Key)
	v.tags[body.Key] = body.Value
	return nil
}

var (
	aliasForm     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
	reservedAlias = regexp.MustCompile(`^(?i:latest|v\d+)$`)
)

func (s *Fake) aliasSet(in request) any {
	var body struct{ Name, Alias, Version string }
	in.decode(&body)
	if !aliasForm.MatchString(body.Alias) || reservedAlias.MatchString(body.Alias) {
		panic(invalid("Invalid alias name: '%s'", body.Alias))
	}
	m, v := s.find(body.Name, body.Version)
	_, there := m.aliases[body.Alias]
	s.yield()
	if _, meanwhile := m.aliases[body.Alias]; meanwhile && !there {
		panic(race("registered_model_aliases.name, registered_model_aliases.alias"))
	}
	m.aliases[body.Alias] = v.number
	return nil
}

func (s *Fake) aliasDelete(in request) any {
	var body struct{ Name, Alias string }
	in.decode(&body)
	m := s.model(body.Name)
	delete(m.aliases, body.Alias)
	return nil
}

func (s *Fake) versionsCreate(in request) any {
	var body struct {
		Name, Source string
		Run          string `json:"run_id"`
		Model        string `json:"model_id"`
		Tags         []pair
	}
	in.decode(&body)
	m := s.model(body.Name)
	switch {
	case strings.HasPrefix(body.Source, "models:/m-") && body.Model == "", strings.HasPrefix(body.Source, "mlflow-artifacts:") && !strings.Contains(body.Source, body.Run),
		body.Run == "", strings.Contains(body.Source, ".."), strings.HasPrefix(body.Source, "http"):
		panic(invalid("Invalid model version source: '%s'", body.Source))
	}
	v := &version{number: m.next, created: now(), Stage: "None", Status: "READY", source: body.Source, run: body.Run, tags: map[string]string{}}
	m.next++
	for _, t := range body.Tags {
		v.tags[t.Key] = t.Value
	}
	m.versions = append(m.versions, v)
	return map[string]any{"model_version": m.answer(v, true)}
}

func (s *Fake) versionsGet(in request) any {
	m, v := s.find(in.query.Get("name"), in.query.Get("version"))
	return map[string]any{"model_version": m.answer(v, true)}
}

var nameFilter = regexp.MustCompile(`name=(?:'([^']*)'|"([^"]*)")`)

func (s *Fake) versionsSearch(in request) any {
	filter := in.query.Get("filter")
	if id, ok := strings.CutPrefix(filter, "run_id="); ok {
		out := map[string]any{}
		for _, m := range s.models {
			for _, v := range m.versions {
				if v.run == strings.Trim(id, "'") {
					out["model_versions"] = []any{m.answer(v, false)}
				}
			}
		}
		return out
	}
	match := nameFilter.FindStringSubmatch(filter)
	if match == nil {
		panic(invalid("Invalid filter '%s'", filter))
	}
	m := s.models[match[1]+match[2]]
	if m == nil {
		return map[string]any{}
	}
	var found []any
	for _, v := range slices.Backward(m.versions) {
		if matches(filter, v.tags) {
			found = append(found, m.answer(v, false))
		}
	}
	return paged("model_versions", found, in.query.Get("page_token"), 3)
}

func (s *Fake) versionsDelete(in request) any {
	var body struct{ Name, Version string }
	in.decode(&body)
	m, v := s.find(body.Name, body.Version)
	m.versions = slices.DeleteFunc(m.versions, func(other *version) bool { return other == v })
	for alias, n := range m.aliases {
		if n == v.number {
			delete(m.aliases, alias)
		}
	}
	return nil
}

// versionsTransition is not atomic: it looks at the versions, lets others in, and writes.
func (s *Fake) versionsTransition(in request) any {
	var body struct {
		Name, Version, Stage string
		Archive              bool `json:"archive_existing_versions"`
	}
	in.decode(&body)
	m, v := s.find(body.Name, body.Version)
	if body.Archive && body.Stage != "Staging" && body.Stage != "Production" {
		panic(&apiError{http.StatusInternalServerError, "INTERNAL_ERROR", "Model version transition cannot archive existing model versions"})
	}
	var others []*version
	for _, other := range m.versions {
		if body.Archive && other != v && other.Stage == body.Stage {
			others = append(others, other)
		}
	}
	s.yield()
	for _, other := range others {
		other.Stage = "Archived"
	}
	v.Stage = body.Stage
	return map[string]any{"model_version": m.answer(v, true)}
}

func (s *Fake) versionsURI(in request) any {
	_, v := s.find(in.query.Get("name"), in.query.Get("version"))
	return map[string]any{"artifact_uri": s.located(v.source)}
}

// located follows what models:/ names to where its files are.
func (s *Fake) located(source string) string {
	rest, ok := strings.CutPrefix(source, "models:/")
	if !ok {
		return source
	}
	if m := s.logged[rest]; m != nil {
		return m.uri()
	}
	name, number, _ := strings.Cut(rest, "/")
	_, v := s.find(name, number)
	return s.located(v.source)
}
