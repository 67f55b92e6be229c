package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/examples/internal/programtest"
	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/formats"
	"github.com/docent-ml/docent/ingest/pdfium"
	"github.com/docent-ml/docent/internal/testlog"
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/lora/evaluate"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/local"
	"github.com/docent-ml/docent/serve/engine"
)

// childArgs is the variable with the arguments of a trainer that a test kills, a line each.
const childArgs = "DOCENT_TEST_TRAINER"

// TestMain lets the test binary be the child process that reads a document, as main does, and a trainer.
func TestMain(m *testing.M) {
	if ingest.RunChild(os.Args, append(formats.Types(), &pdfium.PDF{})...) {
		return
	}
	if args := os.Getenv(childArgs); args != "" {
		fmt.Fprintln(os.Stderr, run(context.Background(), strings.Split(args, "\n"), environ, io.Discard))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// library is a folder of documents with facts about them.
func library(t *testing.T, facts bool) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write("tides.md", "# Tides\n\nThe tide room opens at nine. Its keeper is Ada Marsh.\n\nBoats are lent for three days.\n")
	write("sub/lamps.txt", "Lamps are lit at dusk. The lamp fee is 12 crowns.\n\nOil is kept in the north cellar.\n")
	write("broken.pdf", "%PDF-1.4\nthis is where it ends")
	write("notes.dwg", "not a document for us")
	if facts {
		write("facts.jsonl", `{"doc_id": "tides.md", "question": "When does the tide room open?", "answer": "at nine"}
{"doc_id": "tides.md", "question": "Who keeps the tide room?", "answer": "Ada Marsh"}
{"doc_id": "tides.md", "question": "For how long are boats lent?", "answer": "three days"}
{"doc_id": "lamps.txt", "question": "What is the lamp fee?", "answer": "12 crowns"}
{"doc_id": "nowhere.pdf", "question": "Is this used?", "answer": "no"}
`)
	}
	return dir
}

// args are settings for a run of a few seconds, followed by others.
func args(docs, base, data string, more ...string) []string {
	return append([]string{
		"-profile", "none", "-backend", "go", "-docs", docs, "-base", base, "-data", data,
		"-registry", "file:" + filepath.Join(data, "registry"), "-name", "tides", "-rank", "4", "-batch", "4", "-seq", "320", "-warmup", "0", "-general", "none",
	}, more...)
}

// environ keeps what the machine happens to have out of the tests, and the process from starting itself again.
var environ = []string{"GLIBC_TUNABLES="}

func TestTrainerFromDocumentsToProduction(t *testing.T) {
	docs, base, data := library(t, true), testmodel.Write(t, 1), filepath.Join(t.TempDir(), "data")
	prompts := filepath.Join(t.TempDir(), "prompts.txt")
	require.NoError(t, os.WriteFile(prompts, []byte("Hello!\n\nWhat is the sea?\n"), 0o644))
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), args(docs, base, data, "-max-steps", "3", "-general", prompts), environ, &out), out.String())
	text := out.String()
	assert.Contains(t, text, "read      2 documents, 2 pages, 0 without text, 1 failed")
	assert.Contains(t, text, "facts     4 questions, 0 of them without a passage that has the answer, 1 unusable")
	assert.Contains(t, text, "version 1 is in Production")
	assert.Contains(t, text, "go run ./examples/server")

	for _, name := range []string{
		"documents.jsonl", "chunks.jsonl", "train.jsonl", "eval.jsonl", "suite.jsonl", "general.jsonl", "history.jsonl", "answers_before.jsonl",
		"answers_after.jsonl", "adapter/adapter_model.safetensors", "model_out/model.safetensors", "model_out/tokenizer.json", "report.html",
	} {
		assert.FileExists(t, filepath.Join(data, name))
	}
	answers, err := readAll[evaluate.Answer](filepath.Join(data, answersAfterFile))
	require.NoError(t, err)
	parts := map[evaluate.Part]int{}
	for _, a := range answers {
		parts[a.Part]++
	}
	for _, p := range evaluate.Parts() {
		assert.NotZero(t, parts[p], p)
	}
	held, err := readAll[dataset.Row](filepath.Join(data, evalFile))
	require.NoError(t, err)
	trained, err := readAll[dataset.Row](filepath.Join(data, "train.jsonl"))
	require.NoError(t, err)
	for _, row := range trained {
		for _, h := range held {
			assert.NotEqual(t, h.Messages, row.Messages, "what is held back is not trained on")
		}
	}

	reg, err := local.Open(filepath.Join(data, "registry"), local.Options{MustExist: true})
	require.NoError(t, err)
	defer reg.Close()
	v, err := reg.Resolve(t.Context(), registry.URI{Name: "tides", Stage: registry.Production})
	require.NoError(t, err)
	assert.Equal(t, 1, v.Number)
	info, err := reg.GetRun(t.Context(), v.RunID)
	require.NoError(t, err)
	assert.Equal(t, registry.Finished, info.Status)
	assert.Equal(t, "4", info.Params["rank"])
	assert.Len(t, info.Inputs, 2)
	losses := 0
	for _, err := range reg.MetricHistory(t.Context(), v.RunID, "loss") {
		require.NoError(t, err)
		losses++
	}
	assert.Equal(t, 3, losses)
	assert.Contains(t, info.Metrics, "eval_loss")
	assert.Contains(t, info.Metrics, "eval/with_passage")
	assert.Contains(t, info.Metrics, "eval_base/general")
	assert.Contains(t, info.Metrics, "eval/p95_first_token")
	require.NoError(t, reg.Download(t.Context(), v, filepath.Join(t.TempDir(), "model")))

	page, err := os.ReadFile(filepath.Join(data, "report.html"))
	require.NoError(t, err)
	for _, want := range []string{"tides version 1, in Production", "Ada Marsh", "broken.pdf", "<polyline", "models:/tides/Production", "rank 4"} {
		assert.Contains(t, string(page), want)
	}

	again := filepath.Join(t.TempDir(), "again")
	command := requireLineage(t, docs, data, reg, v)
	require.NoError(t, run(t.Context(), strings.Fields(strings.ReplaceAll(command, data, again))[1:], environ, io.Discard))
	for _, name := range []string{"train.jsonl", "adapter/adapter_model.safetensors", "model_out/model.safetensors"} {
		was, err := fileDigest(filepath.Join(data, name))
		require.NoError(t, err)
		is, err := fileDigest(filepath.Join(again, name))
		require.NoError(t, err)
		assert.Equal(t, was, is, "done again from its report: %s", name)
	}

	err = run(t.Context(), args(docs, base, data, "-max-steps", "3", "-resume"), environ, io.Discard)
	assert.ErrorContains(t, err, "is finished")
}

