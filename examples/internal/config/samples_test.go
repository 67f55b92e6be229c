package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the sample files and the help pages")

// samples is where the configuration files of the examples lie.
const samples = "../../config"

// golden compares got with a file, or rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(got), 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "%s has drifted from the settings: go test ./examples/internal/config -update", name)
}

func TestHelpPages(t *testing.T) {
	golden(t, filepath.Join("testdata", "trainer.help"), TrainerHelp())
	golden(t, filepath.Join("testdata", "server.help"), ServerHelp())
	golden(t, filepath.Join("testdata", "registry.help"), ToolHelp())
	golden(t, filepath.Join("testdata", "evaluate.help"), JudgeHelp())
}

// TestBaseJSON: base.json lists every key with its default.
func TestBaseJSON(t *testing.T) {
	l, _, _ := ofBoth()
	var blocks []string
	for _, g := range allGroups(l) {
		var lines []string
		for _, s := range g.settings {
			if s.inJSON() {
				lines = append(lines, fmt.Sprintf("  %q: %s", s.key, jsonText(t, s)))
			}
		}
		if lines != nil {
			blocks = append(blocks, strings.Join(lines, ",\n"))
		}
	}
	golden(t, filepath.Join(samples, "base.json"), "{\n"+strings.Join(blocks, ",\n\n")+"\n}\n")
}

