package config

import (
	"errors"
	"flag"
	"io/fs"
	"strconv"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// files makes a configuration folder from pairs of name and content.
func files(pairs ...string) func(string) fs.FS {
	folder := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		folder[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return func(string) fs.FS { return folder }
}

// entry finds a setting in the listing.
func entry(t *testing.T, e *Explain, key string) Entry {
	t.Helper()
	for _, candidate := range e.Entries {
		if candidate.Key == key {
			return candidate
		}
	}
	require.Fail(t, "no entry "+key)
	return Entry{}
}

// reasons are the texts of all faults.
func reasons(err error) []string {
	var out []string
	if all, ok := errors.AsType[faults](err); ok {
		for _, fault := range all {
			out = append(out, fault.Error())
		}
	}
	return out
}

func TestEachLayerCoversTheOneBefore(t *testing.T) {
	layers := []struct {
		name   string
		want   int
		origin string
		add    func(*Input, fstest.MapFS)
	}{
		{"default", 16, "default", func(*Input, fstest.MapFS) {}},
		{"base", 1, "base.json:2", func(_ *Input, f fstest.MapFS) { f["base.json"] = &fstest.MapFile{Data: []byte("{\n\"rank\": 1}")} }},
		{"environment file", 2, "development.json:1", func(_ *Input, f fstest.MapFS) {
			f["development.json"] = &fstest.MapFile{Data: []byte(`{"rank": 2}`)}
		}},
		{"dotenv", 3, ".env.local:3 (LORA_R)", func(_ *Input, f fstest.MapFS) {
			f[".env.local"] = &fstest.MapFile{Data: []byte("# local\n\nexport LORA_R='3'\n")}
		}},
		{"process", 4, "environment (LORA_RANK)", func(in *Input, _ fstest.MapFS) { in.Environ = append(in.Environ, "LORA_RANK=4") }},
		{"flags", 5, "-rank", func(in *Input, _ fstest.MapFS) { in.Args = append(in.Args, "--rank=5") }},
	}
	folder := fstest.MapFS{".": {Mode: fs.ModeDir | 0o755}}
	in := Input{Folder: func(string) fs.FS { return folder }, Args: []string{"-docs", "x"}}
	for _, layer := range layers {
		layer.add(&in, folder)
		cfg, explain, err := LoadTrainer(in)
		require.NoError(t, err, layer.name)
		assert.Equal(t, layer.want, cfg.Rank, layer.name)
		assert.Equal(t, Entry{"Base model and LoRA", "rank", strconv.Itoa(layer.want), layer.origin}, entry(t, explain, "rank"))
	}
}

func TestEnvironmentIsChosenByTheHighestLayerThatNamesIt(t *testing.T) {
	folder := []string{"development.json", `{"docs":"dev"}`, "production.json", `{"docs":"prod"}`}
	withDotenv := append(folder, ".env.local", "APP_ENV=production")
	for _, tc := range []struct {
		name    string
		files   []string
		environ []string
		args    []string
		want    string
	}{
		{"default", folder, nil, nil, "dev"},
		{"dotenv", withDotenv, nil, nil, "prod"},
		{"process over dotenv", withDotenv, []string{"APP_ENV=development"}, nil, "dev"},
		{"flag over process", folder, []string{"APP_ENV=development"}, []string{"-env", "production"}, "prod"},
	} {
		cfg, _, err := LoadTrainer(Input{Folder: files(tc.files...), Environ: tc.environ, Args: tc.args})
		require.NoError(t, err, tc.name)
		assert.Equal(t, tc.want, cfg.Docs, tc.name)
	}
}

func TestFilesThatWereAskedForMustExist(t *testing.T) {
	in := Input{Folder: files("base.json", "{}"), Args: []string{"-docs", "x", "-env", "production", "-profile", "docker"}}
	_, _, err := LoadTrainer(in)
	assert.Equal(t, []string{
		"profile: docker from -profile: cannot read .env.docker in examples/config: file does not exist",
		"env: production from -env: cannot read production.json in examples/config: file does not exist",
	}, reasons(err))
}

func TestHelp(t *testing.T) {
	for _, arg := range []string{"-h", "-help", "--help"} {
		_, explain, err := LoadTrainer(Input{Args: []string{"-nonsense", arg}})
		require.ErrorIs(t, err, flag.ErrHelp)
		require.NotNil(t, explain)
	}
}

func TestProcessEnvironment(t *testing.T) {
	cfg, explain, err := LoadServer(Input{Environ: []string{
		"PATH=/bin", "HOSTNAME=x", "EPOCHS=not for the server", "SLOTS=", "LOG_LEVEL=WARNING", "LOG_LEVEL=debug", "QUEUE_TIMEOUT=90s", "noequals",
	}})
	require.NoError(t, err)
	assert.Equal(t, 4, cfg.Slots, "an empty variable is not set")
	assert.Equal(t, "WARN", cfg.LogLevel.String(), "the first of equal names counts, as for os.Getenv")
	assert.Equal(t, 90*time.Second, cfg.QueueTimeout)
	assert.Equal(t, "warn", entry(t, explain, "log_level").Value)
}

func TestAliasesThatDiffer(t *testing.T) {
	_, _, err := LoadServer(Input{Environ: []string{"MLFLOW_MODEL_NAME=a", "REGISTERED_MODEL_NAME=b"}})
	assert.Equal(t, []string{
		"registered_model: environment (REGISTERED_MODEL_NAME): differs from environment (MLFLOW_MODEL_NAME), which sets the same thing: keep one",
	}, reasons(err))
	cfg, _, err := LoadServer(Input{Environ: []string{"MLFLOW_MODEL_NAME=a", "REGISTERED_MODEL_NAME=a"}})
	require.NoError(t, err)
	assert.Equal(t, "a", cfg.Name)
	cfg, _, err = LoadServer(Input{
		Folder: files(".env.local", "MLFLOW_MODEL_NAME=a"), Environ: []string{"REGISTERED_MODEL_NAME=b"},
	})
	require.NoError(t, err, "the higher layer covers the lower one")
	assert.Equal(t, "b", cfg.Name)
}

func TestAllFaultsAtOnceEachWithItsPlace(t *testing.T) {
	_, explain, err := LoadTrainer(Input{
		Folder: files(
			"base.json", "{\n\"learnin_rate\": 1,\n\"rank\": \"8\",\n\"lr\": 1,\n\"LORA_ALPHA\": 2,\n\"hf_token\": \"x\",\n\"promote\": 1,\n\"seed\": -1,\n\"targets\": [\"a\", 2],\n\"epochs\": 1.5,\n\"docs\": null\n}",
			"development.json", "{\"learning_rate\": -1, \"rank\": 3,\n \"rank\": 4}",
			".env.local", "EPOCH=3\nCONFIG_DIR=x\nLOG_LEVEL=loud\nQUEUE_DEPTH=-1\n",
		),
		Environ: []string{"BATCH_SIZE=many", "LORA_DROPOUT=1"},
		Args:    []string{"-chunk-overlap=1200", "-bathc", "8", "-listen", ":80", "-precision", "bf61", "stray", "-hf-token=x", "-resume", "true", "-schedule"},
	})
	assert.Equal(t, []string{
		`unknown flag -bathc: did you mean "batch"?`,
		`unknown flag -listen: it belongs to the other program, not to the trainer`,
		`unexpected argument stray: everything is set by flags, see -h`,
		`unknown flag -hf-token: it has no flag, set HF_TOKEN or HUGGING_FACE_HUB_TOKEN`,
		`resume: write -resume=true: a switch takes its value after an equals sign`,
		`schedule: -schedule: a value must follow`,
		`.env.local:1: unknown name EPOCH: did you mean "EPOCHS"?`,
		`.env.local:2: CONFIG_DIR decides which file is read: set it in the environment or by -config`,
		`base.json:2: unknown key "learnin_rate": did you mean "learning_rate"?`,
		`base.json:4: unknown key "lr": did you mean "learning_rate"?`,
		`base.json:5: unknown key "LORA_ALPHA": did you mean "alpha"?`,
		`base.json:6: "hf_token" cannot stand in a JSON file: set HF_TOKEN or HUGGING_FACE_HUB_TOKEN`,
		`development.json:2: duplicate key "rank", first on line 1`,
		`rank: "8" from base.json:3: must be a number`,
		`promote: 1 from base.json:7: must be true or false`,
		`seed: -1 from base.json:8: must be a whole number from 0 to 2^64-1`,
		`targets: ["a",2] from base.json:9: must be a list of strings`,
		`epochs: 1.5 from base.json:10: must be a whole number`,
		`docs: null from base.json:11: must be a string`,
		`learning_rate: -1 from development.json:1: must be > 0`,
		`log_level: loud from .env.local:3 (LOG_LEVEL): must be one of debug, info, warn, error`,
		`queue_depth: -1 from .env.local:4 (QUEUE_DEPTH): must be >= 0`,
		`dropout: 1 from environment (LORA_DROPOUT): must be < 1`,
		`batch_size: many from environment (BATCH_SIZE): must be a whole number`,
		`precision: bf61 from -precision: must be one of auto, f32, bf16, int8, int4, stored: did you mean "bf16"?`,
		`docs: must be set: give -docs DIR or PDF_DIR or "docs" in JSON`,
		`chunk_overlap: 1200 from -chunk-overlap: must be < chunk_size (1200 from default)`,
	}, reasons(err))
	assert.Contains(t, err.Error(), "configuration: 27 faults\n  unknown flag -bathc")
	fault, ok := errors.AsType[*Fault](err)
	require.True(t, ok)
	assert.Contains(t, fault.Reason, "-bathc")
	assert.Equal(t, "3", entry(t, explain, "rank").Value, "a listing of what could be read")
}

func TestFolder(t *testing.T) {
	absent := func(string) fs.FS { return absentFS{} }
	_, explain, err := LoadTrainer(Input{Folder: absent, Args: []string{"-docs", "x"}})
	require.NoError(t, err)
	assert.Empty(t, explain.Notes)
	assert.Contains(t, explain.String(), "no files from examples/config")

	_, _, err = LoadTrainer(Input{Folder: absent, Args: []string{"-docs", "x", "-config", "conf"}})
	assert.Equal(t, []string{"config: conf from -config: cannot be opened: file does not exist"}, reasons(err))
	_, _, err = LoadTrainer(Input{Folder: absent, Args: []string{"-docs", "x"}, Environ: []string{"APP_ENV=production"}})
	assert.Equal(t, []string{"env: production from environment (APP_ENV): cannot read production.json in examples/config: file does not exist"}, reasons(err))
	_, _, err = LoadTrainer(Input{Folder: absent, Args: []string{"-docs", "x", "-config="}})
	assert.Equal(t, []string{`config: "" from -config: must name a folder`}, reasons(err))

	var opened string
	_, _, err = LoadTrainer(Input{
		Folder: func(dir string) fs.FS {
			opened = dir
			return fstest.MapFS{"base.json": {Data: []byte(`{"docs":"~/docs"}`)}}
		},
		Environ: []string{"HOME=/home/u", "CONFIG_DIR=~/conf"},
	})
	require.NoError(t, err)
	assert.Equal(t, "/home/u/conf", opened)
}

// absentFS is a folder that does not exist.
type absentFS struct{}

func (absentFS) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func TestContainerChoosesTheProfile(t *testing.T) {
	folder := files(".env.local", "PDF_DIR=local", ".env.docker", "PDF_DIR=docker")
	for _, tc := range []struct {
		name    string
		system  fs.FS
		environ []string
		args    []string
		want    string
	}{
		{"bare machine", fstest.MapFS{"proc/1/cgroup": {Data: []byte("0::/init.scope\n")}}, nil, nil, "local"},
		{"no system given", nil, nil, nil, "local"},
		{"docker", fstest.MapFS{".dockerenv": {}}, nil, nil, "docker"},
		{"podman", fstest.MapFS{"run/.containerenv": {}}, nil, nil, "docker"},
		{"kubernetes", nil, []string{"KUBERNETES_SERVICE_HOST=10.0.0.1"}, nil, "docker"},
		{"cgroup v1", fstest.MapFS{"proc/1/cgroup": {Data: []byte("12:cpu:/docker/0af1\n")}}, nil, nil, "docker"},
		{"cgroup of a pod", fstest.MapFS{"proc/1/cgroup": {Data: []byte("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-7.scope\n")}}, nil, nil, "docker"},
		{"a word that only looks like one", fstest.MapFS{"proc/1/cgroup": {Data: []byte("0::/dockerish.slice\n")}}, nil, nil, "local"},
		{"overridden by the environment", fstest.MapFS{".dockerenv": {}}, []string{"APP_PROFILE=local"}, nil, "local"},
		{"overridden by a flag", nil, []string{"APP_PROFILE=local"}, []string{"-profile", "docker"}, "docker"},
		{"none", fstest.MapFS{".dockerenv": {}}, []string{"PDF_DIR=own"}, []string{"-profile", "none"}, "own"},
	} {
		cfg, _, err := LoadTrainer(Input{Folder: folder, System: tc.system, Environ: tc.environ, Args: tc.args})
		require.NoError(t, err, tc.name)
		assert.Equal(t, tc.want, cfg.Docs, tc.name)
	}
}

func TestTrainerDerivedValues(t *testing.T) {
	cfg, _, err := LoadTrainer(Input{Args: []string{"-docs", "guides", "-data", "work", "-targets", "q_proj,v_proj", "-targets", "o_proj"},
		Environ: []string{"HOME=/home/u"}})
	require.NoError(t, err)
	assert.Equal(t, "guides/facts.jsonl", cfg.Facts)
	assert.True(t, cfg.FactsOptional)
	assert.Equal(t, []string{"q_proj", "v_proj", "o_proj"}, cfg.Targets)
	assert.Equal(t, "/home/u/.cache/huggingface/hub", cfg.Hub.Cache)
	assert.Equal(t, "work/model_out", cfg.ModelDir())

	cfg, _, err = LoadTrainer(Input{Args: []string{"-docs", "g", "-facts", "f.jsonl", "-lr", "-1"}})
	require.Error(t, err)
	assert.Equal(t, Trainer{}, cfg, "nothing half-read is returned")

	cfg, _, err = LoadTrainer(Input{Args: []string{"-docs", "g", "-facts", "f.jsonl"}, Environ: []string{"HF_HOME=/hf", "XDG_CACHE_HOME=/xdg"}})
	require.NoError(t, err)
	assert.False(t, cfg.FactsOptional)
	assert.Equal(t, "/hf/hub", cfg.Hub.Cache)
	cfg, _, err = LoadTrainer(Input{Args: []string{"-docs", "g"}, Environ: []string{"XDG_CACHE_HOME=/xdg", "HOME=/home/u"}})
	require.NoError(t, err)
	assert.Equal(t, "/xdg/huggingface/hub", cfg.Hub.Cache)
}

func TestArguments(t *testing.T) {
	cfg, _, err := LoadTrainer(Input{Args: []string{"-docs", "a", "-docs", "b", "-resume", "-promote=false", "-run-name", "-odd-", "-experiment=x=y"}})
	require.NoError(t, err)
	assert.Equal(t, "b", cfg.Docs, "the last one wins")
	assert.True(t, cfg.Resume)
	assert.False(t, cfg.Promote)
	assert.Equal(t, "-odd-", cfg.RunName)
	assert.Equal(t, "x=y", cfg.Experiment)

	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"-docs", "-base", "x"}, "docs: -docs: a value must follow"},
		{[]string{"-docs", "x", "-"}, "unexpected argument -: everything is set by flags, see -h"},
		{[]string{"-docs", "x", "--"}, "unexpected argument --: everything is set by flags, see -h"},
		{[]string{"-docs", "x", ""}, `unexpected argument "": everything is set by flags, see -h`},
		{[]string{"-docs", "x", "-backend", "cuda"}, `backend: cuda from -backend: must be auto, go, xla:cpu, xla:cuda or xla:/path/plugin.so: did you mean "xla:cuda"?`},
		{[]string{"-docs", "x", "-MAX_STEPS", "3"}, `unknown flag -MAX_STEPS: did you mean "max-steps"?`},
	} {
		_, _, err := LoadTrainer(Input{Args: tc.args})
		require.Error(t, err)
		assert.Contains(t, reasons(err), tc.want)
	}
}

