package config

import (
	"fmt"
	"strings"
)

// TrainerHelp is the page that -h prints.
func TrainerHelp() string {
	trainer := new(Trainer)
	l := newLoader("trainer", Input{}, &trainer.Common, trainer.groups(), nil)
	return l.help(fmt.Sprintf(`trainer makes a language model out of a folder of documents: it reads them, cuts them into passages, builds training
rows, trains a low-rank update (LoRA) of a base model, measures it before and after, registers the merged model and
makes it the Production version, which the server then answers with. Ctrl-C leaves a run that -resume goes on with.

Usage

  trainer -docs DIR [flags]

Examples

  go run ./examples/trainer
        the course guides of this repository, with examples/config
  go run ./examples/trainer -docs ./handbooks -base ./SmolLM2-135M-Instruct -name handbooks -epochs 4
        your own documents and a base model on disk
  APP_ENV=production MLFLOW_TRACKING_URI=http://mlflow:5000 go run ./examples/trainer -resume -log json
        goes on with a run that was stopped, and registers in MLflow

Where the outputs go (with the default -data and -registry)

  %-20s training rows, and the passages in %s
  %-20s checkpoints, for -resume
  %-20s the update alone, as PEFT reads it
  %-20s the merged model, as transformers reads it
  %-20s how the run went: loss, data, settings, sample answers
  %-20s runs, registered models and their versions
`, trainer.TrainFile(), trainer.ChunksFile(), trainer.CheckpointDir()+"/", trainer.AdapterDir()+"/", trainer.ModelDir()+"/",
		trainer.ReportFile(), trainer.Registry.Dir))
}

// ServerHelp is the page that -h prints.
func ServerHelp() string {
	server := new(Server)
	l := newLoader("server", Input{}, &server.Common, server.groups(), nil)
	return l.help(fmt.Sprintf(`server answers with your models over an OpenAI-style API: chat completions, streamed or whole, for every OpenAI client.
Without -model it serves the Production version of the registered model and follows promotions.

Usage

  server [-model REF [-model-name ID]]... [flags]

Examples

  go run ./examples/server
        the Production version of the model that the trainer made
  go run ./examples/server -model ./model_out -model-name tutor -model ./SmolLM2-135M-Instruct.gguf -prefix /ai
        two models from disk; clients use http://%[1]s/ai/v1
  HOST=0.0.0.0 PORT=80 MODEL_SOURCE=local LOCAL_MODEL_DIR=/models/tutor go run ./examples/server -api-key-file keys.txt
        in a container, open to others, with keys

Where the outputs go

  Logs go to standard error; one line with the server's URL goes to standard output once it answers.
  Models from the registry are kept in %[2]s, models from the Hub in the Hugging Face cache.
`, server.Listen, server.CacheDir))
}

// help is the introduction, then the settings by group.
func (l *loader) help(intro string) string {
	var b strings.Builder
	b.WriteString(intro)
	for _, g := range l.groups {
		fmt.Fprintf(&b, "\n%s\n\n", g.title)
		for _, s := range g.settings {
			s.describe(&b)
		}
	}
	b.WriteString(`
Where a value comes from, each covering the one before: its default, base.json, development.json or production.json
(-env), .env.local or .env.docker (-profile), the environment, the flags. Empty environment variables count as not set.
A secret may also stand in a file: HF_TOKEN_FILE=/run/secrets/hf_token is HF_TOKEN, and so on. Relative paths are
relative to the working directory. -explain shows every value with its place, -version the build.

XLA's runtime for CPUs is found by DOCENT_XLA_CPU (path of the plugin), else in the folder DOCENT_CACHE (default
~/.cache/docent), else where go-xla looks (PJRT_PLUGIN_LIBRARY_PATH, ~/.local/lib/go-xla).
`)
	return b.String()
}

// describe prints the names, the meaning and the default.
func (s *setting) describe(b *strings.Builder) {
	details := []string{}
	if s.value.hint != "" {
		details = append(details, s.value.hint)
	}
	if initial := s.value.get(); initial != "" && initial != "false" && !s.value.secret {
		details = append(details, "default "+initial)
	}
	lead := strings.Join(s.envs, ", ")
	if s.flag != "" {
		if lead != "" {
			details = append(details, "env "+lead)
		}
		lead = strings.TrimSpace("-" + s.flag + " " + s.arg)
	}
	if s.inJSON() {
		details = append(details, "json "+s.key)
	}
	column(b, lead, s.help, details)
	for _, p := range s.parts {
		lead, details := p.env, []string{}
		if p.flag != "" {
			lead, details = strings.TrimSpace("-"+p.flag+" "+p.arg), []string{"env " + p.env}
		}
		column(b, lead, p.help, details)
	}
}

// column prints one entry in two columns.
func column(b *strings.Builder, lead, help string, details []string) {
	const indent, width = 24, 92
	lines := wrap(help, width)
	if len(details) > 0 {
		lines = append(lines, wrap("["+strings.Join(details, "; ")+"]", width)...)
	}
	if len(lead) > indent-4 {
		fmt.Fprintf(b, "  %s\n", lead)
		lead = ""
	}
	for _, line := range lines {
		fmt.Fprintf(b, "  %-*s%s\n", indent-2, lead, line)
		lead = ""
	}
}

// wrap breaks text at spaces into lines of at most width characters, where words allow it.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimLeft(line+" "+word, " ")
	}
	return append(lines, line)
}
