package mlflow

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/registry"
)

// TestStageWithoutAlias: who promotes by MLflow's UI or Python moves the stage alone, and is followed as long as nobody
// has set the alias.
func TestStageWithoutAlias(t *testing.T) {
	s, url := fake(t)
	log, said := capture()
	c := hasten(newClient(t, Options{URL: url, Logger: log}))
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	require.NoError(t, run.LogArtifacts(t.Context(), "model", fstest.MapFS{"f": {Data: []byte("x")}}))
	for range 3 {
		_, err := c.Register(t.Context(), "guide", registry.Source{RunID: run.ID(), Path: "model"}, nil)
		require.NoError(t, err)
	}
	require.NoError(t, run.End(t.Context(), registry.Finished))
	production := func() int {
		v, err := c.Resolve(t.Context(), registry.URI{Name: "guide", Stage: registry.Production})
		require.NoError(t, err)
		for m, err := range c.ListModels(t.Context()) {
			require.NoError(t, err)
			assert.Equal(t, v.Number, m.Production)
		}
		return v.Number
	}
	s.SetStage("guide", 1, "Production")
	s.SetStage("guide", 2, "Production")
	assert.Equal(t, 2, production(), "the highest, as for MLflow's own client")
	_, err = c.Promote(t.Context(), "guide", 1, registry.PromoteOptions{})
	require.NoError(t, err)
	assert.Equal(t, 1, production())
	s.SetStage("guide", 1, "Archived")
	s.SetStage("guide", 3, "Production")
	assert.Equal(t, 1, production(), "the alias counts")
	assert.Equal(t, 1, production())
	assert.Equal(t, 1, strings.Count(said.String(), "alias and stage name different versions"), "told once")
	_, err = c.Promote(t.Context(), "guide", 3, registry.PromoteOptions{})
	require.NoError(t, err)
	assert.Equal(t, 3, production())
}

// TestInterruptedPromotion: the alias has moved when the server goes away. What is served is the new version, and the
// next promotion repairs the stages.
func TestInterruptedPromotion(t *testing.T) {
	s, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	publish(t, c, "guide", fstest.MapFS{"f": {Data: []byte("1")}})
	v := publish(t, c, "guide", fstest.MapFS{"f": {Data: []byte("2")}})
	_, err := c.Promote(t.Context(), "guide", 1, registry.PromoteOptions{})
	require.NoError(t, err)
	s.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "transition-stage") {
			http.Error(w, "", http.StatusBadGateway)
			return true
		}
		return false
	}
	_, err = impatient(c).Promote(t.Context(), "guide", v.Number, registry.PromoteOptions{})
	require.ErrorIs(t, err, registry.ErrUnavailable)
	s.Intercept = nil
	now, err := c.Resolve(t.Context(), registry.URI{Name: "guide", Stage: registry.Production})
	require.NoError(t, err)
	assert.Equal(t, 2, now.Number)
	archived, err := c.Promote(t.Context(), "guide", v.Number, registry.PromoteOptions{})
	require.NoError(t, err)
	require.Len(t, archived, 1)
	assert.Equal(t, 1, archived[0].Number)
}

// TestLoggedModelURI: a logged model can be named without any version.
func TestLoggedModelURI(t *testing.T) {
	_, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	files := fstest.MapFS{"weights": {Data: []byte("w")}}
	v := publish(t, c, "v1.2 größe", files)
	require.NotEmpty(t, v.ModelID)
	u, err := registry.ParseURI("models:/" + v.ModelID)
	require.NoError(t, err)
	found, err := c.Resolve(t.Context(), u)
	require.NoError(t, err)
	assert.Equal(t, registry.Version{ModelID: v.ModelID, RunID: v.RunID, Stage: registry.None, Status: registry.Ready}, found)
	dir := filepath.Join(t.TempDir(), "out")
	require.NoError(t, c.Download(t.Context(), found, dir))
	assert.FileExists(t, filepath.Join(dir, "weights"))
	text, err := os.ReadFile(filepath.Join(dir, "MLmodel"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "model_id: "+v.ModelID)
}

// TestBrokenUploadOfAModel: nobody can register it, and MLflow shows that it failed, also when the caller has gone.
func TestBrokenUploadOfAModel(t *testing.T) {
	s, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	s.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			cancel()
			panic(http.ErrAbortHandler)
		}
		return false
	}
	_, err = run.LogModel(ctx, "model", fstest.MapFS{"weights": {Data: []byte("w")}})
	require.ErrorIs(t, err, context.Canceled)
	s.Intercept = nil
	assert.Equal(t, []string{modelFailed}, s.Loggeds())
	id := ""
	s.Locked(func() {
		for name := range s.Files() {
			id = name
		}
	})
	assert.Empty(t, id, "nothing was stored")
	require.NoError(t, run.End(t.Context(), registry.Killed))
	info, err := c.GetRun(t.Context(), run.ID())
	require.NoError(t, err)
	assert.Equal(t, registry.Killed, info.Status)
}

