package config

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	reg "github.com/docent-ml/docent/registry"
)

// Common are the settings of both programs.
type Common struct {
	Env       string // "development" or "production"
	Backend   string // "auto", "go", "xla:cpu", "xla:cuda" or "xla:" and the path of a plugin
	Precision string // "auto", "f32", "bf16", "int8", "int4" or "stored"
	Registry  Registry
	Name      string   // of the registered model
	Gate      []string // rules that a version must pass to be promoted
	MLflow    MLflow
	Hub       Hub
	LogFormat string // "text" or "json"
	LogLevel  slog.Level
	LogFile   string // "" = standard error alone
	Traces    string // URL of an OpenTelemetry collector; "" = none
}

// MLflow is how to reach a tracking server at Registry.URL, under MLflow's own environment names.
type MLflow struct {
	Username    string
	Password    Secret
	Token       Secret // not used when Username and Password are set, as in MLflow's Python client
	InsecureTLS bool
	ServerCert  string // file of certificates to trust; "" = the system's
	ClientCert  string // file with a certificate and its key; "" = none
	Workspace   string // "" = none
}

// Hub is how to reach the Hugging Face Hub.
type Hub struct {
	Token   Secret
	Home    string // as HF_HOME
	Cache   string // downloaded models, shared with Python's huggingface_hub; "" only when no home folder is known
	Offline bool
}

func (c *Common) groups() []group {
	return []group{
		{"Device and model", []*setting{
			declare("backend -backend=NAME BACKEND", text(&c.Backend, "auto", parseBackend),
				"what computes: auto (a GPU, else the faster of go and xla:cpu), go (docent's own code for CPUs), xla:cpu, xla:cuda or xla:/path/plugin.so"),
			declare("precision -precision=TYPE PRECISION", choice(&c.Precision, "auto", "auto", "f32", "bf16", "int8", "int4", "stored"),
				"type of weights and activations; auto takes what the device does well; int8 holds a model in a third of the memory, int4 in a quarter, and answers faster on a CPU; stored keeps what a GGUF file has as it is"),
			declare("registered_model -name=MODEL MLFLOW_MODEL_NAME REGISTERED_MODEL_NAME", text(&c.Name, "course-guide", parseModelName),
				"name of the model in the registry"),
		}},
		{"Registry", []*setting{
			declare("registry -registry=WHERE MLFLOW_TRACKING_URI", registry(&c.Registry, Registry{Dir: "./data/registry"}),
				"where runs and models are kept: file:DIR, or the URL of an MLflow server; its host mlflow becomes localhost when it does not resolve"),
			declare("gate -gate=RULES PROMOTION_GATE", list(&c.Gate, "reworded >= production - 5 points"),
				"what a version must pass to be promoted: rules with commas between them, such as \"reworded >= production - 1 point, general >= 0.9 base, unanswerable >= 0.6\""),
			notInJSON("mlflow_username MLFLOW_TRACKING_USERNAME=NAME", text(&c.MLflow.Username, "", nil),
				"user of the MLflow server, with the password"),
			declare("mlflow_password MLFLOW_TRACKING_PASSWORD=SECRET", hidden(&c.MLflow.Password),
				"password of the MLflow server"),
			declare("mlflow_token MLFLOW_TRACKING_TOKEN=SECRET", hidden(&c.MLflow.Token),
				"bearer token for the MLflow server; username and password win over it"),
			declare("mlflow_insecure_tls MLFLOW_TRACKING_INSECURE_TLS=BOOL", toggle(&c.MLflow.InsecureTLS, false),
				"do not check the MLflow server's certificate"),
			declare("mlflow_server_cert MLFLOW_TRACKING_SERVER_CERT_PATH=FILE", filePath(&c.MLflow.ServerCert, ""),
				"certificates to trust for the MLflow server, a file or a folder; REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE when empty"),
			declare("mlflow_client_cert MLFLOW_TRACKING_CLIENT_CERT_PATH=FILE", filePath(&c.MLflow.ClientCert, ""),
				"certificate and key to show the MLflow server"),
			declare("mlflow_workspace MLFLOW_WORKSPACE=NAME", text(&c.MLflow.Workspace, "", nil),
				"workspace of the MLflow server"),
		}},
		{"Hugging Face Hub", []*setting{
			declare("hf_token HF_TOKEN HUGGING_FACE_HUB_TOKEN=SECRET", hidden(&c.Hub.Token),
				"token for gated and private models"),
			declare("hf_home HF_HOME=DIR", filePath(&c.Hub.Home, ""),
				"home of the Hub's files; huggingface in the user's cache folder when empty"),
			declare("hf_hub_cache HF_HUB_CACHE=DIR", filePath(&c.Hub.Cache, ""),
				"downloaded models, shared with Python's huggingface_hub; hub in HF_HOME when empty"),
			declare("hf_offline -offline HF_HUB_OFFLINE TRANSFORMERS_OFFLINE", toggle(&c.Hub.Offline, false),
				"use only what is in the cache"),
		}},
		{"Log and environment", []*setting{
			notInJSON("env -env=NAME APP_ENV", choice(&c.Env, "development", "development", "production"),
				"environment, whose JSON file covers base.json"),
			declare("log_format -log=FORMAT LOG_FORMAT", choice(&c.LogFormat, "text", "text", "json"),
				"form of the log lines"),
			declare("log_level -log-level=LEVEL LOG_LEVEL", level(&c.LogLevel, slog.LevelInfo),
				"least severe level that is logged"),
			declare("log_file -log-file=FILE LOG_FILE", filePath(&c.LogFile, ""),
				"file that takes the log too, beside standard error; it is rotated, with five older ones of 50 MB each beside it"),
			declare("traces -traces=URL OTEL_EXPORTER_OTLP_ENDPOINT", text(&c.Traces, "", nil),
				"OpenTelemetry collector that server and trainer send spans to, by OTLP over HTTP, such as http://localhost:4318; none when empty"),
		}},
	}
}

