package mlflowtest

import (
	"encoding/json"
	"math"
	"path"
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
	data := map[string]any{}
	if metrics != nil {
		data["metrics"] = metrics
	}
	if r.params != nil {
		data["params"] = r.params
	}
	if len(r.tags) > 0 {
		data["tags"] = tagList(r.tags)
	}
	inputs := map[string]any{}
	if r.inputs != nil {
		inputs["dataset_inputs"] = r.inputs
	}
	outputs := map[string]any{}
	if r.outputs != nil {
		outputs["model_outputs"] = r.outputs
	}
	return map[string]any{"info": info, "data": data, "inputs": inputs, "outputs": outputs}
}

type endpoint func(in request) any

func (s *Fake) endpoints() map[string]endpoint {
	return map[string]endpoint{
		"GET experiments/get":         s.experimentsGet,
		"GET experiments/get-by-name": s.experimentsByName,
		"POST experiments/search":     s.experimentsSearch,
		"POST experiments/create":     s.experimentsCreate,
		"POST runs/create":            s.runsCreate,
		"GET runs/get":                s.runsGet,
		"POST runs/search":            s.runsSearch,
		"POST runs/delete":            s.runsDelete,
		"POST runs/update":            s.runsUpdate,
		"POST runs/log-batch":         s.runsLogBatch,
		"POST runs/log-inputs":        s.runsLogInputs,
		"POST runs/outputs":           s.runsOutputs,
		"GET metrics/get-history":     s.metricsHistory,
		"GET artifacts/list":          s.artifactsList,

		"POST logged-models":                        s.loggedCreate,
		"POST logged-models/search":                 s.loggedSearch,
		"GET logged-models/*":                       s.loggedGet,
		"PATCH logged-models/*":                     s.loggedUpdate,
		"DELETE logged-models/*":                    s.loggedDelete,
		"GET logged-models/*/artifacts/directories": s.loggedArtifacts,

		"POST registered-models/create":        s.modelsCreate,
		"GET registered-models/get":            s.modelsGet,
		"GET registered-models/search":         s.modelsSearch,
		"POST registered-models/set-tag":       s.modelsTag,
		"POST registered-models/alias":         s.aliasSet,
		"DELETE registered-models/alias":       s.aliasDelete,
		"POST model-versions/create":           s.versionsCreate,
		"POST model-versions/set-tag":          s.versionsTag,
		"GET model-versions/get":               s.versionsGet,
		"GET model-versions/search":            s.versionsSearch,
		"DELETE model-versions/delete":         s.versionsDelete,
		"POST model-versions/transition-stage": s.versionsTransition,
		"GET model-versions/get-download-uri":  s.versionsURI,
	}
}

func (s *Fake) experimentsGet(in request) any {
	for _, e := range s.experiments {
		if e.ID == in.query.Get("experiment_id") {
			return map[string]any{"experiment": e}
		}
	}
	panic(notFound("No Experiment with id=%s exists", in.query.Get("experiment_id")))
}

func (s *Fake) experimentsByName(in request) any {
	for _, e := range s.experiments {
		if e.Name == in.query.Get("experiment_name") {
			return map[string]any{"experiment": e}
		}
	}
	panic(notFound("Could not find experiment with name '%s'", in.query.Get("experiment_name")))
}

func (s *Fake) experimentsSearch(in request) any {
	var body struct {
		Max int `json:"max_results"`
	}
	in.decode(&body)
	if body.Max == 0 {
		panic(invalid("Invalid value for request parameter max_results."))
	}
	return map[string]any{"experiments": s.experiments[:min(body.Max, len(s.experiments))]}
}

func (s *Fake) experimentsCreate(in request) any {
	var body struct{ Name string }
	in.decode(&body)
	for _, e := range s.experiments {
		if e.Name == body.Name {
			panic(exists("Experiment(name=%s) already exists.", body.Name))
		}
	}
	e := &experiment{ID: strconv.Itoa(len(s.experiments)), Name: body.Name, Lifecycle: "active"}
	s.experiments = append(s.experiments, e)
	return map[string]any{"experiment_id": e.ID}
}

func (s *Fake) runsCreate(in request) any {
	var body struct {
		Experiment string `json:"experiment_id"`
		Name       string `json:"run_name"`
		Start      int64  `json:"start_time"`
		Tags       []pair
	}
	in.decode(&body)
	if body.Name == "" {
		body.Name = "brave-owl-1"
	}
	r := &run{ID: s.newID(), experiment: body.Experiment, name: body.Name, status: "RUNNING", start: body.Start, tags: map[string]string{"mlflow.runName": body.Name},
		noProxy: s.NoProxy}
	for _, t := range body.Tags {
		r.tags[t.Key] = t.Value
	}
	s.runs = append(s.runs, r)
	return map[string]any{"run": r.info()}
}

func (s *Fake) run(id string) *run {
	for _, r := range s.runs {
		if r.ID == id {
			return r
		}
	}
	panic(notFound("Run with id=%s not found", id))
}

func (s *Fake) runsGet(in request) any {
	r := s.run(in.query.Get("run_id"))
	return map[string]any{"run": r.info()}
}