func TestOlderAndLaterServers(t *testing.T) {
	s, url := fake(t)
	s.NoLoggedModels, s.NoStages = true, true
	c := hasten(newClient(t, Options{URL: url}))
	model := testmodel.Write(t, 1)
	v := publish(t, c, "guide", os.DirFS(model))
	assert.Empty(t, v.ModelID)
	assert.Equal(t, "guide", v.Path)
	second := publish(t, c, "guide", os.DirFS(model))
	now, err := c.Resolve(t.Context(), registry.URI{Name: "guide", Stage: registry.Production})
	require.NoError(t, err)
	assert.Equal(t, second.Number, now.Number)
	dir := filepath.Join(t.TempDir(), "out")
	require.NoError(t, c.Download(t.Context(), now, dir))
	for _, name := range []string{"config.json", "MLmodel", "components/tokenizer/tokenizer.json", "requirements.txt"} {
		assert.FileExists(t, filepath.Join(dir, name))
	}
}

// TestPythonVersions: what Python registered has no manifest. It can be served all the same, verified by size.
func TestPythonVersions(t *testing.T) {
	s, url := fake(t)
	log, said := capture()
	c := hasten(newClient(t, Options{URL: url, Logger: log}))
	id := theirRun(t, c)
	s.Locked(func() {
		s.Files()["0/"+id+"/artifacts/model/MLmodel"] = []byte("flavors: {}")
		s.Files()["0/"+id+"/artifacts/model/data/weights"] = []byte("weights")
	})
	require.NoError(t, c.s.ensureModel(t.Context(), "theirs"))
	for source, want := range map[string][]string{
		"mlflow-artifacts:/0/" + id + "/artifacts/model": {"MLmodel", "data/weights"},
		"runs:/" + id + "/model":                         {"MLmodel", "data/weights"},
	} {
		var out struct {
			Version wireVersion `json:"model_version"`
		}
		body := map[string]string{"name": "theirs", "source": source, "run_id": id}
		require.NoError(t, c.s.post(t.Context(), "model-versions/create", body, &out))
		v, err := c.Get(t.Context(), "theirs", int(out.Version.Version))
		require.NoError(t, err)
		assert.Equal(t, "model", v.Path)
		list, err := c.Files(t.Context(), v)
		require.NoError(t, err)
		var names []string
		for _, f := range list {
			assert.Empty(t, f.SHA256)
			names = append(names, f.Path)
		}
		assert.Equal(t, want, names)
		dir := filepath.Join(t.TempDir(), "out")
		require.NoError(t, c.Download(t.Context(), v, dir))
		assert.FileExists(t, filepath.Join(dir, "data", "weights"))
	}
	assert.Contains(t, said.String(), "only their sizes are verified")
}

// TestCopies: versions of versions, as MLflow's own client copies them.
func TestCopies(t *testing.T) {
	_, url := fake(t)
	requireCopies(t, url)
}

