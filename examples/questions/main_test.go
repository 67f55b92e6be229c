package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/pdfium"
)

func TestMain(m *testing.M) {
	if ingest.RunChild(os.Args, &pdfium.PDF{}) {
		return
	}
	os.Exit(m.Run())
}

const rules = "Rules of the Kelmarsh Library\n\nThe reading room is open from 09:00 to 18:00. Books are lent for 3 weeks. A lost card costs 4 euro.\n"

func folder(t *testing.T) (docs, out string) {
	docs = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(docs, "kelmarsh.txt"), []byte(rules), 0o600))
	return docs, filepath.Join(t.TempDir(), "facts.jsonl")
}

func ran(t *testing.T, environ []string, args ...string) (stdout string, err error) {
	t.Helper()
	var b bytes.Buffer
	err = run(t.Context(), args, environ, &b)
	return b.String(), err
}

func lines(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// Lines that somebody edited stay, and those that somebody took out stay out.
func TestRunKeepsEdits(t *testing.T) {
	docs, out := folder(t)
	stdout, err := ran(t, nil, docs, "-out", out)
	require.NoError(t, err)
	assert.Contains(t, stdout, `about "Kelmarsh" (en)`)
	made := lines(t, out)
	require.GreaterOrEqual(t, len(made), 3)
	assert.Contains(t, made[0], `"passage":"The reading room is open from 09:00 to 18:00."`)
	assert.Contains(t, strings.Join(made, "\n"), `"answer":"3 weeks"`)

	edited := strings.Replace(made[0], `"question":"`, `"question":"Tell me: `, 1)
	require.NoError(t, os.WriteFile(out, []byte(edited+"\n"+strings.Join(made[2:], "\n")+"\n"), 0o600))
	stdout, err = ran(t, nil, docs, "-out", out)
	require.NoError(t, err)
	assert.Contains(t, stdout, fmt.Sprintf("%d lines kept, 0 added", len(made)-1))
	assert.Equal(t, append([]string{edited}, made[2:]...), lines(t, out))

	require.NoError(t, os.WriteFile(out, []byte("{}\n"), 0o600))
	_, err = ran(t, nil, docs, "-out", out)
	assert.ErrorContains(t, err, "facts.jsonl:1: bad row: doc_id is empty")
	assert.ErrorContains(t, err, "nothing was changed")
	assert.Equal(t, []string{"{}"}, lines(t, out))
}

func TestRunWithEndpoint(t *testing.T) {
	docs, out := folder(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer key" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"choices":[{"message":{"content":"{\"facts\":[{\"answer\":\"reading room\",\"questions\":[\"Which room of Kelmarsh opens at nine?\"]}]}"}}],"usage":{"prompt_tokens":1000,"completion_tokens":500}}`)
	}))
	t.Cleanup(s.Close)
	args := []string{"-out", out, docs, "-questions-url", s.URL + "/v1", "-questions-model", "m", "-price-in", "1", "-price-out", "2"}
	stdout, err := ran(t, []string{"QUESTIONS_KEY=wrong"}, args...)
	require.NoError(t, err, "the rules' questions are there in any case")
	assert.Contains(t, stdout, "fault: the model is not asked any more: the model cannot be asked: the key is refused")
	before := lines(t, out)

	stdout, err = ran(t, []string{"QUESTIONS_KEY=key"}, args...)
	require.NoError(t, err)
	assert.Contains(t, stdout, "the model took 2000 tokens of prompts and 1000 of answers")
	assert.Contains(t, stdout, "cost: 0.0040")
	after := lines(t, out)
	assert.Equal(t, before, after[:len(before)])
	assert.Contains(t, after[len(after)-1], "Which room of Kelmarsh opens at nine?")

	stdout, err = ran(t, []string{"QUESTIONS_KEY=key"}, args...)
	require.NoError(t, err)
	assert.Contains(t, stdout, "0 tokens of prompts and 0 of answers; 1 passages were known")
}

func TestFlags(t *testing.T) {
	docs, out := folder(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "one folder must be named, not 0"},
		{[]string{docs}, "-out must name the file"},
		{[]string{docs, "-out", out, "-questions-url", "http://x/v1"}, "-questions-url and -questions-model belong together"},
		{[]string{docs, "-out", out, "-model", "m", "-questions-url", "http://x/v1", "-questions-model", "m"}, "name one of them"},
		{[]string{docs, "-out", out, "-wordings", "0"}, "-wordings and -concurrency must be above 0"},
		{[]string{t.TempDir(), "-out", out}, "no document in"},
		{[]string{filepath.Join(docs, "nowhere"), "-out", out}, "nowhere"},
	} {
		_, err := ran(t, nil, test.args...)
		assert.ErrorContains(t, err, test.want)
	}
	stdout, err := ran(t, nil, "-h")
	require.NoError(t, err)
	assert.Contains(t, stdout, "-questions-url")
	assert.NoFileExists(t, out)
}