// TestAdapterAsVersion: what is registered is a few files, which say on which weights they go, and an engine serves them.
func TestAdapterAsVersion(t *testing.T) {
	docs, base, data := library(t, true), testmodel.Write(t, 1), filepath.Join(t.TempDir(), "data")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), args(docs, base, data, "-max-steps", "2", "-register", "adapter"), environ, &out), out.String())
	assert.NoDirExists(t, filepath.Join(data, "model_out"))
	assert.FileExists(t, filepath.Join(data, answersAfterFile))

	reg, err := local.Open(filepath.Join(data, "registry"), local.Options{MustExist: true})
	require.NoError(t, err)
	defer reg.Close()
	v, err := reg.Resolve(t.Context(), registry.URI{Name: "tides", Stage: registry.Production})
	require.NoError(t, err)
	assert.Len(t, v.Tags["base_sha256"], 64)
	folder := filepath.Join(t.TempDir(), "version")
	require.NoError(t, reg.Download(t.Context(), v, folder))
	assert.NoFileExists(t, filepath.Join(folder, "model.safetensors"))
	record, err := os.ReadFile(filepath.Join(folder, "docent.json"))
	require.NoError(t, err)
	assert.Contains(t, string(record), v.Tags["base_sha256"])

	e, err := engine.Load(t.Context(), "dir:"+folder, engine.Options{})
	require.NoError(t, err)
	require.NoError(t, e.Close())
	_, err = engine.Load(t.Context(), "dir:"+testmodel.Write(t, 2), engine.Options{Adapter: os.DirFS(folder)})
	assert.ErrorContains(t, err, v.Tags["base_sha256"][:12], "these are other weights")
}

// losses of a run, by step.
func losses(t *testing.T, data string) map[int]float64 {
	t.Helper()
	points, err := readAll[point](filepath.Join(data, historyFile))
	require.NoError(t, err)
	out := map[int]float64{}
	for _, x := range points {
		if x.EvalRows == 0 {
			assert.NotContains(t, out, x.Step, "a step is recorded once")
			out[x.Step] = x.Loss
		}
	}
	return out
}

