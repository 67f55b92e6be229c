package writer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/questions"
	"github.com/docent-ml/docent/dataset/questions/writer"
	"github.com/docent-ml/docent/serve"
)

const passage = "The tower of Brenn was painted green in spring. Its bell is called Old Maud. The tower is at least 42 m high."

func doc() []questions.Document {
	return []questions.Document{{Source: "brenn.txt", Pages: []string{passage}, Passages: []dataset.Passage{{ID: "brenn.txt#0", Source: "brenn.txt", Text: passage}}}}
}

// write is what a good model writes, and reads: one fact that holds, one that is invented, one that it answers otherwise.
func write(system string, user string) string {
	switch {
	case strings.HasPrefix(system, "You reword"):
		return `{"questions":["How is the bell called that hangs at Brenn?","I hear Old Maud ring: what is it?"," ","What height has the tower?","name of brenn's bell"]}`
	case strings.HasPrefix(system, "You write"):
		return "Here you are:\n```json\n" + `{"facts":[{"answer":"Old Maud","questions":["What is the bell of Brenn called?","Name of the bell at Brenn?"]},` +
			`{"answer":"Young Maud","questions":["Who rings at Brenn?"]},{"answer":"green","questions":["What colour is the door of Brenn?"]}]}` + "\n```"
	case strings.Contains(user, "bell"):
		return "old maud."
	}
	return "not said"
}

// server speaks as much of OpenAI's API as the endpoint needs.
func server(t *testing.T, asked *atomic.Int32, answer func(w http.ResponseWriter, n int32) bool) writer.Endpoint {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		var body struct {
			Model    string
			Messages []struct{ Content string }
		}
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&body))
		assert.Equal(t, "Bearer secret", r.Header.Get("Authorization"))
		assert.Equal(t, "/v1/chat/completions", r.URL.Path)
		if answer != nil && answer(w, n) {
			return
		}
		content, _ := json.Marshal(write(body.Messages[0].Content, body.Messages[1].Content))
		fmt.Fprintf(w, `{"choices":[{"message":{"content":%s}}],"usage":{"prompt_tokens":100,"completion_tokens":20}}`, content)
	}))
	t.Cleanup(s.Close)
	return writer.Endpoint{URL: s.URL + "/v1/", Key: "secret", Model: "m", Wait: time.Millisecond, Timeout: 200 * time.Millisecond}
}

func made(t *testing.T, o questions.Options) (map[string][]string, questions.Report) {
	t.Helper()
	facts, report, err := questions.FromDocuments(t.Context(), doc(), o)
	require.NoError(t, err)
	answers := map[string][]string{}
	for _, f := range facts {
		answers[f.Answer] = f.Wordings()
	}
	return answers, report
}

func TestEndpoint(t *testing.T) {
	var asked atomic.Int32
	o := questions.Options{Generator: server(t, &asked, nil), CacheDir: t.TempDir()}
	answers, report := made(t, o)
	assert.Subset(t, answers["Old Maud"], []string{"What is the bell of Brenn called?", "Name of the bell at Brenn?"})
	assert.NotContains(t, answers, "Young Maud")
	assert.NotContains(t, answers, "green")
	assert.Equal(t, 1, report.Dropped["the answer stands nowhere in the passage"])
	assert.Equal(t, 1, report.Dropped["the model that reads the passage answers otherwise"])
	assert.Equal(t, 300, report.PromptTokens)
	assert.Equal(t, 60, report.OutputTokens)
	assert.EqualValues(t, 3, asked.Load())
	assert.Empty(t, report.Faults)

	again, report := made(t, o)
	assert.Equal(t, answers, again)
	assert.Equal(t, 1, report.Cached)
	assert.EqualValues(t, 3, asked.Load(), "what was written is not asked for again")

	entries, err := os.ReadDir(o.CacheDir)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(o.CacheDir+"/"+entries[0].Name(), []byte("{half"), 0o600))
	again, _ = made(t, o)
	assert.Equal(t, answers, again, "a damaged file is written anew")
}

