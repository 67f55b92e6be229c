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
	Backend   string `set:"backend -backend=NAME BACKEND" group:"Device and model" default:"auto" parse:"backend" help:"what computes: auto (a GPU, else the faster of go and xla:cpu), go (docent's own code for CPUs), xla:cpu, xla:cuda or xla:/path/plugin.so"`
	Precision string `set:"precision -precision=TYPE PRECISION" default:"auto" one:"auto, f32, bf16, int8, int4, stored" help:"type of weights and activations; auto takes what the device does well; int8 holds a model in a third of the memory, int4 in a quarter, and answers faster on a CPU; stored keeps what a GGUF file has as it is"`
	Name      string `set:"registered_model -name=MODEL MLFLOW_MODEL_NAME REGISTERED_MODEL_NAME" default:"course-guide" parse:"name" help:"name of the model in the registry"`

	Registry Registry `set:"registry -registry=WHERE MLFLOW_TRACKING_URI" group:"Registry" default:"file:./data/registry" help:"where runs and models are kept: file:DIR, or the URL of an MLflow server; its host mlflow becomes localhost when it does not resolve"`
	Gate     []string `set:"gate -gate=RULES PROMOTION_GATE" default:"reworded >= production - 5 points" help:"what a version must pass to be promoted: rules with commas between them, such as \"reworded >= production - 1 point, general >= 0.9 base, unanswerable >= 0.6\""`
	MLflow   MLflow

	Hub Hub

	Env       string     `set:"env -env=NAME APP_ENV" group:"Log and environment" not:"json" default:"development" one:"development, production" help:"environment, whose JSON file covers base.json"`
	LogFormat string     `set:"log_format -log=FORMAT LOG_FORMAT" default:"text" one:"text, json" help:"form of the log lines"`
	LogLevel  slog.Level `set:"log_level -log-level=LEVEL LOG_LEVEL" default:"info" help:"least severe level that is logged"`
	LogFile   string     `set:"log_file -log-file=FILE LOG_FILE" help:"file that takes the log too, beside standard error; it is rotated, with five older ones of 50 MB each beside it"`
	Traces    string     `set:"traces -traces=URL OTEL_EXPORTER_OTLP_ENDPOINT" help:"OpenTelemetry collector that server and trainer send spans to, by OTLP over HTTP, such as http://localhost:4318; none when empty"`
}

// MLflow is how to reach a tracking server at Registry.URL, under MLflow's own environment names.
type MLflow struct {
	Username    string `set:"mlflow_username MLFLOW_TRACKING_USERNAME=NAME" not:"json" help:"user of the MLflow server, with the password"`
	Password    Secret `set:"mlflow_password MLFLOW_TRACKING_PASSWORD=SECRET" help:"password of the MLflow server"`
	Token       Secret `set:"mlflow_token MLFLOW_TRACKING_TOKEN=SECRET" help:"bearer token for the MLflow server; username and password win over it"`
	InsecureTLS bool   `set:"mlflow_insecure_tls MLFLOW_TRACKING_INSECURE_TLS=BOOL" help:"do not check the MLflow server's certificate"`
	ServerCert  string `set:"mlflow_server_cert MLFLOW_TRACKING_SERVER_CERT_PATH=FILE" help:"certificates to trust for the MLflow server, a file or a folder; REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE when empty"`
	ClientCert  string `set:"mlflow_client_cert MLFLOW_TRACKING_CLIENT_CERT_PATH=FILE" help:"certificate and key to show the MLflow server"`
	Workspace   string `set:"mlflow_workspace MLFLOW_WORKSPACE=NAME" help:"workspace of the MLflow server"`
}

// Hub is how to reach the Hugging Face Hub.
type Hub struct {
	Token   Secret `set:"hf_token HF_TOKEN HUGGING_FACE_HUB_TOKEN=SECRET" group:"Hugging Face Hub" help:"token for gated and private models"`
	Home    string `set:"hf_home HF_HOME=DIR" help:"home of the Hub's files; huggingface in the user's cache folder when empty"`
	Cache   string `set:"hf_hub_cache HF_HUB_CACHE=DIR" help:"downloaded models, shared with Python's huggingface_hub; hub in HF_HOME when empty"`
	Offline bool   `set:"hf_offline -offline HF_HUB_OFFLINE TRANSFORMERS_OFFLINE" help:"use only what is in the cache"`
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