var tagFilter = regexp.MustCompile("tags\\.`([^`]+)` *= *'([^']*)'")

func matches(filter string, tags map[string]string) bool {
	m := tagFilter.FindStringSubmatch(filter)
	return m == nil || tags[m[1]] == m[2]
}

// paged is one page of a list as the server cuts it, with offsets for tokens. What is empty is left out, as in proto3's JSON.
func paged(key string, list []any, token string, size int) map[string]any {
	at, _ := strconv.Atoi(token)
	end := min(len(list), at+size)
	out := map[string]any{}
	if at < end {
		out[key] = list[at:end]
	}
	if end < len(list) {
		out["next_page_token"] = strconv.Itoa(end)
	}
	return out
}

func (s *Fake) runsSearch(in request) any {
	var body struct {
		Experiments []string `json:"experiment_ids"`
		Filter      string
		Max         int      `json:"max_results"`
		Order       []string `json:"order_by"`
		Token       string   `json:"page_token"`
	}
	in.decode(&body)
	if body.Max == 0 {
		in.fault("max_results is missing")
	}
	var found []*run
	for _, r := range slices.Backward(s.runs) {
		if !r.deleted && slices.Contains(body.Experiments, r.experiment) && matches(body.Filter, r.tags) {
			found = append(found, r)
		}
	}
	slices.SortStableFunc(found, func(a, b *run) int { return int(b.start - a.start) })
	var runs []any
	for _, r := range found {
		runs = append(runs, r.info())
	}
	return paged("runs", runs, body.Token, min(body.Max, 2))
}

func (s *Fake) runsDelete(in request) any {
	var body struct {
		Run string `json:"run_id"`
	}
	in.decode(&body)
	s.run(body.Run).deleted = true
	return nil
}

func (s *Fake) runsUpdate(in request) any {
	var body struct {
		Run    string `json:"run_id"`
		Status string
		End    int64 `json:"end_time"`
	}
	in.decode(&body)
	r := s.run(body.Run)
	if !slices.Contains([]string{"RUNNING", "FINISHED", "FAILED", "KILLED"}, body.Status) {
		in.fault("status " + body.Status)
	} else {
		r.status = body.Status
	}
	if body.End != 0 {
		r.end = body.End
	}
	return map[string]any{"run_info": r.info()["info"]}
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

func (s *Fake) runsLogBatch(in request) any {
	var body struct {
		Run     string `json:"run_id"`
		Metrics []metric
		Params  []pair
		Tags    []pair
	}
	if len(in.body) > 1_000_000 {
		panic(invalid("request is too large"))
	}
	in.decode(&body)
	r := s.run(body.Run)
	if len(body.Metrics) > 1000 || len(body.Params) > 100 || len(body.Tags) > 100 || len(body.Metrics)+len(body.Params)+len(body.Tags) > 1000 {
		panic(invalid("A batch logging request can contain at most 1000 metrics, 100 params, 100 tags"))
	}
	for _, m := range body.Metrics {
		checkKey(m.Key)
		if text := string(m.Value); text != `"NaN"` && text != `"Infinity"` && text != `"-Infinity"` && json.Unmarshal(m.Value, new(float64)) != nil {
			in.fault("metric value " + text)
		}
	}
	for _, p := range slices.Concat(body.Params, body.Tags) {
		checkKey(p.Key)
	}
	s.logParams(r, body.Params)
	for _, t := range body.Tags {
		r.tags[t.Key] = cutTo(t.Value, 8000)
	}
	for _, m := range body.Metrics {
		if s.FileStore || !slices.ContainsFunc(r.history, func(old metric) bool {
			return old.Key == m.Key && old.Step == m.Step && old.Timestamp == m.Timestamp && string(old.Value) == string(m.Value)
		}) {
			r.history = append(r.history, m)
		}
	}
	return nil
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

func (s *Fake) runsLogInputs(in request) any {
	var body struct {
		Run      string `json:"run_id"`
		Datasets []json.RawMessage
	}
	in.decode(&body)
	r := s.run(body.Run)
	for _, d := range body.Datasets {
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
}

func (s *Fake) runsOutputs(in request) any {
	var body struct {
		Run    string `json:"run_id"`
		Models []output
	}
	in.decode(&body)
	r := s.run(body.Run)
	for _, o := range body.Models {
		if slices.Contains(r.outputs, o) {
			panic(race("inputs.source_type, inputs.source_id, inputs.destination_type, inputs.destination_id"))
		}
	}
	r.outputs = append(r.outputs, body.Models...)
	return nil
}

func (s *Fake) metricsHistory(in request) any {
	var points []any
	for _, r := range s.runs { // of a run that does not exist there are none
		for _, m := range slices.Backward(r.history) {
			if r.ID == in.query.Get("run_id") && m.Key == in.query.Get("metric_key") {
				points = append(points, m.answer())
			}
		}
	}
	return paged("metrics", points, in.query.Get("page_token"), 3)
}

func (s *Fake) artifactsList(in request) any {
	r := s.run(in.query.Get("run_id"))
	return s.listBelow(r.root(), in.query.Get("path"))
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