func TestLoadsAreIndependent(t *testing.T) {
	_, _, err := LoadTrainer(Input{Args: []string{"-docs", "x", "-targets", "q_proj"}})
	require.NoError(t, err)
	cfg, _, err := LoadTrainer(Input{Args: []string{"-docs", "x"}})
	require.NoError(t, err)
	assert.Equal(t, []string{"all-linear"}, cfg.Targets)
}

func TestWriterOfQuestions(t *testing.T) {
	load := func(args ...string) (Trainer, error) {
		c, _, err := LoadTrainer(Input{Environ: []string{"QUESTIONS_KEY=k"}, Args: append([]string{"-docs", "d"}, args...)})
		return c, err
	}
	c, err := load("-questions-url", "https://host/v1", "-questions-model", "m")
	require.NoError(t, err)
	assert.Equal(t, "https://host/v1 m k", c.Writer.URL+" "+c.Writer.Model+" "+c.Writer.Key.Reveal())
	_, err = load("-questions-url", "https://host/v1")
	assert.ErrorContains(t, err, "give both")
	for _, url := range []string{"host/v1", "https://me:secret@host/v1", "ftp://host"} {
		_, err = load("-questions-url", url, "-questions-model", "m")
		assert.ErrorContains(t, err, "QUESTIONS_KEY", url)
	}
}
