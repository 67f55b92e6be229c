package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/examples/internal/report"
	"github.com/docent-ml/docent/internal/mlflowtest"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/local"
	"github.com/docent-ml/docent/registry/mlflow"
)

func call(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), append([]string{"-profile", "none"}, args...), nil, &out)
	return out.String(), err
}

func said(t *testing.T, args ...string) string {
	t.Helper()
	out, err := call(t, args...)
	require.NoError(t, err)
	return out
}

// train registers versions of a model as the trainer does.
func train(t *testing.T, reg registry.Registry, name string, ranks ...int) {
	t.Helper()
	for _, rank := range ranks {
		run, err := reg.StartRun(t.Context(), "guides", fmt.Sprintf("rank %d", rank), map[string]string{"user": "ada"})
		require.NoError(t, err)
		require.NoError(t, run.LogParams(t.Context(), map[string]string{"rank": fmt.Sprint(rank), "base": "SmolLM2"}))
		require.NoError(t, run.LogInput(t.Context(), registry.Input{Name: "train.jsonl", Digest: strings.Repeat("d", 64), Source: "data/train.jsonl", Context: "training"}))
		for step := range int64(3) {
			require.NoError(t, run.LogMetrics(t.Context(), step, map[string]float64{"loss": float64(rank) / float64(step+1)}))
		}
		source, err := run.LogModel(t.Context(), "model", fstest.MapFS{"weights": {Data: bytes.Repeat([]byte{byte(rank)}, 1000)}})
		require.NoError(t, err)
		v, err := reg.Register(t.Context(), name, source, map[string]string{"base_model": "SmolLM2"})
		require.NoError(t, err)
		_, err = reg.Promote(t.Context(), name, v.Number, registry.PromoteOptions{})
		require.NoError(t, err)
		require.NoError(t, run.End(t.Context(), registry.Finished))
	}
}

func TestCommands(t *testing.T) {
	t.Run("folder", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "registry")
		store, err := local.Open(dir, local.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		requireCommands(t, store, "file:"+dir)
	})
	t.Run("MLflow", func(t *testing.T) {
		client, url := server(t)
		requireCommands(t, client, url)
	})
}

// A model whose file is damaged hides no other.
func TestListTellsOfDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "registry")
	store, err := local.Open(dir, local.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	for _, name := range []string{"a", "b", "c"} {
		train(t, store, name, 8)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "models", "b", "model.json"), []byte("{"), 0o600))
	out, err := call(t, "-registry", "file:"+dir, "list")
	require.ErrorIs(t, err, registry.ErrCorrupt)
	damage, ok := errors.AsType[*registry.Error](err)
	require.True(t, ok)
	assert.Equal(t, "list model b", damage.Op+" "+damage.Name)
	assert.Regexp(t, `(?m)^a +1 +1 `, out)
	assert.Regexp(t, `(?m)^c +1 +1 `, out)
}

// requireCommands calls each command on a registry, which is empty.
func requireCommands(t *testing.T, reg registry.Registry, where string) {
	assert.Contains(t, said(t, "-registry", where, "list"), "no models in "+where)
	train(t, reg, "guide", 8, 16, 32)
	assert.Regexp(t, `guide +3 +3 `, said(t, "-registry", where, "list"))
	assert.Regexp(t, `(?s)VERSION.*\n3 +Production +Production +READY.*\n2 +Archived +READY.*\n1 +Archived`, said(t, "list", "guide", "-registry", where))

	text := said(t, "-registry", where, "show", "models:/guide/Production")
	for _, want := range []string{`version +guide 3`, `run name +rank 32`, `run tag user +ada`, `param rank +32`, `metric loss +10.6667 at step 2`, `tag base_model +SmolLM2`,
		`file weights +1000 bytes, SHA-256 [0-9a-f]{64}`, `input training +train.jsonl from data/train.jsonl, digest d{64}`} {
		assert.Regexp(t, want, text)
	}
	text = said(t, "-registry", where, "compare", "models:/guide/1", "models:/guide/3")
	assert.Regexp(t, `\* +param rank +8 +32`, text)
	assert.Regexp(t, `\n +param base +SmolLM2 +SmolLM2`, text)
	assert.Regexp(t, `\* +metric loss +2.66667 at step 2 +10.6667 at step 2`, text)
	assert.Less(t, strings.Index(text, "param rank"), strings.Index(text, "metric loss"))

	require.NoError(t, reg.TagVersion(t.Context(), "guide", 2, map[string]string{program.FingerprintTag: "fp_one fp_two"}))
	assert.Regexp(t, `(?s)^version +guide 2\n.*run name +rank 16`, said(t, "-registry", where, "whence", "fp_two"))
	_, err := call(t, "-registry", where, "whence", "fp_t")
	assert.ErrorContains(t, err, "no version in "+where)
	assert.Equal(t, "guide version 2 is in Production, version 3 is archived\n", said(t, "-registry", where, "rollback", "guide"))
	assert.Equal(t, "guide version 1 is in Production, version 2 is archived\n", said(t, "-registry", where, "rollback", "guide"))
	_, err = call(t, "-registry", where, "rollback", "guide")
	assert.ErrorContains(t, err, "promote one by its number")
	assert.Equal(t, "guide version 3 is in Production, version 1 is archived\n", said(t, "-registry", where, "promote", "guide", "3", "-by", "Ada", "-why", "mended by hand"))
	assert.Regexp(t, `(?s)^WHEN +STAGE +VERSION +FROM +BY +WHY +VERDICT\n\S+ \S+ +Production +3 +1 +Ada +mended by hand\n\S+ \S+ +Production +1 +2 +\S+ +rollback from version 2\n`,
		said(t, "-registry", where, "history", "guide"))
	assert.Equal(t, "guide version 1 is in Production, version 3 is archived\n", said(t, "-registry", where, "rollback", "guide"), "and not 2, which was rolled back from")
	assert.Regexp(t, `(?s)\nreplaced +\S+ \S+ in Production by version 1\npromoted +\S+ \S+ to Production by Ada: mended by hand\nreplaced .*\npromoted `,
		said(t, "-registry", where, "show", "models:/guide/3"))
	said(t, "-registry", where, "promote", "guide", "3")
	assert.Regexp(t, `^guide 3: \d+ files, \d+ bytes, are as they were logged(\npromoted \S+ \S+ to Production by [^\n]+){3}\n$`,
		said(t, "-registry", where, "verify", "guide/Production"))
	assert.Equal(t, "guide version 2 is in Staging\n", said(t, "-registry", where, "promote", "guide", "2", "staging"))
	_, err = call(t, "-registry", where, "promote", "guide", "9")
	require.ErrorIs(t, err, registry.ErrNotFound)
	_, err = call(t, "-registry", where, "show", "models:/guides/Production")
	require.ErrorIs(t, err, registry.ErrNotFound)
	requireGate(t, reg, where)
}

