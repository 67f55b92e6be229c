package mlflowtest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fake is an MLflow tracking server as far as package registry/mlflow speaks with one: it answers as MLflow 3.17 was
// measured to answer, oddities included. Runs, versions and artifacts are in memory. It is an http.Handler.
//
// Requests that a real server would misread without a word, for a field of the wrong type or a null list, are collected
// in Faults.
type Fake struct {
	// Intercept may answer a request instead, when it returns true. After may spoil the answer to one that has been
	// carried out. Set them under Locked where requests of other processes may run.
	Intercept func(w http.ResponseWriter, r *http.Request) bool
	After     func(w http.ResponseWriter, r *http.Request) bool

	NoLoggedModels bool // as before MLflow 3
	NoStages       bool // as a later version will be
	NoProxy        bool // as with --no-serve-artifacts
	FileStore      bool // points of metrics that are sent again are stored again
	NoWorkspaces   bool // as before workspaces: the header is ignored
	Username       string
	Password       string
	Host           string // what Host must be, if set

	mu          sync.Mutex
	faults      []string
	ids         int
	experiments []*experiment
	runs        []*run
	logged      map[string]*loggedModel
	models      map[string]*model
	files       map[string][]byte // by path
}

// NewFake makes an empty server.
func NewFake() *Fake {
	s := &Fake{logged: map[string]*loggedModel{}, models: map[string]*model{}, files: map[string][]byte{}}
	s.experiments = append(s.experiments, &experiment{ID: "0", Name: "Default", Lifecycle: "active"})
	return s
}

// Faults lists the requests that a real server would have misread.
func (s *Fake) Faults() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.faults)
}

// Locked runs f while no request does.
func (s *Fake) Locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Files are the stored artifacts by path; change them under Locked only.
func (s *Fake) Files() map[string][]byte { return s.files }

// SetStatus changes a version's status.
func (s *Fake) SetStatus(name string, version int, status, message string) {
	s.Locked(func() {
		v := s.models[name].version(version)
		v.Status, v.Message = status, message
	})
}

// SetStage changes a version's stage, as a person does in MLflow's UI.
func (s *Fake) SetStage(name string, version int, stage string) {
	s.Locked(func() { s.models[name].version(version).Stage = stage })
}

// DeleteExperiment deletes as the UI does.
func (s *Fake) DeleteExperiment(name string) {
	s.Locked(func() {
		for _, e := range s.experiments {
			if e.Name == name {
				e.Lifecycle = "deleted"
			}
		}
	})
}

// Counts tells how many runs, logged models and versions there are.
func (s *Fake) Counts() (runs, logged, versions int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.models {
		versions += len(m.versions)
	}
	return len(s.runs), len(s.logged), versions
}

// Points is how often one point of a metric is stored, by key and step.
func (s *Fake) Points(run, key string, step int64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.runs {
		for _, m := range r.history {
			if r.ID == run && m.Key == key && m.Step == step {
				n++
			}
		}
	}
	return n
}

// Loggeds are the statuses of the logged models.
func (s *Fake) Loggeds() (statuses []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.logged {
		statuses = append(statuses, m.Status)
	}
	return statuses
}

type apiError struct {
	status        int
	code, message string
}

// Endpoints panic with what the functions below return, which call catches.

func notFound(format string, args ...any) *apiError {
	return &apiError{http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, "INVALID_PARAMETER_VALUE", fmt.Sprintf(format, args...)}
}

func exists(format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, "RESOURCE_ALREADY_EXISTS", fmt.Sprintf(format, args...)}
}

// race is what MLflow answers when somebody wrote the same row between its look and its write.
func race(row string) *apiError {
	return &apiError{http.StatusBadRequest, "BAD_REQUEST", "(sqlite3.IntegrityError) UNIQUE constraint failed: " + row}
}

// yield lets other requests in, as the real server does between looking and writing.
func (s *Fake) yield() {
	s.mu.Unlock()
	runtime.Gosched()
	s.mu.Lock()
}

const (
	api   = "/api/2.0/mlflow/"
	ajax  = "/ajax-api/2.0/mlflow/"
	proxy = "/api/2.0/mlflow-artifacts/artifacts"
)

