package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestListenAndItsParts(t *testing.T) {
	for _, tc := range []struct {
		name         string
		json         string
		environ      []string
		args         []string
		want, origin string
	}{
		{"default", `{}`, nil, nil, "127.0.0.1:8080", "default"},
		{"port alone", `{}`, []string{"PORT=9000"}, nil, "127.0.0.1:9000", "environment (PORT), over default"},
		{"parts over a file", `{"listen":":80"}`, []string{"PORT=9000", "HOST=::1"}, nil, "[::1]:9000", "environment (PORT), over environment (HOST), over base.json:1"},
		{"parts on top of the whole in one layer", `{}`, []string{"PORT=1", "LISTEN=0.0.0.0:2"}, nil, "0.0.0.0:1", "environment (PORT), over environment (LISTEN)"},
		{"flag covers parts", `{}`, []string{"PORT=9000"}, []string{"-listen", "localhost:0"}, "localhost:0", "-listen"},
	} {
		cfg, explain, err := LoadServer(Input{Folder: files("base.json", tc.json), Environ: tc.environ, Args: tc.args})
		require.NoError(t, err, tc.name)
		assert.Equal(t, tc.want, cfg.Listen, tc.name)
		assert.Equal(t, tc.origin, entry(t, explain, "listen").Origin, tc.name)
	}
	for environ, want := range map[string]string{
		"PORT=http":       "listen: http from environment (PORT): must have a port from 0 to 65535",
		"PORT=70000":      "listen: 70000 from environment (PORT): must have a port from 0 to 65535",
		"HOST=a:80":       "listen: a:80 from environment (HOST): must be a host name or an IP address, without port and brackets",
		"LISTEN=8080":     "listen: 8080 from environment (LISTEN): must be host:port, such as 127.0.0.1:8080 or :8080",
		"LISTEN=host:abc": "listen: host:abc from environment (LISTEN): must have a port from 0 to 65535",
	} {
		_, _, err := LoadServer(Input{Environ: []string{environ}})
		assert.Equal(t, []string{want}, reasons(err), environ)
	}
}

func TestPrefix(t *testing.T) {
	for given, want := range map[string]string{"": "", "/": "", "/ai": "/ai", "/ai/": "/ai", "/a/b": "/a/b"} {
		got, err := parsePrefix(given)
		require.NoError(t, err, given)
		assert.Equal(t, want, got)
	}
	for _, bad := range []string{"ai", "/a//b", "/../x", "/a b", "/{x}", "/a%2Fb", "/a?b"} {
		_, err := parsePrefix(bad)
		assert.Error(t, err, bad)
	}
}