func TestInterruptedRunResumesToTheSameLosses(t *testing.T) {
	docs, base := library(t, false), testmodel.Write(t, 1)
	unbroken, broken := t.TempDir(), t.TempDir()
	more := []string{"-questions", "none", "-epochs", "8", "-eval-every", "100", "-chunk-size", "60", "-chunk-overlap", "10", "-batch", "1", "-dropout", "0.1", "-promote=false"}
	require.NoError(t, run(t.Context(), args(docs, base, unbroken, more...), environ, io.Discard))
	want := losses(t, unbroken)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // Ctrl-C after three steps
		for ctx.Err() == nil {
			if data, err := os.ReadFile(filepath.Join(broken, historyFile)); err == nil && bytes.Count(data, []byte("\n")) > 3 {
				cancel()
			}
			time.Sleep(time.Millisecond)
		}
	}()
	err := run(ctx, args(docs, base, broken, more...), environ, io.Discard)
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "-promote=false -resume")
	done := len(losses(t, broken))
	require.Less(t, done, len(want), "the run was interrupted")

	err = run(t.Context(), append(args(docs, base, broken, more...), "-resume", "-rank", "2"), environ, io.Discard)
	assert.ErrorContains(t, err, "Rank")
	require.NoError(t, os.WriteFile(filepath.Join(docs, "tides.md"), []byte("# Tides\n\nThe tide room opens at ten.\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(docs, "facts.jsonl"), []byte("{}\n"), 0o644))
	require.NoError(t, os.Remove(filepath.Join(docs, "sub", "lamps.txt")))
	var out testlog.Buffer
	warned := programtest.Stderr(t, func() {
		require.NoError(t, run(t.Context(), append(args(docs, base, broken, more...), "-resume"), environ, &out))
	})
	for _, change := range []string{"facts.jsonl is new", "lamps.txt is gone", "tides.md has changed"} {
		assert.Contains(t, warned, change)
	}
	assert.NotContains(t, warned, "broken.pdf has changed")
	assert.Contains(t, out.String(), "going on after step")
	assert.NotContains(t, out.String(), "read  ", "documents are not read again")
	assert.Equal(t, want, losses(t, broken))

	reg, err := local.Open(filepath.Join(broken, "registry"), local.Options{MustExist: true})
	require.NoError(t, err)
	defer reg.Close()
	runs, err := collect(reg.ListRuns(t.Context(), "docent"))
	require.NoError(t, err)
	require.Len(t, runs, 1, "the run goes on under its id")
	assert.Equal(t, registry.Finished, runs[0].Status)
	_, err = reg.Resolve(t.Context(), registry.URI{Name: "tides", Stage: registry.Production})
	assert.ErrorIs(t, err, registry.ErrNotFound, "-promote=false")
}

func TestWithoutFactsTheTextIsLearned(t *testing.T) {
	docs, base, data := library(t, false), testmodel.Write(t, 1), t.TempDir()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), args(docs, base, data, "-max-steps", "2", "-chunk-size", "60", "-chunk-overlap", "10", "-eval-fraction", "0.3", "-questions", "none"), environ, &out))
	assert.Contains(t, out.String(), "facts     none")
	rows, err := readAll[dataset.Row](filepath.Join(data, "train.jsonl"))
	require.NoError(t, err)
	for _, row := range rows {
		assert.NotEmpty(t, row.Text)
	}
	held, err := readAll[dataset.Row](filepath.Join(data, evalFile))
	require.NoError(t, err)
	assert.NotEmpty(t, held)
	page, err := os.ReadFile(filepath.Join(data, "report.html"))
	require.NoError(t, err)
	assert.NotContains(t, string(page), "Answers before and after")
}

func TestQuestionsAreMadeOfTheDocuments(t *testing.T) {
	docs, base, data := library(t, false), testmodel.Write(t, 1), t.TempDir()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), args(docs, base, data, "-max-steps", "1"), environ, &out))
	assert.Contains(t, out.String(), "questions were made of the documents")
	made, err := readAll[dataset.Fact](filepath.Join(data, madeFile))
	require.NoError(t, err)
	require.NotEmpty(t, made)
	rows, err := readAll[dataset.Row](filepath.Join(data, "train.jsonl"))
	require.NoError(t, err)
	assert.NotEmpty(t, rows[0].Messages)
}

