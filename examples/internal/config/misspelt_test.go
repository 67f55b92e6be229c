package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// missed are the names that the notes ask about, "GIVEN MEANT".
func missed(t *testing.T, e *Explain) []string {
	t.Helper()
	var out []string
	for _, note := range e.Notes {
		if rest, ok := strings.CutPrefix(note, "environment variable "); ok {
			given, meant, ok := strings.Cut(rest, " is not known: did you mean ")
			require.True(t, ok, note)
			out = append(out, given+" "+strings.TrimSuffix(meant, "?"))
		}
	}
	return out
}

func TestMisspeltInTheEnvironment(t *testing.T) {
	for given, meant := range map[string]string{
		"MODEL_SORUCE":           "MODEL_SOURCE", // letters changed places
		"MODLE_NAME":             "MODEL_NAME",
		"MODEL_NAEM":             "MODEL_NAME",
		"MODEL_SOURC":            "MODEL_SOURCE", // one is missing
		"MLFLOW_TRACKING_URL":    "MLFLOW_TRACKING_URI",
		"MLFLOW_TRACKNG_URI":     "MLFLOW_TRACKING_URI",
		"MLFOW_TRACKING_TOKEN":   "MLFLOW_TRACKING_TOKEN",
		"REQUEST_PER_MINUTE":     "REQUESTS_PER_MINUTE",
		"LOG_LEVELL":             "LOG_LEVEL",             // one too many
		"REGISTRED_MODLE_NAME":   "",                      // two words
		"REGISTERT_MODEL_NAME":   "REGISTERED_MODEL_NAME", // two in a long word
		"MODELSOURCE":            "MODEL_SOURCE",          // underscores
		"HUGGINGFACE_HUB_TOKEN":  "HUGGING_FACE_HUB_TOKEN",
		"max_loaded_models":      "MAX_LOADED_MODELS",
		"MODEL_SOURCE_":          "MODEL_SOURCE",
		"MODEL":                  "",
		"MODE":                   "",
		"MIN_MODEL_BYTES":        "",
		"DOCENT_CACHE":           "",
		"LEARNING_RAET":          "", // the trainer's
		"EPOCH":                  "",
		"MODEL_SOURCE_DIRECTORY": "",
	} {
		_, explain, err := LoadServer(Input{Environ: []string{given + "=s3cret"}})
		require.NoError(t, err, given)
		if meant == "" {
			assert.Empty(t, missed(t, explain), given)
			continue
		}
		assert.Equal(t, []string{given + " " + meant}, missed(t, explain))
		page := explain.String()
		assert.Contains(t, page, "\nnote: environment variable "+given+" is not known: did you mean "+meant+"?\n")
		assert.NotContains(t, page, "s3cret", "the value may be a password")
	}
	_, explain, err := LoadTrainer(Input{Environ: []string{"PDF_DRI=d", "EPOCH=2", "LEARNING_RAET=1", "MODEL_SORUCE=x"}, Args: []string{"-docs", "d"}})
	require.NoError(t, err)
	assert.Equal(t, []string{"EPOCH EPOCHS", "LEARNING_RAET LEARNING_RATE", "PDF_DRI PDF_DIR"}, missed(t, explain))
	_, explain, err = LoadTool(Input{Environ: []string{"MLFLOW_TRACKING_PASWORD=x", "MODEL_SORUCE=x"}})
	require.NoError(t, err)
	assert.Equal(t, []string{"MLFLOW_TRACKING_PASWORD MLFLOW_TRACKING_PASSWORD"}, missed(t, explain))
}

func TestMisspeltBesideTheRightName(t *testing.T) {
	for _, tc := range []struct {
		name    string
		environ []string
		want    []string
	}{
		{"set under its right name", []string{"MODEL_SORUCE=local", "MODEL_SOURCE=registry"}, nil},
		{"set under another name", []string{"HUGGINGFACE_HUB_TOKEN=x", "HF_TOKEN=x"}, nil},
		{"a part of it set", []string{"MODLE_NAME=x", "MODEL=./x"}, []string{"MODLE_NAME MODEL_NAME"}},
		{"the right name is empty, which is not set", []string{"MODEL_SORUCE=registry", "MODEL_SOURCE="}, []string{"MODEL_SORUCE MODEL_SOURCE"}},
		{"empty itself", []string{"MODEL_SORUCE="}, nil},
		{"two of one", []string{"MODEL_SORUCE=x", "MODEL_SOURC=x"}, []string{"MODEL_SORUCE MODEL_SOURCE", "MODEL_SOURC MODEL_SOURCE"}},
		{"the nearest", []string{"MLFLOW_TRACKING_CLIENT_CERT_PAHT=x"}, []string{"MLFLOW_TRACKING_CLIENT_CERT_PAHT MLFLOW_TRACKING_CLIENT_CERT_PATH"}},
		{"no name of a terminal's", []string{"MODEL\x1b_SOURCE=x"}, []string{`"MODEL\x1b_SOURCE" MODEL_SOURCE`}},
	} {
		_, explain, err := LoadServer(Input{Environ: tc.environ})
		require.NoError(t, err, tc.name)
		assert.Equal(t, tc.want, missed(t, explain), tc.name)
	}
}

// TestNamesOfOtherSoftware: none of them is asked about, by any program.
func TestNamesOfOtherSoftware(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "foreign_environment.txt"))
	require.NoError(t, err)
	var environ []string
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, "#") {
			for _, name := range strings.Fields(line) {
				environ = append(environ, name+"=x")
			}
		}
	}
	require.Greater(t, len(environ), 400)
	_, explain, err := LoadTrainer(Input{Environ: environ, Args: []string{"-docs", "d"}})
	require.NoError(t, err)
	assert.Empty(t, missed(t, explain))
	_, explain, err = LoadServer(Input{Environ: environ})
	require.NoError(t, err)
	assert.Empty(t, missed(t, explain))
	_, explain, err = LoadTool(Input{Environ: environ})
	require.NoError(t, err)
	assert.Empty(t, missed(t, explain))
}
