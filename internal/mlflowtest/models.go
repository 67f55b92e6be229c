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
	var names []string
	for alias, n := range m.aliases {
		if aliases && n == v.number {
			names = append(names, alias)
		}
	}
	maps.Copy(out, lists("tags", tagList(v.tags), "aliases", names))
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
	var list []any
	for alias, n := range m.aliases {
		if aliases {
			list = append(list, map[string]string{"alias": alias, "version": strconv.Itoa(n)})
		}
	}
	out := lists("latest_versions", m.latest(), "tags", tagList(m.tags), "aliases", list)
	out["name"], out["creation_timestamp"] = m.name, m.created
	return out
}

func (s *Fake) model(name string) *model {
	if m := s.models[name]; m != nil {
		return m
	}
	panic(notFound("Registered Model with name=%s not found", name))
}

// find is the version that a request names.
func (s *Fake) find(in request) (*model, *version) {
	return s.numbered(in.text("name"), in.text("version"))
}

func (s *Fake) numbered(name, number string) (*model, *version) {
	m := s.model(name)
	n, _ := strconv.Atoi(number)
	v := m.version(n)
	if v == nil {
		panic(notFound("Model Version (name=%s, version=%s) not found", name, number))
	}
	return m, v
}

func setTag(in request, tags map[string]string) any {
	checkKey(in.text("key"))
	tags[in.text("key")] = in.text("value")
	return nil
}

var (
	aliasForm     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
	reservedAlias = regexp.MustCompile(`^(?i:latest|v\d+)$`)
)

var nameFilter = regexp.MustCompile(`name=(?:'([^']*)'|"([^"]*)")`)

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
	_, v := s.numbered(name, number)
	return s.located(v.source)
}

// ofModels answers what is asked about registered models and their versions.
func (s *Fake) ofModels() endpoints {
	return endpoints{
		"POST registered-models/create": func(in request) any {
			name := in.text("name")
			if strings.ContainsAny(name, "/:") {
				panic(invalid("Registered model name cannot contain '/' or ':'"))
			}
			if s.models[name] != nil {
				panic(exists("Registered Model (name=%s) already exists.", name))
			}
			s.models[name] = &model{name: name, created: now(), next: 1, aliases: map[string]int{}, tags: map[string]string{}}
			return map[string]any{"registered_model": s.models[name].info(true)}
		},
		"GET registered-models/get": func(in request) any { return map[string]any{"registered_model": s.model(in.text("name")).info(true)} },
		"GET registered-models/search": func(in request) any {
			var list []any
			for _, name := range slices.Sorted(maps.Keys(s.models)) {
				list = append(list, s.models[name].info(false))
			}
			return paged("registered_models", list, in.text("page_token"), 2)
		},
		"POST registered-models/set-tag": func(in request) any { return setTag(in, s.model(in.text("name")).tags) },
		"POST registered-models/alias": func(in request) any {
			alias := in.text("alias")
			if !aliasForm.MatchString(alias) || reservedAlias.MatchString(alias) {
				panic(invalid("Invalid alias name: '%s'", alias))
			}
			m, v := s.find(in)
			_, there := m.aliases[alias]
			s.yield()
			if _, meanwhile := m.aliases[alias]; meanwhile && !there {
				panic(race("registered_model_aliases.name, registered_model_aliases.alias"))
			}
			m.aliases[alias] = v.number
			return nil
		},
		"DELETE registered-models/alias": func(in request) any {
			delete(s.model(in.text("name")).aliases, in.text("alias"))
			return nil
		},
		"POST model-versions/create": func(in request) any {
			m, source, run := s.model(in.text("name")), in.text("source"), in.text("run_id")
			switch {
			case strings.HasPrefix(source, "models:/m-") && in.text("model_id") == "", strings.HasPrefix(source, "mlflow-artifacts:") && !strings.Contains(source, run),
				run == "", strings.Contains(source, ".."), strings.HasPrefix(source, "http"):
				panic(invalid("Invalid model version source: '%s'", source))
			}
			v := &version{number: m.next, created: now(), Stage: "None", Status: "READY", source: source, run: run, tags: in.tags()}
			m.next++
			m.versions = append(m.versions, v)
			return map[string]any{"model_version": m.answer(v, true)}
		},
		"POST model-versions/set-tag": func(in request) any {
			_, v := s.find(in)
			return setTag(in, v.tags)
		},
		"GET model-versions/get": func(in request) any {
			m, v := s.find(in)
			return map[string]any{"model_version": m.answer(v, true)}
		},
		"GET model-versions/search": func(in request) any {
			filter := in.text("filter")
			id, byRun := strings.CutPrefix(filter, "run_id=")
			match := nameFilter.FindStringSubmatch(filter)
			if match == nil && !byRun {
				panic(invalid("Invalid filter '%s'", filter))
			}
			var found []any
			for _, m := range s.models {
				for _, v := range slices.Backward(m.versions) {
					if byRun && v.run == strings.Trim(id, "'") || !byRun && m.name == match[1]+match[2] && matches(filter, v.tags) {
						found = append(found, m.answer(v, false))
					}
				}
			}
			return paged("model_versions", found, in.text("page_token"), 3)
		},
		"DELETE model-versions/delete": func(in request) any {
			m, v := s.find(in)
			m.versions = slices.DeleteFunc(m.versions, func(other *version) bool { return other == v })
			maps.DeleteFunc(m.aliases, func(_ string, n int) bool { return n == v.number })
			return nil
		},
		// it is not atomic: it looks at the versions, lets others in, and writes.
		"POST model-versions/transition-stage": func(in request) any {
			stage, archive := in.text("stage"), get[bool](in, "archive_existing_versions")
			m, v := s.find(in)
			if archive && stage != "Staging" && stage != "Production" {
				panic(&apiError{http.StatusInternalServerError, "INTERNAL_ERROR", "Model version transition cannot archive existing model versions"})
			}
			var others []*version
			for _, other := range m.versions {
				if archive && other != v && other.Stage == stage {
					others = append(others, other)
				}
			}
			s.yield()
			for _, other := range others {
				other.Stage = "Archived"
			}
			v.Stage = stage
			return map[string]any{"model_version": m.answer(v, true)}
		},
		"GET model-versions/get-download-uri": func(in request) any {
			_, v := s.find(in)
			return map[string]any{"artifact_uri": s.located(v.source)}
		},
	}
}