// requireGate: a worse version stays where it is and a better one goes through, whichever registry keeps them.
func requireGate(t *testing.T, reg registry.Registry, where string) {
	for _, reworded := range []float64{0.5, 0.3, 0.6} {
		run, err := reg.StartRun(t.Context(), "guides", "", nil)
		require.NoError(t, err)
		require.NoError(t, run.LogMetrics(t.Context(), 1, map[string]float64{"eval/reworded": reworded}))
		source, err := run.LogModel(t.Context(), "model", fstest.MapFS{"weights": {Data: fmt.Append(nil, reworded)}})
		require.NoError(t, err)
		_, err = reg.Register(t.Context(), "judged", source, nil)
		require.NoError(t, err)
		require.NoError(t, run.End(t.Context(), registry.Finished))
	}
	assert.Equal(t, "gate: passed 1 rules\njudged version 1 is in Production\n", said(t, "-registry", where, "promote", "judged", "1"))
	out, err := call(t, "-registry", where, "promote", "judged", "2")
	require.ErrorContains(t, err, "judged version 2 does not pass the gate: failed: reworded >= production - 5 points (0.3 against 0.45)")
	assert.Contains(t, out, "gate: failed")
	v, err := reg.Resolve(t.Context(), registry.URI{Name: "judged", Stage: registry.Production})
	require.NoError(t, err)
	assert.Equal(t, 1, v.Number)
	assert.Contains(t, said(t, "-registry", where, "promote", "judged", "3"), "version 3 is in Production, version 1 is archived")
	assert.Contains(t, said(t, "-registry", where, "promote", "judged", "2", "-anyway"), "version 2 is in Production")
	assert.Regexp(t, `(?s)Production +2 +3 .*failed: reworded.*Production +3 +1 .*passed 1 rules`, said(t, "-registry", where, "history", "judged"))
}

// TestVerifyReport: what the report of a run says of its version is held against the registry.
func TestVerifyReport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "registry")
	store, err := local.Open(dir, local.Options{})
	require.NoError(t, err)
	defer store.Close()
	for i, test := range []struct {
		promoted, claimed bool
		digest, want      string
	}{
		{promoted: true, claimed: true, digest: "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}, // of "x"
		{promoted: true, claimed: true, digest: "00", want: "its digests of the files are not those of the registry"},
		{claimed: true, digest: "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", want: "says that the version was promoted"},
	} {
		run, err := store.StartRun(t.Context(), "guides", "", nil)
		require.NoError(t, err)
		source, err := run.LogModel(t.Context(), "model", fstest.MapFS{"weights": {Data: []byte("x")}})
		require.NoError(t, err)
		v, err := store.Register(t.Context(), "guide", source, nil)
		require.NoError(t, err)
		if test.promoted {
			_, err = store.Promote(t.Context(), "guide", v.Number, registry.PromoteOptions{})
			require.NoError(t, err)
		}
		text, err := json.Marshal(report.Lineage{Model: report.ModelOrigin{Name: "guide", Version: i + 1, Promoted: test.claimed, Files: map[string]string{"weights": test.digest}}})
		require.NoError(t, err)
		require.NoError(t, run.LogArtifacts(t.Context(), "", fstest.MapFS{report.LineageFile: {Data: text}}))
		require.NoError(t, run.End(t.Context(), registry.Finished))
		out, err := call(t, "-registry", "file:"+dir, "verify", fmt.Sprintf("guide/%d", v.Number))
		if test.want == "" {
			require.NoError(t, err)
			assert.Contains(t, out, "as they were logged, and as the report of the run says\npromoted ")
			continue
		}
		require.ErrorIs(t, err, registry.ErrCorrupt)
		assert.ErrorContains(t, err, test.want)
	}
}