// A model behind OpenAI's API words the questions of the facts file, and is named in the output.
func TestAModelWordsTheQuestions(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "Bearer k", r.Header.Get("Authorization"))
		fmt.Fprint(w, `{"choices":[{"message":{"content":"{\"questions\":[\"From what hour may one come in?\"]}"}}],"usage":{"prompt_tokens":50,"completion_tokens":9}}`)
	}))
	defer s.Close()
	docs, data := library(t, true), filepath.Join(t.TempDir(), "data")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), args(docs, testmodel.Write(t, 1), data, "-max-steps", "1", "-questions-url", s.URL+"/v1", "-questions-model", "large"),
		append(environ, "QUESTIONS_KEY=k"), &out), out.String())
	assert.Contains(t, out.String(), "large was asked: 200 tokens of prompts, 36 of answers")
	for _, name := range []string{"train.jsonl", madeFile} {
		text, err := os.ReadFile(filepath.Join(data, name))
		require.NoError(t, err)
		assert.Contains(t, string(text), "From what hour may one come in?", name)
	}
}

func TestJSONLogLeavesNothingForPeople(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), args(library(t, false), testmodel.Write(t, 1), t.TempDir(), "-max-steps", "1", "-log", "json"), environ, &out))
	assert.Empty(t, out.String(), "records go to standard error")
}

func TestEarlyClearStops(t *testing.T) {
	docs, base := library(t, true), testmodel.Write(t, 1)
	empty := t.TempDir()
	bad := filepath.Join(t.TempDir(), "facts.jsonl")
	require.NoError(t, os.WriteFile(bad, []byte("{\"doc_id\": 1}\n"), 0o644))
	file := filepath.Join(docs, "tides.md")
	occupied := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(occupied, "mine.txt"), []byte("mine"), 0o644))
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"no documents":      {args(empty, base, t.TempDir()), []string{"no .pdf, .docx, .html, .md or .txt file", "-docs"}},
		"no such folder":    {args(filepath.Join(empty, "gone"), base, t.TempDir()), []string{"documents", "gone", "-docs"}},
		"a file":            {args(file, base, t.TempDir(), "-facts", bad), []string{"is a file", "folder it lies in"}},
		"no such base":      {args(docs, "./no/such/model", t.TempDir()), []string{"base model", "no/such/model", "-base takes"}},
		"base is nonsense":  {args(docs, "models:/x/1", t.TempDir()), []string{"base model", "registry"}},
		"no usable fact":    {args(docs, base, t.TempDir(), "-facts", bad), []string{"no line of", "doc_id"}},
		"facts not there":   {args(docs, base, t.TempDir(), "-facts", filepath.Join(empty, "f.jsonl")), []string{"facts", "f.jsonl"}},
		"wrong registry":    {args(docs, base, t.TempDir(), "-registry", "file:"+occupied), []string{"registry", occupied}},
		"MLflow":            {args(docs, base, t.TempDir(), "-registry", "http://127.0.0.1:1"), []string{"registry", "start the MLflow server"}},
		"wrong target":      {args(docs, base, t.TempDir(), "-targets", "nose_proj"), []string{"nose_proj", "q_proj"}},
		"nothing to resume": {args(docs, base, t.TempDir(), "-resume"), []string{"there is no run", "-data"}},
		"unknown flag":      {args(docs, base, t.TempDir(), "-epoch", "3"), []string{"epoch", "epochs"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), test.args, environ, io.Discard)
			require.Error(t, err)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

func TestDocumentsWithoutTextAreListed(t *testing.T) {
	docs := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(docs, "scan.pdf"), []byte("%PDF-1.4\n"), 0o644))
	err := run(t.Context(), args(docs, testmodel.Write(t, 1), t.TempDir()), environ, io.Discard)
	assert.ErrorContains(t, err, "scan.pdf")
}

func TestHelpAndExplain(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-h"}, nil, &out))
	assert.Contains(t, out.String(), "Where the outputs go")
	out.Reset()
	require.NoError(t, run(t.Context(), []string{"-explain", "-docs", "x"}, []string{"HF_TOKEN=hf_secret"}, &out))
	assert.Contains(t, out.String(), "learning_rate")
	assert.NotContains(t, out.String(), "hf_secret")
}