func (s *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var intercept, after func(http.ResponseWriter, *http.Request) bool
	s.Locked(func() { intercept, after = s.Intercept, s.After })
	if intercept != nil && intercept(w, r) {
		return
	}
	if after != nil {
		kept := httptest.NewRecorder()
		if s.serve(kept, r); !after(w, r) {
			maps.Copy(w.Header(), kept.Header())
			w.WriteHeader(kept.Code)
			_, _ = w.Write(kept.Body.Bytes())
		}
		return
	}
	s.serve(w, r)
}

func (s *Fake) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/health":
		_, _ = io.WriteString(w, "OK")
	case r.URL.Path == "/version":
		_, _ = io.WriteString(w, "3.17.2")
	case s.Host != "" && r.Host != s.Host:
		http.Error(w, "Invalid Host header - possible DNS rebinding attack detected", http.StatusForbidden)
	case s.Username != "" && !s.allowed(r):
		http.Error(w, "You are not authenticated. Please see https://mlflow.org for how to authenticate.", http.StatusUnauthorized)
	case r.URL.Path == "/api/3.0/mlflow/server-info" && !s.NoWorkspaces:
		_, _ = io.WriteString(w, `{"workspaces_enabled": true}`)
	case r.URL.Path == proxy || strings.HasPrefix(r.URL.Path, proxy+"/"):
		s.artifacts(w, r)
	case r.URL.Path == "/get-artifact", strings.HasPrefix(r.URL.Path, ajax+"logged-models/"):
		s.stored(w, r)
	case strings.HasPrefix(r.URL.Path, api):
		s.call(w, r)
	default:
		html(w, http.StatusNotFound)
	}
}

func (s *Fake) allowed(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	return ok && user == s.Username && password == s.Password
}

func html(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<!doctype html>\n<html lang=en>\n<title>%d</title>\n", status)
}

// request is what an endpoint reads its arguments from: the fields of the body, or of the query.
type request struct {
	fields map[string]json.RawMessage
	size   int // of the body
	fault  func(string)
}

// endpoints answer by method and address.
type endpoints map[string]func(in request) any

// get reads an argument. What Go refuses to decode, the real server would misread.
func get[T any](in request, key string) (v T) {
	if raw := in.fields[key]; raw != nil {
		if err := json.Unmarshal(raw, &v); err != nil {
			in.fault(fmt.Sprintf("%s: %v in %s", key, err, raw))
		}
	}
	return v
}

func (r request) text(key string) string { return get[string](r, key) }

// tags reads a list of pairs.
func (r request) tags() map[string]string {
	tags := map[string]string{}
	for _, t := range get[[]pair](r, "tags") {
		tags[t.Key] = t.Value
	}
	return tags
}