func requireCopies(t *testing.T, url string) {
	c := hasten(newClient(t, Options{URL: url}))
	model := fstest.MapFS{"config.json": {Data: []byte("{}")}, "deep/weights": {Data: []byte("w")}}
	publish(t, c, "original", model)
	run, err := c.StartRun(t.Context(), "copies", "", nil)
	require.NoError(t, err)
	require.NoError(t, run.LogArtifacts(t.Context(), "some/model", model))
	require.NoError(t, run.LogArtifacts(t.Context(), "other", fstest.MapFS{"f": {}}))
	_, err = c.Register(t.Context(), "original", registry.Source{RunID: run.ID(), Path: "some/model"}, nil)
	require.NoError(t, err)
	require.NoError(t, run.End(t.Context(), registry.Finished))
	require.NoError(t, c.s.ensureModel(t.Context(), "copy"))
	for n, whole := range []int{3, 2} { // with MLmodel, and without
		from, err := c.s.version(t.Context(), "original", n+1)
		require.NoError(t, err)
		source := fmt.Sprintf("models:/original/%d", n+1)
		for range 2 { // of the version, and of the copy
			var out struct {
				Version wireVersion `json:"model_version"`
			}
			body := struct {
				Name   string `json:"name"`
				Source string `json:"source"`
				Run    string `json:"run_id"`
				Tags   []pair `json:"tags"`
			}{"copy", source, from.RunID, from.Tags}
			require.NoError(t, c.s.post(t.Context(), "model-versions/create", body, &out))
			v, err := c.Get(t.Context(), "copy", int(out.Version.Version))
			require.NoError(t, err)
			files, err := c.Files(t.Context(), v)
			require.NoError(t, err)
			assert.Len(t, files, whole)
			for _, f := range files {
				assert.NotEmpty(t, f.SHA256, f.Path)
			}
			part, err := c.Resolve(t.Context(), registry.URI{Name: "copy", Version: v.Number, Path: "deep"})
			require.NoError(t, err)
			dir := filepath.Join(t.TempDir(), "out")
			require.NoError(t, c.Download(t.Context(), part, dir))
			assert.FileExists(t, filepath.Join(dir, "weights"))
			source = fmt.Sprintf("models:/copy/%d", v.Number)
		}
	}
}

// TestAskedAgain: who does not know whether a version was made asks again under the same id, and there is one.
func TestAskedAgain(t *testing.T) {
	_, url := fake(t)
	requireOneVersion(t, url)
}

func requireOneVersion(t *testing.T, url string) {
	c := hasten(newClient(t, Options{URL: url}))
	run, err := c.StartRun(t.Context(), "again", "", nil)
	require.NoError(t, err)
	require.NoError(t, run.LogArtifacts(t.Context(), "model", fstest.MapFS{"f": {Data: []byte("x")}}))
	require.NoError(t, run.End(t.Context(), registry.Finished))
	for _, id := range []string{"first", "first", "second", "first", "second"} {
		v, err := c.Register(t.Context(), "again", registry.Source{RunID: run.ID(), Path: "model"}, map[string]string{publishID: id})
		require.NoError(t, err)
		assert.Equal(t, map[string]int{"first": 1, "second": 2}[id], v.Number)
		assert.Equal(t, id, v.Tags[publishID])
	}
}