func server(t *testing.T) (*mlflow.Client, string) {
	t.Helper()
	fake := mlflowtest.NewFake()
	listener := httptest.NewServer(fake)
	t.Cleanup(func() {
		listener.Close()
		assert.Empty(t, fake.Faults())
	})
	return clientOf(t, listener.URL), listener.URL
}

func clientOf(t *testing.T, url string) *mlflow.Client {
	t.Helper()
	client, err := mlflow.New(mlflow.Options{URL: url})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

// TestCopy takes a version from a folder to MLflow and from there to another folder: files, run and metrics are those
// of the first.
func TestCopy(t *testing.T) {
	client, url := server(t)
	requireCopies(t, client, url)
}

func requireCopies(t *testing.T, client *mlflow.Client, url string) {
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
	store, err := local.Open(from, local.Options{})
	require.NoError(t, err)
	defer store.Close()
	train(t, store, "copied", 8, 16)
	assert.Equal(t, "models:/copied/Production is copied version 1 in "+url+"\n", said(t, "-registry", "file:"+from, "copy", "models:/copied/Production", url))
	assert.Contains(t, said(t, "-registry", url, "copy", "models:/copied/latest", "file:"+to), "copied version 1 in file:"+to)
	assert.Contains(t, said(t, "-registry", "file:"+to, "copy", "models:/copied/1", url), "copied version 2 in "+url)

	last, err := local.Open(to, local.Options{MustExist: true})
	require.NoError(t, err)
	defer last.Close()
	back, err := client.Get(t.Context(), "copied", 2)
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "back")
	require.NoError(t, client.Download(t.Context(), back, dir))
	text, err := os.ReadFile(filepath.Join(dir, "MLmodel"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "model_id: "+back.ModelID, "its own, not that of the version it was copied from")
	for _, reg := range []registry.Registry{client, last} {
		v, err := reg.Get(t.Context(), "copied", 1)
		require.NoError(t, err)
		assert.Equal(t, registry.None, v.Stage, "it is promoted when somebody says so")
		assert.Equal(t, "SmolLM2", v.Tags["base_model"])
		info, err := reg.GetRun(t.Context(), v.RunID)
		require.NoError(t, err)
		assert.Equal(t, registry.Finished, info.Status)
		assert.Equal(t, "guides", info.Experiment)
		assert.Equal(t, "rank 16", info.Name)
		assert.Equal(t, map[string]string{"rank": "16", "base": "SmolLM2"}, info.Params)
		assert.Equal(t, "ada", info.Tags["user"])
		assert.Equal(t, strings.Repeat("d", 64), info.Inputs[0].Digest)
		points := 0
		for m, err := range reg.MetricHistory(t.Context(), v.RunID, "loss") {
			require.NoError(t, err)
			assert.Equal(t, 16/float64(points+1), m.Value)
			points++
		}
		assert.Equal(t, 3, points)
		dir := filepath.Join(t.TempDir(), "out")
		require.NoError(t, reg.Download(t.Context(), v, dir))
		got, err := os.ReadFile(filepath.Join(dir, "weights"))
		require.NoError(t, err)
		assert.Equal(t, bytes.Repeat([]byte{16}, 1000), got)
	}
}

func TestWrongCommands(t *testing.T) {
	for args, want := range map[string]string{
		"":                               "nothing to do",
		"remove x":                       `no command "remove"`,
		"list a b":                       "list [MODEL]",
		"show":                           "show REF",
		"show guide":                     "models:/name/Production",
		"compare models:/a/1":            "compare REF REF...",
		"promote guide":                  "promote MODEL N [STAGE]",
		"promote guide latest":           "not the number of a version",
		"verify guide":                   "a model without version",
		"history a b":                    "b is one operand too many",
		"sign models:/a/1":               "KEY is missing",
		"promote guide 1 prod":           "Staging, Production",
		"rollback":                       "rollback MODEL",
		"copy models:/a/1":               "copy REF WHERE",
		"copy models:/a/1 elsewhere":     "must be file:DIR",
		"list -registry file:not/there":  "no such directory",
		"list -registry http://a:b@host": "MLFLOW_TRACKING_USERNAME",
	} {
		_, err := call(t, strings.Fields(args)...)
		require.Error(t, err, args)
		assert.ErrorContains(t, err, want, args)
	}
	help, err := call(t, "-h")
	require.NoError(t, err)
	assert.Contains(t, help, "rollback MODEL")
	explained, err := call(t, "-explain", "list")
	require.NoError(t, err)
	assert.Contains(t, explained, "registry")
}