func (s *Fake) call(w http.ResponseWriter, r *http.Request) {
	endpoint := strings.TrimPrefix(r.URL.Path, api)
	name := r.Method + " " + endpoint
	id := ""
	if rest, ok := strings.CutPrefix(endpoint, "logged-models/"); ok && rest != "search" {
		var below string
		id, below, _ = strings.Cut(rest, "/")
		name = path.Join(r.Method+" logged-models/*", below)
	}
	var handler func(request) any
	for _, endpoints := range []endpoints{s.ofRuns(), s.ofModels(), s.ofLoggedModels()} {
		if endpoints[name] != nil {
			handler = endpoints[name]
		}
	}
	if handler == nil || s.NoLoggedModels && strings.Contains(name, "logged-models") || s.NoStages && strings.Contains(name, "transition-stage") {
		html(w, http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if r.Method != http.MethodGet && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		http.Error(w, "Bad Request. Content-Type must be application/json.", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	in := request{map[string]json.RawMessage{}, len(body), func(text string) { s.faults = append(s.faults, name+": "+text) }}
	query := r.URL.Query()
	if r.Method != http.MethodGet {
		if err := json.Unmarshal(body, &in.fields); err != nil || len(query) > 0 || bytes.Contains(body, []byte(":null")) {
			in.fault(fmt.Sprintf("arguments belong in the body, and null is none: %v in %s", err, body))
		}
	}
	if id != "" {
		query.Set("id", id)
	}
	for key := range query {
		in.fields[key], _ = json.Marshal(query.Get(key)) // of a string it never fails
	}
	w.Header().Set("Content-Type", "application/json")
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *apiError:
			w.WriteHeader(e.status)
			_ = json.NewEncoder(w).Encode(map[string]string{"error_code": e.code, "message": e.message, "sqlstate": "KAM00", "error_class": e.code})
		default:
			panic(e)
		}
	}()
	out := handler(in)
	if out == nil {
		out = struct{}{}
	}
	_ = json.NewEncoder(w).Encode(out)
}

// newID makes ids of the length of MLflow's.
func (s *Fake) newID() string {
	s.ids++
	return fmt.Sprintf("%032x", s.ids)
}

func now() int64 { return time.Now().UnixMilli() }

func (s *Fake) artifacts(w http.ResponseWriter, r *http.Request) {
	if s.NoProxy {
		notServed(w, r)
		return
	}
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, proxy), "/")
	if strings.Contains(name, "..") || strings.Contains(name, "#") || strings.HasSuffix(name, "/") {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error_code":"INVALID_PARAMETER_VALUE","message":"Invalid path"}`)
		return
	}
	if again, err := url.PathUnescape(name); err == nil { // the real server decodes twice
		name = again
	}
	switch {
	case r.Method == http.MethodPut:
		data, err := io.ReadAll(r.Body)
		if err != nil || r.ContentLength >= 0 && int64(len(data)) != r.ContentLength {
			return // an upload cut short leaves nothing
		}
		s.Locked(func() { s.files[name] = data })
	case r.Method == http.MethodGet && name == "":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.list(r.URL.Query().Get("path")))
	case r.Method == http.MethodGet:
		s.serveFile(w, r, name)
	case r.Method == http.MethodDelete:
		s.Locked(func() { delete(s.files, name) })
		_, _ = io.WriteString(w, "{}")
	default:
		html(w, http.StatusMethodNotAllowed)
	}
}

// notServed answers in the two ways of the real server.
func notServed(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "{\"detail\":\"Artifact serving is disabled. Run `mlflow server` with `--serve-artifacts` to enable.\"}")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, "Endpoint: "+r.URL.Path+" disabled due to the mlflow server running with `--no-serve-artifacts`. "+
		"To enable artifacts server functionality, run `mlflow server` with `--serve-artifacts`")
}

type file struct {
	Path string `json:"path"`
	Dir  bool   `json:"is_dir"`
	Size int    `json:"file_size,omitempty"`
}

type listing struct {
	Files []file `json:"files,omitempty"`
}

func (s *Fake) list(dir string) listing {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out listing
	seen := map[string]bool{}
	for name, data := range s.files {
		rest, ok := strings.CutPrefix(name, dir+"/")
		if !ok {
			continue
		}
		first, _, deeper := strings.Cut(rest, "/")
		if seen[first] {
			continue
		}
		seen[first] = true
		f := file{Path: first, Dir: deeper}
		if !deeper {
			f.Size = len(data)
		}
		out.Files = append(out.Files, f)
	}
	slices.SortFunc(out.Files, func(a, b file) int { return strings.Compare(a.Path, b.Path) })
	return out
}

func (s *Fake) serveFile(w http.ResponseWriter, r *http.Request, name string) {
	var data []byte
	var ok bool
	s.Locked(func() { data, ok = s.files[name] })
	if !ok {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"No such artifact"}`)
		return
	}
	w.Header().Set("ETag", strconv.Quote(strconv.Itoa(len(data))))
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, path.Base(name), time.Time{}, bytes.NewReader(data))
}

// stored shows what is not proxied: a file of a run, or of a logged model.
func (s *Fake) stored(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	root, name := "none", cmp.Or(q.Get("path"), q.Get("artifact_file_path"))
	s.Locked(func() {
		for _, found := range s.runs {
			if found.ID == q.Get("run_id") {
				root = found.root()
			}
		}
		id, below, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, ajax+"logged-models/"), "/")
		if m := s.logged[id]; m != nil && below == "artifacts/files" {
			root = m.root()
		}
	})
	s.serveFile(w, r, path.Join(root, name))
}