// TestAdoptedMLmodel: an MLmodel of another run and server, as a copied version has it, names this run and logged model.
func TestAdoptedMLmodel(t *testing.T) {
	d := description{artifactPath: "mlflow-artifacts:/1/models/m-new/artifacts", runID: "new", modelID: "m-new"}
	theirs := "artifact_path: x\nflavors:\n  transformers:\n    run_id: nested\nmodel_id: m-old\nmodel_uuid: m-old\nrun_id: old"
	assert.Equal(t, "artifact_path: \"mlflow-artifacts:/1/models/m-new/artifacts\"\nflavors:\n  transformers:\n    run_id: nested\nmodel_id: m-new\nmodel_uuid: m-new\nrun_id: new\n",
		string(d.adopt([]byte(theirs))))
	d.modelID = "" // on a server before MLflow 3
	assert.Equal(t, "flavors: {}\nmodel_uuid: new\nartifact_path: \"mlflow-artifacts:/1/models/m-new/artifacts\"\nrun_id: new\n",
		string(d.adopt([]byte("flavors: {}\nmodel_id: m-old\nmodel_uuid: old\n"))))

	_, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	v := publish(t, c, "copied", fstest.MapFS{"MLmodel": {Data: []byte(theirs)}, "weights": {Data: []byte("w")}})
	dir := filepath.Join(t.TempDir(), "out")
	require.NoError(t, c.Download(t.Context(), v, dir))
	text, err := os.ReadFile(filepath.Join(dir, "MLmodel"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "\nmodel_id: "+v.ModelID+"\n")
	assert.Contains(t, string(text), "\nrun_id: "+v.RunID+"\n")
}

// A part of a logged model is none.
func TestRegisterAPartOfALoggedModel(t *testing.T) {
	_, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	v := publish(t, c, "guide", fstest.MapFS{"deep/weights": {Data: []byte("w")}})
	_, err := c.Register(t.Context(), "guide", registry.Source{ModelID: v.ModelID, Path: "deep"}, nil)
	require.ErrorIs(t, err, registry.ErrInvalid)
	assert.ErrorContains(t, err, "leave the path out")
}

// TestAlteredManifest: the manifest's name and the version's tag say what it must be.
func TestAlteredManifest(t *testing.T) {
	s, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	v := publish(t, c, "guide", fstest.MapFS{"f": {Data: []byte("1")}})
	s.Locked(func() {
		for name, data := range s.Files() {
			if strings.Contains(name, manifestDir) {
				s.Files()[name] = bytes.ReplaceAll(data, []byte(`"size": 1,`), []byte(`"size": 2,`))
			}
		}
	})
	err := c.Download(t.Context(), v, filepath.Join(t.TempDir(), "out"))
	require.ErrorIs(t, err, registry.ErrCorrupt)
	assert.ErrorContains(t, err, manifestDir)
	s.Locked(func() { clear(s.Files()) })
	err = c.Download(t.Context(), v, filepath.Join(t.TempDir(), "out"))
	require.ErrorIs(t, err, registry.ErrCorrupt)
}

// TestChangedWhileRead: what is uploaded is what was looked at first, or nothing is.
func TestChangedWhileRead(t *testing.T) {
	_, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	require.NoError(t, os.WriteFile(name, []byte("before"), 0o600))
	s := &switching{FS: os.DirFS(dir).(statFS), change: func() { require.NoError(t, os.WriteFile(name, []byte("beFore"), 0o600)) }}
	err = run.LogArtifacts(t.Context(), "model", s)
	require.ErrorIs(t, err, registry.ErrInvalid)
	assert.ErrorContains(t, err, "changed while it was read")
	_, err = c.Resolve(t.Context(), registry.URI{RunID: run.ID(), Path: "model"})
	require.ErrorIs(t, err, registry.ErrNotFound, "what is there is not logged")
	require.NoError(t, run.End(t.Context(), registry.Failed))
}

func TestReservedPaths(t *testing.T) {
	_, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	err = run.LogArtifacts(t.Context(), manifestDir, fstest.MapFS{"f": {}})
	require.ErrorIs(t, err, registry.ErrInvalid)
	assert.ErrorContains(t, err, "where the manifests are")
	require.NoError(t, run.End(t.Context(), registry.Finished))
}

// TestUploadOnce: files that are there are not sent a second time.
func TestUploadOnce(t *testing.T) {
	s, url := fake(t)
	c := hasten(newClient(t, Options{URL: url}))
	run, err := c.StartRun(t.Context(), "e", "", nil)
	require.NoError(t, err)
	files := fstest.MapFS{"a": {Data: []byte("a")}, "b": {Data: []byte("b")}}
	require.NoError(t, run.LogArtifacts(t.Context(), "model", files))
	var puts atomic.Int32
	s.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && !strings.Contains(r.URL.Path, manifestDir) {
			puts.Add(1)
		}
		return false
	}
	require.NoError(t, run.LogArtifacts(t.Context(), "model", files))
	assert.Zero(t, puts.Load())
	require.NoError(t, run.End(t.Context(), registry.Finished))
}

func TestLimits(t *testing.T) {
	_, url := fake(t)
	requireLimits(t, url)
}

// requireLimits logs what MLflow would refuse, or cut without a word.
func requireLimits(t *testing.T, url string) {
	log, said := capture()
	c := hasten(newClient(t, Options{URL: url, Logger: log}))
	run, err := c.StartRun(t.Context(), "limits", "", nil)
	require.NoError(t, err)
	long := strings.Repeat("ß", 6001)
	require.NoError(t, run.LogParams(t.Context(), map[string]string{"targets[0]": "q", "targets(0)": "k", "long": long, "a//b": "1", "../x": "2"}))
	require.NoError(t, run.LogParams(t.Context(), map[string]string{"long": long}), "again")
	require.NoError(t, run.SetTags(t.Context(), map[string]string{"cut": strings.Repeat("ß", 8001)}))
	require.NoError(t, run.LogMetrics(t.Context(), 1, map[string]float64{"50%": 1, strings.Repeat("k", 300): 2}))
	digest := strings.Repeat("0123456789abcdef", 4)
	require.NoError(t, run.LogInput(t.Context(), registry.Input{Name: "rows", Digest: digest, Source: "s", Context: "training"}))
	require.NoError(t, run.End(t.Context(), registry.Finished))
	info, err := c.GetRun(t.Context(), run.ID())
	require.NoError(t, err)
	require.Len(t, info.Params, 5, "two keys never become one: %v", sortedKeys(info.Params))
	assert.Equal(t, "k", info.Params["targets_0_"])
	assert.Equal(t, strings.Repeat("ß", 6000), info.Params["long"])
	assert.Equal(t, strings.Repeat("ß", 8000), info.Tags["cut"])
	assert.Contains(t, info.Metrics, "50_")
	assert.Len(t, info.Metrics, 2)
	assert.Equal(t, digest, info.Inputs[0].Digest, "whole, though MLflow cuts it")
	for _, text := range []string{`key=long characters=6001 kept=6000`, `key=50% recorded=50_`, `key=targets[0]`} {
		assert.Contains(t, said.String(), text)
	}
}