// finish works out what depends on several settings.
func (c *Common) finish(l *loader) {
	l.mlflowOnLocalhost(&c.Registry)
	m := c.MLflow
	switch hasPassword := m.Password.Reveal() != ""; {
	case m.Username != "" && !hasPassword:
		l.wrong("mlflow_username", "needs MLFLOW_TRACKING_PASSWORD too")
	case m.Username == "" && hasPassword:
		l.wrong("mlflow_password", "needs MLFLOW_TRACKING_USERNAME too")
	case hasPassword && m.Token.Reveal() != "":
		l.note("MLFLOW_TRACKING_TOKEN is not used: username and password are set, and win as in MLflow's Python client")
	}
	for _, name := range []string{"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"} { // as in MLflow's Python client, which goes by requests
		bundle := l.environ[name]
		if c.MLflow.ServerCert == "" && bundle != "" && !m.InsecureTLS && strings.HasPrefix(c.Registry.URL, "https:") {
			c.MLflow.ServerCert = bundle
			l.keys["mlflow_server_cert"].derived = "by " + name
		}
	}
	if m.InsecureTLS && m.ServerCert != "" {
		l.wrong("mlflow_insecure_tls", "excludes mlflow_server_cert (from %s): keep one", l.keys["mlflow_server_cert"].origin())
	}

	if c.Hub.Home == "" {
		cache := l.environ["XDG_CACHE_HOME"]
		if home := l.home(); cache == "" && home != "" {
			cache = filepath.Join(home, ".cache")
		}
		if cache != "" {
			c.Hub.Home = filepath.Join(cache, "huggingface")
			l.keys["hf_home"].derived = "in the user's cache folder"
		}
	}
	if c.Hub.Cache == "" && c.Hub.Home != "" {
		c.Hub.Cache = filepath.Join(c.Hub.Home, "hub")
		l.keys["hf_hub_cache"].derived = "in hf_home"
	}
}

func parseBackend(s string) (string, error) {
	known := []string{"auto", "go", "xla:cpu", "xla:cuda"}
	for _, name := range known {
		if s == name {
			return s, nil
		}
	}
	if plugin, ok := strings.CutPrefix(s, "xla:"); ok && strings.ContainsAny(plugin, `/\`) {
		return s, nil
	}
	hint := didYouMean(s, known)
	for _, name := range known {
		if name == "xla:"+s {
			hint = ": did you mean \"" + name + "\"?"
		}
	}
	return "", errors.New("must be auto, go, xla:cpu, xla:cuda or xla:/path/plugin.so" + hint)
}

// parseModelName takes what every registry takes.
func parseModelName(s string) (string, error) {
	var fault *reg.Error
	if err := reg.CheckName(s); errors.As(err, &fault) {
		return "", fmt.Errorf("%w; %s", fault.Err, fault.Hint)
	}
	return s, nil
}