// jsonText is the value as a JSON file would hold it.
func jsonText(t *testing.T, s *setting) string {
	var v any = s.value.get()
	switch s.value.kind {
	case kindNumber, kindBool:
		return s.value.get()
	case kindList:
		if v = []string{}; s.value.get() != "" {
			v = strings.Split(s.value.get(), ",")
		}
	case kindModels:
		require.Empty(t, v, "the default")
		v = []ModelRef{}
	}
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

// TestDotenvSamples: they name every variable that a .env file may set, with its default, or with what suits a container.
func TestDotenvSamples(t *testing.T) {
	docker := map[string]string{
		"MLFLOW_TRACKING_URI": "file:/registry", "PDF_DIR": "/docs", "DATA_DIR": "/data", "CACHE_DIR": "/cache",
		"HF_HOME": "/cache/huggingface", "LOG_FORMAT": "json", "HOST": "0.0.0.0",
	}
	golden(t, filepath.Join(samples, ".env.local.sample"), dotenvSample(t, "local", nil))
	golden(t, filepath.Join(samples, ".env.docker.sample"), dotenvSample(t, "docker", docker))
}

func dotenvSample(t *testing.T, profile string, values map[string]string) string {
	l, _, _ := ofBoth()
	var b strings.Builder
	fmt.Fprintf(&b, "# Copy to .env.%s, which is read where the programs run %s, and keep it out of version control.\n", profile,
		map[string]string{"local": "on a bare machine", "docker": "in a container"}[profile])
	b.WriteString("# It covers the JSON files and is covered by the environment and the flags. An empty value counts as not set.\n")
	used := 0
	line := func(name, value, help string) {
		for _, text := range wrap(help, 110) {
			fmt.Fprintf(&b, "# %s\n", text)
		}
		if own, ok := values[name]; ok {
			used++
			fmt.Fprintf(&b, "%s=%s\n", name, own)
			return
		}
		fmt.Fprintf(&b, "#%s=%s\n", name, value)
	}
	for _, g := range allGroups(l) {
		var heading bool
		for _, s := range g.settings {
			if len(s.envs) == 0 || s.noDotenv {
				continue
			}
			if !heading {
				fmt.Fprintf(&b, "\n## %s\n", g.title)
				heading = true
			}
			help := s.help
			if s.value.hint != "" {
				help += " (" + s.value.hint + ")"
			}
			names := s.envs
			if len(names) > 1 {
				help += "; also " + strings.Join(names[1:], ", ")
			}
			line(names[0], initial(s), help)
			for _, p := range s.parts {
				line(p.env, "", p.help)
			}
		}
	}
	require.Equal(t, len(values), used, "a value of the sample is no setting any more")
	return b.String()
}

// initial is the default as a .env file would hold it.
func initial(s *setting) string {
	if s.value.secret {
		return ""
	}
	return s.value.get()
}

func allGroups(l *loader) []group {
	return append(append([]group{}, new(Trainer).groups()...), append(new(Server).groups(), declared(l.common)...)...)
}

// sampleFolder is the folder of the examples, with a .env sample under its real name and its variables switched on.
func sampleFolder(t *testing.T, sample string) fstest.MapFS {
	folder := fstest.MapFS{}
	for _, name := range []string{"base.json", "development.json", "production.json"} {
		data, err := os.ReadFile(filepath.Join(samples, name))
		require.NoError(t, err)
		folder[name] = &fstest.MapFile{Data: data}
	}
	if sample != "" {
		data, err := os.ReadFile(filepath.Join(samples, sample))
		require.NoError(t, err)
		var on bytes.Buffer
		for line := range bytes.Lines(data) {
			if rest, ok := bytes.CutPrefix(line, []byte("#")); ok && len(rest) > 0 && rest[0] != ' ' && rest[0] != '#' {
				line = rest
			}
			on.Write(line)
		}
		folder[strings.TrimSuffix(sample, ".sample")] = &fstest.MapFile{Data: on.Bytes()}
	}
	return folder
}

// TestSamplesLoad reads the sample files as a user would: they are free of faults, base.json changes nothing, and the
// local sample with every line switched on changes nothing either.
func TestSamplesLoad(t *testing.T) {
	bare, _, err := LoadTrainer(Input{Args: []string{"-docs", "d"}})
	require.NoError(t, err)
	bareServer, _, err := LoadServer(Input{})
	require.NoError(t, err)

	folder := sampleFolder(t, ".env.local.sample")
	delete(folder, "development.json")
	open := func(string) fs.FS { return folder }
	for _, profile := range []string{"none", "local"} {
		in := Input{Folder: open, Args: []string{"-profile", profile}}
		if profile == "local" {
			folder["development.json"] = &fstest.MapFile{Data: []byte("{}")} // the sample names the environment
		}
		server, _, err := LoadServer(in)
		require.NoError(t, err)
		assert.Equal(t, bareServer, server)
		in.Args = append(in.Args, "-docs", "d")
		trainer, _, err := LoadTrainer(in)
		require.NoError(t, err)
		assert.Equal(t, bare, trainer)
	}

	for _, profile := range []string{"local", "docker"} {
		for _, env := range []string{"development", "production"} {
			folder := sampleFolder(t, ".env."+profile+".sample")
			in := Input{Folder: func(string) fs.FS { return folder }, Args: []string{"-profile", profile, "-env", env}}
			server, explain, err := LoadServer(in)
			require.NoError(t, err)
			assert.Equal(t, map[string]string{"local": "127.0.0.1:8080", "docker": "0.0.0.0:8080"}[profile], server.Listen)
			assert.Contains(t, explain.String(), "base.json, "+env+".json, .env."+profile)
			in.Args = append(in.Args, "-docs", "d")
			_, _, err = LoadTrainer(in)
			require.NoError(t, err)
		}
	}
}

// TestSamplesHoldNoSecret: the names of secrets stand in the .env samples with nothing behind them.
func TestSamplesHoldNoSecret(t *testing.T) {
	l, _, _ := ofBoth()
	for _, sample := range []string{".env.local.sample", ".env.docker.sample"} {
		data, err := os.ReadFile(filepath.Join(samples, sample))
		require.NoError(t, err)
		for _, s := range l.settings {
			if s.value.secret {
				assert.Contains(t, string(data), "\n#"+s.envs[0]+"=\n")
			}
		}
	}
	for _, name := range []string{"base.json", "development.json", "production.json"} {
		var members map[string]json.RawMessage
		data, err := os.ReadFile(filepath.Join(samples, name))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &members))
		for key := range members {
			s := l.keys[key]
			require.NotNil(t, s, "%s: %s", name, key)
			assert.False(t, s.value.secret, "%s: %s", name, key)
		}
	}
}