func TestModels(t *testing.T) {
	registryModel := ModelRef{Ref: "models:/course-guide/Production"}
	for _, tc := range []struct {
		name, json string
		environ    []string
		args       []string
		want       []ModelRef
		note       string
	}{
		{"default", `{}`, nil, nil, []ModelRef{registryModel}, ""},
		{"default with a name", `{}`, nil, []string{"-model-name", "tutor"}, []ModelRef{{"models:/course-guide/Production", "tutor"}}, ""},
		{"registered name", `{}`, []string{"MODEL_SOURCE=registry", "REGISTERED_MODEL_NAME=law"}, nil, []ModelRef{{Ref: "models:/law/Production"}}, ""},
		{"local folder", `{}`, []string{"MODEL_SOURCE=local", "LOCAL_MODEL_DIR=/m/tutor"}, nil, []ModelRef{{Ref: "dir:/m/tutor"}}, ""},
		{"local file", `{}`, []string{"MODEL_SOURCE=local", "LOCAL_MODEL_DIR=m.gguf", "MODEL_NAME=x"}, nil, []ModelRef{{"gguf:m.gguf", "x"}}, ""},
		{"local folder without its source", `{}`, []string{"LOCAL_MODEL_DIR=/m"}, nil, []ModelRef{registryModel}, "local_model_dir (/m from environment (LOCAL_MODEL_DIR)) is not used: model_source is registry (default)"},
		{"flags", `{}`, nil, []string{"-model", "./a", "-model-name", "one", "-model=b.gguf"}, []ModelRef{{"./a", "one"}, {Ref: "b.gguf"}}, ""},
		{"flags cover files", `{"models":[{"ref":"./x"},{"ref":"./y"}]}`, nil, []string{"-model", "./a"}, []ModelRef{{Ref: "./a"}}, ""},
		{"flags cover the source", `{}`, []string{"MODEL_SOURCE=local", "LOCAL_MODEL_DIR=/m"}, []string{"-model", "./a"}, []ModelRef{{Ref: "./a"}}, ""},
		{"files", `{"models":[{"ref":"./x","name":"n"},{"name":"m","ref":"./y"}], "model_source":"registry"}`, nil, nil, []ModelRef{{"./x", "n"}, {"./y", "m"}}, ""},
		{"a name for the model of a file", `{"models":[{"ref":"./x","name":"n"}]}`, []string{"MODEL_NAME=m"}, nil, []ModelRef{{"./x", "m"}}, ""},
		{"source over files", `{"models":[{"ref":"./x"}]}`, []string{"MODEL_SOURCE=registry"}, nil, []ModelRef{registryModel}, "models (./x from base.json:1) are not served: model_source from environment (MODEL_SOURCE) covers them"},
	} {
		cfg, explain, err := LoadServer(Input{Folder: files("base.json", tc.json), Environ: tc.environ, Args: tc.args})
		require.NoError(t, err, tc.name)
		assert.Equal(t, tc.want, cfg.Models, tc.name)
		if tc.note != "" {
			assert.Contains(t, explain.Notes, tc.note)
		}
	}
	for _, tc := range []struct {
		json    string
		environ []string
		args    []string
		want    string
	}{
		{`{}`, []string{"MODEL_SOURCE=local"}, nil, `local_model_dir: must be set with model_source local (from environment (MODEL_SOURCE)): give LOCAL_MODEL_DIR or "local_model_dir" in JSON`},
		{`{}`, []string{"MODEL_SOURCE=locale"}, nil, `model_source: locale from environment (MODEL_SOURCE): must be one of registry, local: did you mean "local"?`},
		{`{}`, []string{"MODEL_SOURCE=local", "MODEL=./a"}, nil, `models: ./a from environment (MODEL): excludes model_source local (from environment (MODEL_SOURCE)): keep one`},
		{`{}`, nil, []string{"-model", "./a", "-model-name", "x", "-model-name", "y"}, `models: y from -model-name: the model before it is already called "x"`},
		{`{"models":[{"ref":"./x"},{"ref":"./y"}]}`, nil, []string{"-model-name", "z"}, `models: z from -model-name: several models are configured: give the name after its -model, or in the JSON file`},
		{`{}`, nil, []string{"-model", "./a", "-model", "/b/a"}, `models: "./a, /b/a" from -model: ./a and /b/a would both be called "a": give one a name (-model-name after its -model)`},
		{`{"models":["./x"]}`, nil, nil, `models: ["./x"] from base.json:1: item 1: must hold one JSON object; it must be {"ref": …, "name": …}`},
		{`{"models":[{"name":"x"}]}`, nil, nil, `models: [{"name":"x"}] from base.json:1: item 1: ref is missing`},
		{`{"models":[{"reff":"x"}]}`, nil, nil, `models: [{"reff":"x"}] from base.json:1: item 1: unknown key "reff": only ref and name are known`},
		{`{"models":[{"ref":1}]}`, nil, nil, `models: [{"ref":1}] from base.json:1: item 1: ref must be a string`},
		{`{"models":"./x"}`, nil, nil, `models: "./x" from base.json:1: must be a list of {"ref": …, "name": …}`},
	} {
		_, _, err := LoadServer(Input{Folder: files("base.json", tc.json), Environ: tc.environ, Args: tc.args})
		assert.Equal(t, []string{tc.want}, reasons(err))
	}
}

func TestModelID(t *testing.T) {
	for ref, want := range map[string]string{
		"models:/guide/Production": "guide", "models:/guide@champion": "guide", "models:/guide/3": "guide",
		"./out/model_out": "model_out", "/m/tutor/": "tutor", "dir:rel": "rel", "gguf:x/y.gguf": "y", "y.gguf": "y", `dir:C:\m\tutor`: "tutor",
		"HuggingFaceTB/SmolLM2-135M-Instruct@main": "HuggingFaceTB/SmolLM2-135M-Instruct", "hf:a/b": "a/b",
	} {
		assert.Equal(t, want, ModelRef{Ref: ref}.ID(), ref)
	}
	assert.Equal(t, "n", ModelRef{Ref: "./x", Name: "n"}.ID())
}

func TestServerLimits(t *testing.T) {
	_, explain, err := LoadServer(Input{Args: []string{"-max-tokens", "100", "-max-context", "1", "-queue-timeout", "0s", "-models-ttl", "10", "-cache", "", "-listen", ":80"}})
	assert.Equal(t, []string{
		"queue_timeout: 0s from -queue-timeout: must be > 0s",
		`models_ttl: 10 from -models-ttl: must be a time such as "10s" or "2m"`,
		"default_max_tokens: 256 from default: must be <= max_tokens_cap (100 from -max-tokens)",
		"max_context: 1 from -max-context: must be 0 or >= 2: one token of prompt and one of answer",
		`cache: "" from -cache: must name a folder`,
	}, reasons(err))
	assert.Contains(t, explain.Notes, ":80 is reachable from other machines and no API key is asked for: consider -api-key-file")

	_, explain, err = LoadServer(Input{Args: []string{"-listen", "[::1]:80"}})
	require.NoError(t, err)
	assert.Empty(t, explain.Notes)
}