func TestAnyKey(t *testing.T) {
	_, url := fake(t)
	requireAnyKey(t, url)
}

// requireAnyKey logs under keys that have to be changed, and many long values at once.
func requireAnyKey(t *testing.T, url string) {
	c := hasten(newClient(t, Options{URL: url}))
	run, err := c.StartRun(t.Context(), "keys", "", nil)
	require.NoError(t, err)
	k := strings.Repeat("k", 249)
	keys := []string{"e\u0301", "हिन्दी", "คู่มือ", k + "/x", k[:248] + "/.x", k + "ab", k + "ac", "/", ".", "..", "a/", "./a", "a/..", "a\u00a0b", "½", "Ⅷ", "\U0001F393", "٣"}
	params, metrics := map[string]string{}, map[string]float64{}
	for i, key := range keys {
		params[key], metrics[key] = key, float64(i)
	}
	for i := range 200 { // more than fits into one request
		params[fmt.Sprint("long", i)] = strings.Repeat("<", 6000)
	}
	require.NoError(t, run.LogParams(t.Context(), params))
	require.NoError(t, run.SetTags(t.Context(), params))
	require.NoError(t, run.LogMetrics(t.Context(), 1, metrics))
	require.NoError(t, run.End(t.Context(), registry.Finished))
	info, err := c.GetRun(t.Context(), run.ID())
	require.NoError(t, err)
	require.Len(t, info.Params, len(params))
	require.Len(t, info.Metrics, len(metrics))
	values := map[string]bool{}
	for _, v := range info.Params {
		values[v] = true
	}
	for _, key := range keys {
		assert.True(t, values[key], key)
	}
}

func TestSanitize(t *testing.T) {
	for key, want := range map[string]string{
		"train/loss": "train/loss", "a[0]": "a_0_", "größe 模型:x": "größe 模型:x", "/abs": "abs", "a//b": "a/b", "a/../b": "a/_/b", "..": "_", "a/./b": "a/_/b",
		"x/": "x", "%": "_", "...": "_", "///": "_", "e\u0301": "e_", "हिन्दी": "ह_न_द_",
		strings.Repeat("k", 249) + "/x": strings.Repeat("k", 249), strings.Repeat("k", 248) + "/.x": strings.Repeat("k", 248) + "/_",
	} {
		assert.Equal(t, want, sanitize(key), "%q", key)
	}
	assert.Len(t, sanitize(strings.Repeat("ü", 300)), 500)
}

func FuzzSanitize(f *testing.F) {
	for _, s := range []string{"a", "a//b", "../..", "ü%[]", " . / ."} {
		f.Add(s)
	}
	f.Add(strings.Repeat("k", 249) + "/x")
	f.Fuzz(func(t *testing.T, key string) {
		s := sanitize(key)
		require.NotEmpty(t, s)
		require.Equal(t, s, sanitize(s))
		require.LessOrEqual(t, len([]rune(s)), maxKey)
		require.NotContains(t, s, "..")
		require.NotContains(t, s, "//")
		require.False(t, strings.HasPrefix(s, "/"))
		require.Equal(t, path.Clean(s), s)
	})
}

// FuzzAnswers reads what a server may answer.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"run_id":"r","value":"NaN","timestamp":"5","step":1}`))
	f.Add([]byte(`{"version":"2","source":"models:/m-1","run_id":"r","tags":[{"key":"a","value":"b"}]}`))
	f.Add([]byte(`{"version":3,"source":"runs:/r/a/b","run_id":"r","current_stage":"production"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v wireVersion
		if json.Unmarshal(data, &v) == nil {
			out := v.export(v.Aliases)
			require.NotEmpty(t, out.Stage)
			require.NotEmpty(t, out.Status)
		}
		var m wireMetric
		if json.Unmarshal(data, &m) == nil {
			again, err := json.Marshal(m)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(again, &m))
		}
	})
}
