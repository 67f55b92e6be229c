package config

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestShortDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 10 * time.Second: "10s", time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h",
		10 * time.Hour: "10h", time.Hour + 20*time.Minute: "1h20m", time.Hour + time.Second: "1h0m1s", 1500 * time.Millisecond: "1.5s",
	} {
		assert.Equal(t, want, shortDuration(d))
		back, err := time.ParseDuration(want)
		require.NoError(t, err)
		assert.Equal(t, d, back)
	}
}

func TestMistypedValues(t *testing.T) {
	for _, tc := range []struct{ file, want string }{
		{`{"alpha": "32"}`, `alpha: "32" from base.json:1: must be a number`},
		{`{"alpha": 1e999}`, `alpha: 1e999 from base.json:1: must be a number`},
		{`{"rank": true}`, `rank: true from base.json:1: must be a number`},
		{`{"rank": 1e1}`, `rank: 1e1 from base.json:1: must be a whole number`},
		{`{"resume": "true"}`, `resume: "true" from base.json:1: must be true or false`},
		{`{"base": ["x"]}`, `base: ["x"] from base.json:1: must be a string`},
		{`{"base": " "}`, `base: " " from base.json:1: must not be empty`},
		{`{"targets": "q_proj"}`, `targets: "q_proj" from base.json:1: must be a list of strings`},
		{`{"targets": [null]}`, `targets: [null] from base.json:1: must be a list of strings`},
		{`{"targets": []}`, `targets: [] from base.json:1: must not be empty nor have an empty item`},
		{`{"targets": ["a,b"]}`, `targets: ["a,b"] from base.json:1: must not have a comma inside an item`},
		{`{"queue_timeout": 60}`, `queue_timeout: 60 from base.json:1: must be a string`},
		{`{"registered_model": "a/b"}`, `registered_model: "a/b" from base.json:1: not allowed: the character '/' in the name; use letters, digits, '.', '_', '-' and single spaces inside, up to 200 bytes`},
		{`{"docs": "d", "data": ""}`, `data: "" from base.json:1: must name a folder`},
		{`{"seed": "` + strings.Repeat("9", 200) + `"}`, `seed: "` + strings.Repeat("9", 79) + `… from base.json:1: must be a number`},
	} {
		_, _, err := LoadTrainer(Input{Folder: files("base.json", tc.file), Environ: []string{"PDF_DIR=d"}})
		assert.Equal(t, []string{tc.want}, reasons(err))
	}
	for environ, want := range map[string]string{
		"LORA_ALPHA=NaN":         "alpha: NaN from environment (LORA_ALPHA): must be a number",
		"LORA_ALPHA=Inf":         "alpha: Inf from environment (LORA_ALPHA): must be a number",
		"SEED=-1":                "seed: -1 from environment (SEED): must be a whole number from 0 to 2^64-1",
		"RESUME=maybe":           "resume: maybe from environment (RESUME): must be true or false",
		"LORA_TARGETS=a,,b":      "targets: a,,b from environment (LORA_TARGETS): must not be empty nor have an empty item",
		"APP_ENV=staging":        "env: staging from environment (APP_ENV): must be one of development, production",
		"LORA_RANK=\x1b[31m\xff": `rank: "\x1b[31m\xff" from environment (LORA_RANK): must be a whole number`,
	} {
		_, _, err := LoadTrainer(Input{Environ: []string{environ, "PDF_DIR=d"}})
		assert.Contains(t, reasons(err), want)
	}
}

func TestNamesOfOtherLayersAreUnderstood(t *testing.T) {
	_, _, err := LoadTrainer(Input{Folder: files(".env.local", "rank=3\nmax-steps=2\nLEARNING_RATES=1\nXYZZY=1\nlearning_rate=1\n"), Environ: []string{"PDF_DIR=d"}})
	assert.Equal(t, []string{
		".env.local:2: must be NAME=value, a comment or blank",
		`.env.local:1: unknown name rank: did you mean "LORA_RANK"?`,
		`.env.local:3: unknown name LEARNING_RATES: did you mean "LEARNING_RATE"?`,
		".env.local:4: unknown name XYZZY",
		`.env.local:5: unknown name learning_rate: did you mean "LEARNING_RATE"?`,
	}, reasons(err))
}

func TestExplainPage(t *testing.T) {
	_, explain, err := LoadServer(Input{
		Folder: files("base.json", "{\n\"prefix\": \"/ai/\"}"), Environ: []string{"HOST=0.0.0.0"}, Args: []string{"-explain", "-registry", "file:my models"},
	})
	require.NoError(t, err)
	assert.True(t, explain.Requested)
	page := explain.String()
	assert.True(t, strings.HasPrefix(page, "server: environment development, base.json from examples/config\n\nListening\n"), page)
	for _, line := range []string{
		`  listen               0\.0\.0\.0:8080 +environment \(HOST\), over default`,
		`  prefix               /ai +base\.json:2`,
		`  api_key_file         "" +default`,
		`  registry             "file:my models" +-registry`,
		`note: 0\.0\.0\.0:8080 is reachable from other machines`,
	} {
		assert.Regexp(t, "(?m)^"+line, page)
	}
	assert.Len(t, explain.Entries, strings.Count(page, "\n  "), "one line for each setting")
}

func TestModelNamesAreThoseOfTheRegistry(t *testing.T) {
	cfg, _, err := LoadTool(Input{Args: []string{"-name", "Größe 手册", "list"}})
	require.NoError(t, err)
	assert.Equal(t, "Größe 手册", cfg.Name)
}
