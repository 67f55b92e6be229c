package mlflowtest

import (
	"cmp"
	"encoding/json"
	"math"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

type pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type experiment struct {
	ID        string `json:"experiment_id"`
	Name      string `json:"name"`
	Lifecycle string `json:"lifecycle_stage"`
}

type run struct {
	ID         string
	experiment string
	name       string
	status     string
	start, end int64
	params     []pair
	tags       map[string]string
	history    []metric
	inputs     []json.RawMessage
	outputs    []output
	noProxy    bool
	deleted    bool
}

func (r *run) root() string { return r.experiment + "/" + r.ID + "/artifacts" }

type output struct {
	ModelID string `json:"model_id"`
	Step    int64  `json:"step"`
}

type metric struct {
	Key       string          `json:"key"`
	Value     json.RawMessage `json:"value"`
	Timestamp int64           `json:"timestamp"`
	Step      int64           `json:"step"`
	Model     string          `json:"model_id"`
}

// value is what a database makes of it.
func (m metric) value() float64 {
	text := strings.Trim(string(m.Value), `"`)
	switch text {
	case "Infinity":
		return math.MaxFloat64
	case "-Infinity":
		return -math.MaxFloat64
	}
	f, _ := strconv.ParseFloat(text, 64)
	return f
}

// answer leaves zero values out, as proto3's JSON does.
func (m metric) answer() map[string]any {
	out := map[string]any{"key": m.Key, "timestamp": m.Timestamp}
	switch v := m.value(); {
	case math.IsNaN(v):
		out["value"] = "NaN"
	case v != 0:
		out["value"] = v
	default:
		out["value"] = 0.0
	}
	if m.Step != 0 {
		out["step"] = m.Step
	}
	return out
}

// lists makes an object of names and lists; what is empty is left out, as in proto3's JSON.
func lists(named ...any) map[string]any {
	out := map[string]any{}
	for i := 0; i < len(named); i += 2 {
		if reflect.ValueOf(named[i+1]).Len() > 0 {
			out[named[i].(string)] = named[i+1]
		}
	}
	return out
}

func tagList(tags map[string]string) []pair {
	var list []pair
	for key, value := range tags {
		list = append(list, pair{key, value})
	}
	return list
}

func (r *run) info() map[string]any {
	uri := "mlflow-artifacts:/" + r.root()
	if r.noProxy {
		uri = "/srv/mlruns/" + r.root()
	}
	info := map[string]any{"run_id": r.ID, "run_uuid": r.ID, "experiment_id": r.experiment, "run_name": r.name, "status": r.status,
		"start_time": r.start, "artifact_uri": uri, "lifecycle_stage": "active"}
	if r.deleted {
		info["lifecycle_stage"] = "deleted"
	}
	if r.end != 0 {
		info["end_time"] = r.end
	}
	last := map[string]metric{}
	for _, m := range r.history {
		if old, ok := last[m.Key]; !ok || m.Step > old.Step || m.Step == old.Step && m.Timestamp >= old.Timestamp {
			last[m.Key] = m
		}
	}
	var metrics []any
	for _, m := range last {
		metrics = append(metrics, m.answer())
	}
	return map[string]any{"info": info, "data": lists("metrics", metrics, "params", r.params, "tags", tagList(r.tags)),
		"inputs": lists("dataset_inputs", r.inputs), "outputs": lists("model_outputs", r.outputs)}
}

// experiment finds one.
func (s *Fake) experiment(is func(*experiment) bool) any {
	if i := slices.IndexFunc(s.experiments, is); i >= 0 {
		return map[string]any{"experiment": s.experiments[i]}
	}
	panic(notFound("No such experiment exists"))
}

func (s *Fake) run(id string) *run {
	for _, r := range s.runs {
		if r.ID == id {
			return r
		}
	}
	panic(notFound("Run with id=%s not found", id))
}

var tagFilter = regexp.MustCompile("tags\\.`([^`]+)` *= *'([^']*)'")

func matches(filter string, tags map[string]string) bool {
	m := tagFilter.FindStringSubmatch(filter)
	return m == nil || tags[m[1]] == m[2]
}

// paged is one page of a list as the server cuts it, with offsets for tokens.
func paged(key string, list []any, token string, size int) map[string]any {
	at, _ := strconv.Atoi(token)
	end := min(len(list), at+size)
	out := lists(key, list[min(at, end):end])
	if end < len(list) {
		out["next_page_token"] = strconv.Itoa(end)
	}
	return out
}

var keyForm = regexp.MustCompile(`^[\pL\pN_\-./: ]{1,250}$`)

func checkKey(key string) {
	if !keyForm.MatchString(key) || path.Clean(key) != key || strings.HasPrefix(key, "/") || strings.HasPrefix(key, "..") {
		panic(invalid("Invalid name: '%s'", key))
	}
}

func cutTo(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}

// logParams looks, lets others in, and writes all or none.
func (s *Fake) logParams(r *run, params []pair) {
	var fresh []pair
	for _, p := range params {
		p.Value = cutTo(p.Value, 6000)
		switch i := slices.IndexFunc(r.params, func(old pair) bool { return old.Key == p.Key }); {
		case i < 0:
			fresh = append(fresh, p)
		case r.params[i].Value != p.Value:
			panic(invalid("Changing param values is not allowed. Param with key='%s' was already logged", p.Key))
		}
	}
	s.yield()
	for _, p := range fresh {
		if slices.ContainsFunc(r.params, func(old pair) bool { return old.Key == p.Key }) {
			panic(race("params.key, params.run_uuid"))
		}
	}
	r.params = append(r.params, fresh...)
}

// listBelow lists a directory by paths relative to the root. s.mu is held.
func (s *Fake) listBelow(root, dir string) listing {
	s.mu.Unlock()
	out := s.list(path.Join(root, dir))
	s.mu.Lock()
	for i := range out.Files {
		out.Files[i].Path = path.Join(dir, out.Files[i].Path)
	}
	return out
}

// ofRuns answers what is asked about experiments and runs.
func (s *Fake) ofRuns() endpoints {
	return endpoints{
		"GET experiments/get": func(in request) any {
			return s.experiment(func(e *experiment) bool { return e.ID == in.text("experiment_id") })
		},
		"GET experiments/get-by-name": func(in request) any {
			return s.experiment(func(e *experiment) bool { return e.Name == in.text("experiment_name") })
		},
		"POST experiments/search": func(in request) any {
			n := get[int](in, "max_results")
			if n == 0 {
				panic(invalid("Invalid value for request parameter max_results."))
			}
			return map[string]any{"experiments": s.experiments[:min(n, len(s.experiments))]}
		},
		"POST experiments/create": func(in request) any {
			e := &experiment{ID: strconv.Itoa(len(s.experiments)), Name: in.text("name"), Lifecycle: "active"}
			if slices.ContainsFunc(s.experiments, func(old *experiment) bool { return old.Name == e.Name }) {
				panic(exists("Experiment(name=%s) already exists.", e.Name))
			}
			s.experiments = append(s.experiments, e)
			return map[string]any{"experiment_id": e.ID}
		},
		"POST runs/create": func(in request) any {
			r := &run{ID: s.newID(), experiment: in.text("experiment_id"), name: cmp.Or(in.text("run_name"), "brave-owl-1"), status: "RUNNING",
				start: get[int64](in, "start_time"), tags: in.tags(), noProxy: s.NoProxy}
			r.tags["mlflow.runName"] = r.name
			s.runs = append(s.runs, r)
			return map[string]any{"run": r.info()}
		},
		"GET runs/get": func(in request) any { return map[string]any{"run": s.run(in.text("run_id")).info()} },
		"POST runs/search": func(in request) any {
			n := get[int](in, "max_results")
			if n == 0 {
				in.fault("max_results is missing")
			}
			var found []*run
			for _, r := range slices.Backward(s.runs) {
				if !r.deleted && slices.Contains(get[[]string](in, "experiment_ids"), r.experiment) && matches(in.text("filter"), r.tags) {
					found = append(found, r)
				}
			}
			slices.SortStableFunc(found, func(a, b *run) int { return int(b.start - a.start) })
			var runs []any
			for _, r := range found {
				runs = append(runs, r.info())
			}
			return paged("runs", runs, in.text("page_token"), min(n, 2))
		},
		"POST runs/delete": func(in request) any {
			s.run(in.text("run_id")).deleted = true
			return nil
		},
		"POST runs/update": func(in request) any {
			r := s.run(in.text("run_id"))
			if status := in.text("status"); !slices.Contains([]string{"RUNNING", "FINISHED", "FAILED", "KILLED"}, status) {
				in.fault("status " + status)
			} else {
				r.status = status
			}
			r.end = cmp.Or(get[int64](in, "end_time"), r.end)
			return map[string]any{"run_info": r.info()["info"]}
		},
		"POST runs/log-batch": func(in request) any {
			if in.size > 1_000_000 {
				panic(invalid("request is too large"))
			}
			r := s.run(in.text("run_id"))
			metrics, params, tags := get[[]metric](in, "metrics"), get[[]pair](in, "params"), get[[]pair](in, "tags")
			if len(metrics) > 1000 || len(params) > 100 || len(tags) > 100 || len(metrics)+len(params)+len(tags) > 1000 {
				panic(invalid("A batch logging request can contain at most 1000 metrics, 100 params, 100 tags"))
			}
			for _, m := range metrics {
				checkKey(m.Key)
				if text := string(m.Value); text != `"NaN"` && text != `"Infinity"` && text != `"-Infinity"` && json.Unmarshal(m.Value, new(float64)) != nil {
					in.fault("metric value " + text)
				}
			}
			for _, p := range slices.Concat(params, tags) {
				checkKey(p.Key)
			}
			s.logParams(r, params)
			for _, t := range tags {
				r.tags[t.Key] = cutTo(t.Value, 8000)
			}
			for _, m := range metrics {
				if s.FileStore || !slices.ContainsFunc(r.history, func(old metric) bool {
					return old.Key == m.Key && old.Step == m.Step && old.Timestamp == m.Timestamp && string(old.Value) == string(m.Value)
				}) {
					r.history = append(r.history, m)
				}
			}
			return nil
		},
		"POST runs/log-inputs": func(in request) any {
			r := s.run(in.text("run_id"))
			for _, d := range get[[]json.RawMessage](in, "datasets") {
				var set struct {
					Dataset struct{ Name, Digest, Source string }
				}
				if err := json.Unmarshal(d, &set); err != nil {
					in.fault(err.Error())
				}
				if len(set.Dataset.Digest) > 36 {
					panic(invalid("Dataset digest exceeds the maximum length of 36"))
				}
				if !slices.ContainsFunc(r.inputs, func(old json.RawMessage) bool { return string(old) == string(d) }) {
					r.inputs = append(r.inputs, d)
				}
			}
			return nil
		},
		"POST runs/outputs": func(in request) any {
			r := s.run(in.text("run_id"))
			for _, o := range get[[]output](in, "models") {
				if slices.Contains(r.outputs, o) {
					panic(race("inputs.source_type, inputs.source_id, inputs.destination_type, inputs.destination_id"))
				}
				r.outputs = append(r.outputs, o)
			}
			return nil
		},
		"GET metrics/get-history": func(in request) any {
			var points []any
			for _, r := range s.runs { // of a run that does not exist there are none
				for _, m := range slices.Backward(r.history) {
					if r.ID == in.text("run_id") && m.Key == in.text("metric_key") {
						points = append(points, m.answer())
					}
				}
			}
			return paged("metrics", points, in.text("page_token"), 3)
		},
		"GET artifacts/list": func(in request) any { return s.listBelow(s.run(in.text("run_id")).root(), in.text("path")) },
	}
}