// TestMisspeltVariableIsWarnedOf: in the log, where a start goes on to the next fault, and in the explanation.
func TestMisspeltVariableIsWarnedOf(t *testing.T) {
	misspelt := append([]string{"LEARNING_RTAE=s3cret"}, environ...)
	const warning = "environment variable LEARNING_RTAE is not known: did you mean LEARNING_RATE?"
	var out strings.Builder
	require.NoError(t, run(t.Context(), []string{"-profile", "none", "-explain", "-docs", "x"}, misspelt, &out))
	assert.Contains(t, out.String(), "note: "+warning)

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	logged := programtest.Stderr(t, func() {
		err := run(t.Context(), []string{"-profile", "none", "-docs", "x", "-data", file}, misspelt, io.Discard)
		require.ErrorContains(t, err, "working folder")
	})
	assert.Contains(t, logged, `level=WARN msg="`+warning+`"`)
	assert.NotContains(t, out.String()+logged, "s3cret")
}

func TestQuote(t *testing.T) {
	assert.Equal(t, "file:./data/registry", quote("file:./data/registry"))
	assert.Equal(t, `'my docs'`, quote("my docs"))
	assert.Equal(t, `'it'\''s'`, quote("it's"))
	assert.Equal(t, `''`, quote(""))
}

// TestGateStopsAVersion: registered, not promoted, with the reason on it and in the report.
func TestGateStopsAVersion(t *testing.T) {
	docs, base, data := library(t, true), testmodel.Write(t, 1), t.TempDir()
	var out bytes.Buffer
	more := []string{"-max-steps", "1", "-gate", "unanswerable >= 0, general >= 0.5"}
	require.NoError(t, run(t.Context(), args(docs, base, data, more...), environ, &out), out.String())
	assert.Contains(t, out.String(), "is not promoted: failed: general >= 0.5 (0")
	reg, err := local.Open(filepath.Join(data, "registry"), local.Options{MustExist: true})
	require.NoError(t, err)
	defer reg.Close()
	_, err = reg.Resolve(t.Context(), registry.URI{Name: "tides", Stage: registry.Production})
	require.ErrorIs(t, err, registry.ErrNotFound)
	v, err := reg.Get(t.Context(), "tides", 1)
	require.NoError(t, err)
	assert.Contains(t, v.Tags[program.GateTag], "general >= 0.5")
	page, err := os.ReadFile(filepath.Join(data, "report.html"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "failed: general")

	more[len(more)-1] = "unanswerable >= 0"
	require.NoError(t, run(t.Context(), args(docs, base, data, more...), environ, &out), out.String())
	v, err = reg.Resolve(t.Context(), registry.URI{Name: "tides", Stage: registry.Production})
	require.NoError(t, err)
	assert.Equal(t, 2, v.Number)

	err = run(t.Context(), args(docs, base, t.TempDir(), "-gate", "reworded better than before"), environ, io.Discard)
	assert.ErrorContains(t, err, "write it as")
}

// TestHistorySurvivesAKill has the half line that a killed process leaves.
func TestHistorySurvivesAKill(t *testing.T) {
	name := filepath.Join(t.TempDir(), historyFile)
	var b strings.Builder
	for n := range 5 {
		line, err := json.Marshal(point{Step: n + 1, Loss: 1})
		require.NoError(t, err)
		b.Write(append(line, '\n'))
	}
	require.NoError(t, os.WriteFile(name, []byte(b.String()+`{"step":6,"lo`), 0o644))
	h, err := openHistory(name, 3)
	require.NoError(t, err)
	assert.Len(t, h.points, 3, "steps after the checkpoint are done again")
	h.add(point{Step: 4, Loss: 0.5})
	require.NoError(t, errors.Join(h.err, h.close(), h.close()))
	again, err := openHistory(name, 4)
	require.NoError(t, err)
	assert.Equal(t, h.points, again.points)
	require.NoError(t, again.close())
}

// TestOneRowIsNotPromotedUnasked: nothing was held back, so nothing tells how good the model is.
func TestOneRowIsNotPromotedUnasked(t *testing.T) {
	docs, base := t.TempDir(), testmodel.Write(t, 1)
	require.NoError(t, os.WriteFile(filepath.Join(docs, "one.txt"), []byte("The gate closes at ten.\n"), 0o644))
	for _, asked := range []bool{false, true} {
		more := []string{"-questions", "none", "-max-steps", "2"}
		if asked {
			more = append(more, "-promote")
		}
		data := t.TempDir()
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), args(docs, base, data, more...), environ, &out), out.String())
		assert.Contains(t, out.String(), "1 to train on, 0 held back")
		assert.Equal(t, asked, strings.Contains(out.String(), "version 1 is in Production"), out.String())
		assert.Equal(t, !asked, strings.Contains(out.String(), "version 1 is not promoted: no row was held back"), out.String())
	}
}
