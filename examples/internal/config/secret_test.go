package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSecretsInFiles(t *testing.T) {
	system := fstest.MapFS{"run/secrets/token": {Data: []byte("hf_abc\n")}, "run/secrets/none": {}}
	cfg, explain, err := LoadTool(Input{System: system, Environ: []string{"HF_TOKEN_FILE=/run/secrets/token", "MLFLOW_TRACKING_TOKEN_FILE=/run/secrets/none"}})
	require.NoError(t, err)
	assert.Equal(t, "hf_abc", cfg.Hub.Token.Reveal())
	assert.Empty(t, cfg.MLflow.Token.Reveal())
	assert.Equal(t, "environment (HF_TOKEN_FILE)", entry(t, explain, "hf_token").Origin)
	assert.Empty(t, explain.Notes)

	_, _, err = LoadTool(Input{System: system, Environ: []string{"HF_TOKEN_FILE=/run/secrets/gone"}})
	assert.ErrorContains(t, err, "HF_TOKEN_FILE: cannot read /run/secrets/gone")
}

func TestSecretsAreShownNowhere(t *testing.T) {
	const canary = "hf_CanaryValue"
	var environ []string
	trainer := new(Trainer)
	secrets := 0
	for _, s := range newLoader("trainer", Input{}, &trainer.Common, trainer.groups(), nil).settings {
		if s.value.secret {
			secrets++
			environ = append(environ, s.envs[0]+"="+canary)
		}
	}
	require.NotZero(t, secrets)
	environ = append(environ, "MLFLOW_TRACKING_USERNAME=u", "PDF_DIR=x")
	cfg, explain, err := LoadTrainer(Input{Environ: environ})
	require.NoError(t, err)
	require.Equal(t, canary, cfg.Hub.Token.Reveal())

	var shown bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&shown, verb+verb+verb, cfg, &cfg, cfg.Hub.Token)
	}
	slog.New(slog.NewTextHandler(&shown, nil)).Info("settings", "cfg", cfg, "token", cfg.Hub.Token, "hub", &cfg.Hub)
	slog.New(slog.NewJSONHandler(&shown, nil)).Info("settings", "cfg", cfg, "token", cfg.Hub.Token)
	encoded, err := json.Marshal(cfg)
	require.NoError(t, err)
	shown.Write(encoded)
	fmt.Fprintf(&shown, "%v %+v", explain, explain.Entries)
	assert.NotContains(t, shown.String(), canary)
	assert.NotContains(t, shown.String(), fmt.Sprintf("%x", canary))
	assert.Contains(t, shown.String(), mask)
	assert.Equal(t, Entry{"Hugging Face Hub", "hf_token", mask, "environment (HF_TOKEN)"}, entry(t, explain, "hf_token"))

	assert.Empty(t, fmt.Sprint(Secret{}), "an unset secret looks unset")
}

func TestFaultsDoNotShowSecrets(t *testing.T) {
	const canary = "hf_CanaryValue"
	for name, in := range map[string]Input{
		"dotenv without a name":   {Folder: files(".env.local", canary+"\n")},
		"unknown dotenv name":     {Folder: files(".env.local", "HF_TOKE="+canary+"\n")},
		"unclosed quote":          {Folder: files(".env.local", "HF_TOKEN='"+canary+"\n")},
		"text after the quote":    {Folder: files(".env.local", "HF_TOKEN=''"+canary+"\n")},
		"secret in JSON":          {Folder: files("base.json", `{"hf_token":"`+canary+`"}`)},
		"unknown JSON key":        {Folder: files("base.json", `{"hf_toke":"`+canary+`"}`)},
		"flag with a value":       {Args: []string{"-hf-token", canary}},
		"flag with equals":        {Args: []string{"-hf_token=" + canary}},
		"names of one thing":      {Environ: []string{"HF_TOKEN=" + canary, "HUGGING_FACE_HUB_TOKEN=other"}},
		"password without a user": {Environ: []string{"MLFLOW_TRACKING_PASSWORD=" + canary}},
	} {
		_, explain, err := LoadServer(in)
		require.Error(t, err, name)
		assert.NotContains(t, err.Error()+explain.String(), canary, name)
	}
}