func TestEndpointFaults(t *testing.T) {
	status := func(code int, text string) func(http.ResponseWriter, int32) bool {
		return func(w http.ResponseWriter, _ int32) bool {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, text)
			return true
		}
	}
	for _, test := range []struct {
		name   string
		answer func(http.ResponseWriter, int32) bool
		asked  int32
		fault  string // in the report; empty if all goes well in the end
	}{
		{"key", status(401, `{"error":"bad key"}`), 1, `the model is not asked any more: the model cannot be asked: the key is refused: endpoint: `},
		{"model", status(404, "no such model"), 1, "neither this address nor this model may be there"},
		{"request", status(400, "no response_format"), 1, `400 Bad Request: "no response_format"`},
		{"down", status(503, "starting"), 4, "503 Service Unavailable: \"starting\" (tried 4 times)"},
		{"html", status(200, "<html><h1>Welcome</h1>"), 4, `answers with something else than JSON: "<html><h1>Welcome</h1>"; is it the address of an API, ending in /v1?`},
		{"other", status(200, `{"ok":true}`), 4, "answers without choices"},
		{"prose", status(200, `{"choices":[{"message":{"content":"I would love to help."}}]}`), 1, `no JSON in "I would love to help."`},
		{"schema", status(200, `{"choices":[{"message":{"content":"{\"facts\": \"none\"}"}}]}`), 1, "not the JSON that was asked for"},
		{"no facts", status(200, `{"choices":[{"message":{"content":"{\"questions\": []}"}}]}`), 1, "JSON without facts"},
		{"slow", func(w http.ResponseWriter, n int32) bool { time.Sleep(400 * time.Millisecond); return true }, 4, "context deadline exceeded"},
		{"busy", func(w http.ResponseWriter, n int32) bool {
			if n < 3 {
				w.WriteHeader(429)
			}
			return n < 3
		}, 5, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			facts, report, err := questions.FromDocuments(t.Context(), doc(), questions.Options{Generator: server(t, &asked, test.answer)})
			require.NoError(t, err)
			assert.Equal(t, test.asked, asked.Load())
			assert.NotEmpty(t, facts, "the questions of the rules are not lost")
			if test.fault == "" {
				assert.Empty(t, report.Faults)
				return
			}
			assert.Contains(t, strings.Join(report.Faults, "\n"), test.fault)
			assert.Contains(t, report.String(), "fault: ")
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		answers, report := made(t, questions.Options{Generator: writer.Endpoint{URL: "http://127.0.0.1:1/v1", Model: "m", Retries: -1}})
		assert.NotEmpty(t, answers)
		assert.Contains(t, report.Faults[0], "connection refused")
	})
}

func TestBudget(t *testing.T) {
	var asked atomic.Int32
	answers, report := made(t, questions.Options{Generator: server(t, &asked, nil), Budget: 100})
	assert.EqualValues(t, 1, asked.Load())
	assert.NotContains(t, answers["Old Maud"], "Name of the bell at Brenn?", "it could not be checked")
	assert.Equal(t, 1, report.Dropped["the budget was spent before the passage was asked about"])
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int32
	e := server(t, &asked, func(w http.ResponseWriter, _ int32) bool { cancel(); time.Sleep(50 * time.Millisecond); return false })
	_, _, err := questions.FromDocuments(ctx, doc(), questions.Options{Generator: e})
	assert.ErrorIs(t, err, context.Canceled)
}

// fake is a model of package serve.
type fake struct{ formats *[]serve.Format }

func (fake) Info() serve.Info { return serve.Info{Fingerprint: "fp_1", Constrained: true} }

func (f fake) Generate(_ context.Context, r serve.Request) iter.Seq2[serve.Delta, error] {
	return func(yield func(serve.Delta, error) bool) {
		*f.formats = append(*f.formats, r.Format)
		text := write(r.Messages[0].Content, r.Messages[1].Content)
		_ = yield(serve.Delta{Start: &serve.Start{PromptTokens: 7}}, nil) && yield(serve.Delta{Text: text[:3], Sampled: 1}, nil) &&
			yield(serve.Delta{Text: text[3:], Sampled: 2, Finish: serve.FinishStop}, nil)
	}
}

func TestServed(t *testing.T) {
	var formats []serve.Format
	answers, report := made(t, questions.Options{Generator: writer.Served("own", fake{&formats}), Concurrency: 1})
	assert.Contains(t, answers["Old Maud"], "Name of the bell at Brenn?")
	assert.Equal(t, 21, report.PromptTokens)
	assert.Equal(t, 9, report.OutputTokens)
	assert.True(t, formats[0].JSON)
	assert.True(t, json.Valid(formats[0].Schema))
	assert.False(t, formats[1].JSON, "a short answer is no JSON")
}

func TestRewordAll(t *testing.T) {
	facts := []dataset.GroundedFact{
		{Fact: dataset.Fact{DocID: "brenn.txt", Question: "What is the bell of Brenn called?", Answer: "Old Maud", Quote: "Its bell is called Old Maud."}},
		{Fact: dataset.Fact{DocID: "brenn.txt", Question: "What height has the tower?", Questions: []string{"How tall?", "How high?"}, Answer: "42 m"}},
	}
	var asked atomic.Int32
	o := questions.Options{Wordings: 3, Generator: server(t, &asked, nil), CacheDir: t.TempDir()}
	for range 2 { // the second time from the cache
		out, report, err := questions.RewordAll(t.Context(), facts, o)
		require.NoError(t, err)
		assert.Equal(t, []string{"What is the bell of Brenn called?", "How is the bell called that hangs at Brenn?", "name of brenn's bell"}, out[0].Wordings(),
			"the answer is not in a question, and another fact's question is not taken")
		assert.Equal(t, facts[1].Wordings(), out[1].Wordings(), "it has three")
		assert.Empty(t, report.Faults)
		assert.Len(t, facts[0].Questions, 0, "what was given stays")
	}
	assert.Equal(t, int32(1), asked.Load())

	out, report, err := questions.RewordAll(t.Context(), facts, questions.Options{Wordings: 4, Generator: writer.Endpoint{URL: "http://127.0.0.1:1/v1", Model: "m", Retries: -1}})
	require.NoError(t, err)
	assert.Len(t, out[0].Wordings(), 4, "the rules are there in any case")
	assert.NotEmpty(t, report.Faults)
}
