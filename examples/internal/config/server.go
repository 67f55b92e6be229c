package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Server is the configuration of the serving program. Models is never empty.
type Server struct {
	Common

	Listen      string `set:"listen -listen=ADDR LISTEN" group:"Listening" default:"127.0.0.1:8080" parse:"listen" help:"address to listen on, host:port; port 0 takes a free one"`
	Prefix      string `set:"prefix -prefix=PATH API_PREFIX" parse:"prefix" help:"path under which the API is mounted, such as /ai; clients then use /ai/v1"`
	APIKeyFile  string `set:"api_key_file -api-key-file=FILE API_KEY_FILE" help:"file of keys that clients must show; no key is asked for when empty"`
	TLSCert     string `set:"tls_cert -tls-cert=FILE TLS_CERT" help:"certificate chain (PEM); with it the server speaks HTTPS"`
	TLSKey      string `set:"tls_key -tls-key=FILE TLS_KEY" help:"private key of the certificate (PEM)"`
	Origins     string `set:"cors_origins -cors=SITES CORS_ORIGINS" help:"web sites whose pages may call the API, such as https://portal.example.org, separated by commas, or * for all; none when empty"`
	Hosts       string `set:"hosts -hosts=NAMES ALLOWED_HOSTS" parse:"hosts" help:"names in the Host header that are answered, beside localhost and addresses, separated by commas; all when empty, but none if keys are not asked for on a loopback address"`
	Metrics     bool   `set:"metrics -metrics METRICS" help:"answer /metrics in Prometheus' format"`
	ProtectMeta bool   `set:"protect_metrics -protect-metrics PROTECT_METRICS" help:"ask for a key at /metrics and /openapi.json too"`
	Probe       bool   `set:"probe -probe" not:"files" help:"ask the server that runs at this address whether it is ready, and stop: for health checks in containers"`

	Models        []ModelRef    `set:"models -model=REF MODEL" group:"Models" help:"model to serve, may be repeated: models:/name/Production, a folder (./model), a .gguf file or a Hub id; what model_source says when none is given"`
	ModelSource   string        `set:"model_source MODEL_SOURCE=WHERE" default:"registry" one:"registry, local" help:"what is served when no model is named: registry is models:/MODEL/Production, local is the local model's folder"`
	LocalModelDir string        `set:"local_model_dir LOCAL_MODEL_DIR=DIR" help:"folder of the model (or .gguf file) to serve with MODEL_SOURCE=local"`
	Adapters      string        `set:"adapters -adapters=DIR ADAPTERS_DIR" help:"folder of adapters that /v1/load_lora_adapter may load and /v1/unload_lora_adapter may unload while the server runs; no such routes when empty"`
	AdapterKeys   string        `set:"adapter_keys -adapter-keys=NAMES ADAPTER_KEYS" help:"names of the API keys that may load and unload adapters, separated by commas"`
	CacheDir      string        `set:"cache -cache=DIR CACHE_DIR" default:"./data/cache" help:"folder for models downloaded from the registry"`
	ModelsTTL     time.Duration `set:"models_ttl -models-ttl=TIME MODELS_TTL" default:"10s" must:"> 0s" help:"how long the registry's list is believed before it is asked again"`
	MaxModels     int           `set:"max_models -max-models=N MAX_LOADED_MODELS" default:"2" must:">= 1" help:"models loaded at the same time; the one that was not used for longest goes before another is loaded"`
	MaxModelBytes int           `set:"max_model_bytes -max-model-bytes=N MAX_MODEL_BYTES" must:">= 0" help:"bytes of weights loaded at the same time, beyond which unused models go; 0 is no limit"`
	Warm          bool          `set:"warm -warm WARM" default:"true" help:"compile what ordinary requests need while a model is loaded, so that neither the first ones nor those beside them wait for it; false starts sooner"`
	Merge         bool          `set:"merge -merge MERGE_ADAPTERS" help:"add adapters to the weights while a model is loaded; otherwise those of one base model share it, each on top of it"`

	MaxTokensCap     int           `set:"max_tokens_cap -max-tokens=N MAX_TOKENS_CAP" group:"Limits" default:"1024" must:">= 1" help:"most tokens of an answer, whatever the request says"`
	DefaultMaxTokens int           `set:"default_max_tokens -default-max-tokens=N DEFAULT_MAX_TOKENS" default:"256" must:">= 1" help:"most tokens of an answer when the request does not say"`
	MaxContext       int           `set:"max_context -max-context=N MAX_CONTEXT" must:">= 0" help:"most tokens of prompt and answer together; 0 is the model's own limit"`
	Slots            int           `set:"slots -slots=N SLOTS" default:"4" must:">= 1, <= 1024" help:"answers computed at the same time, for each model"`
	HalfCache        bool          `set:"half_cache -half-cache HALF_CACHE" help:"keep keys and values of contexts in half precision, in half the memory, where docent's own code computes"`
	QueueDepth       int           `set:"queue_depth -queue=N QUEUE_DEPTH" default:"64" must:">= 0" help:"requests that may wait for a slot, for each model; more are told to come back"`
	QueueTimeout     time.Duration `set:"queue_timeout -queue-timeout=TIME QUEUE_TIMEOUT" default:"1m" must:"> 0s" help:"longest wait for a slot"`
	MaxBodyBytes     int           `set:"max_body_bytes -max-body=N MAX_BODY_BYTES" must:">= 0" help:"longest request body in bytes, unpacked; 0 is 1 MiB, or more where the longest context that is served needs it"`
	RequestRate      int           `set:"requests_per_minute -rpm=N REQUESTS_PER_MINUTE" must:">= 0" help:"requests a minute for each API key; 0 is no limit"`
	TokenRate        int           `set:"tokens_per_minute -tpm=N TOKENS_PER_MINUTE" must:">= 0" help:"tokens a minute for each API key, of prompts and answers; 0 is no limit"`
	ShutdownGrace    time.Duration `set:"shutdown_grace -grace=TIME SHUTDOWN_GRACE" default:"30s" must:">= 0s" help:"how long running answers may go on after a stop signal"`
}

func (s *Server) groups() []group {
	groups := declared(s)
	find(groups, "listen").parts = []part{
		{env: "HOST", arg: "HOST", help: "host of the address alone", set: func(host string, _ bool) error {
			if strings.ContainsAny(host, "[]/ ") || strings.Count(host, ":") == 1 {
				return errors.New("must be a host name or an IP address, without port and brackets")
			}
			_, port, err := net.SplitHostPort(s.Listen)
			s.Listen = net.JoinHostPort(host, port)
			return err
		}},
		{env: "PORT", arg: "N", help: "port of the address alone", set: func(port string, _ bool) error {
			host, _, err := net.SplitHostPort(s.Listen)
			if err == nil {
				err = checkPort(port)
			}
			if err == nil {
				s.Listen = net.JoinHostPort(host, port)
			}
			return err
		}},
	}
	find(groups, "models").parts = []part{{
		flag: "model-name", env: "MODEL_NAME", arg: "ID",
		help: "id of the model before it in the API, or of the only one", set: nameModel(&s.Models),
	}}
	return groups
}

// finish checks and works out what depends on several settings.
func (s *Server) finish(l *loader) {
	s.chooseModels(l)
	if s.DefaultMaxTokens > s.MaxTokensCap {
		l.wrong("default_max_tokens", "must be <= max_tokens_cap (%d from %s)", s.MaxTokensCap, l.keys["max_tokens_cap"].origin())
	}
	if s.MaxContext == 1 {
		l.wrong("max_context", "must be 0 or >= 2: one token of prompt and one of answer")
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		l.wrong("tls_cert", "and tls_key go together: give both or neither")
	}
	if s.Adapters != "" && (s.APIKeyFile == "" || s.AdapterKeys == "") {
		l.wrong("adapters", "needs api_key_file, and in adapter_keys the names of those who may load them")
	}
	if s.Adapters != "" && s.Merge {
		l.wrong("adapters", "excludes merge: what is loaded while the server runs goes on top of a model")
	}
	if s.CacheDir == "" {
		l.wrong("cache", "must name a folder")
	}
	ids := map[string]string{}
	for _, m := range s.Models {
		if other, twice := ids[m.ID()]; twice {
			l.wrong("models", "%s and %s would both be called %q: give one a name (-model-name after its -model)", other, m.Ref, m.ID())
		}
		ids[m.ID()] = m.Ref
	}
	if s.APIKeyFile == "" && !loopback(s.Listen) {
		l.note("%s is reachable from other machines and no API key is asked for: consider -api-key-file", s.Listen)
	}
}

// chooseModels decides between named models and model_source: the higher layer wins, so that MODEL_SOURCE=local in the
// environment covers models named in a file, and -model covers both.
func (s *Server) chooseModels(l *loader) {
	named, source := l.keys["models"], l.keys["model_source"]
	id := ""
	if len(s.Models) == 1 && s.Models[0].Ref == "" {
		id, s.Models = s.Models[0].Name, nil
	}
	if len(s.Models) > 0 {
		wins := named.from[0].layer // later origins only name the model
		switch {
		case source.layer() == wins && s.ModelSource == "local":
			l.wrong("models", "excludes model_source local (from %s): keep one", source.origin())
			return
		case source.layer() <= wins:
			return
		}
		l.note("models (%s from %s) are not served: model_source from %s covers them", named.shown(), named.origin(), source.origin())
	}
	m := ModelRef{Ref: "models:/" + s.Name + "/Production", Name: id}
	named.derived = "by model_source (" + source.origin() + ")"
	switch {
	case s.ModelSource == "registry" && s.LocalModelDir != "":
		l.note("local_model_dir (%s from %s) is not used: model_source is registry (%s)", s.LocalModelDir, l.keys["local_model_dir"].origin(), source.origin())
	case s.ModelSource == "local" && s.LocalModelDir == "":
		l.wrong("local_model_dir", "must be set with model_source local (from %s): give %s", source.origin(), l.keys["local_model_dir"].howTo())
	case s.ModelSource == "local" && strings.HasSuffix(s.LocalModelDir, ".gguf"):
		m.Ref = "gguf:" + s.LocalModelDir
	case s.ModelSource == "local":
		m.Ref = "dir:" + s.LocalModelDir
	}
	s.Models = []ModelRef{m}
}

func parseListen(address string) (string, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", errors.New("must be host:port, such as 127.0.0.1:8080 or :8080")
	}
	return address, checkPort(port)
}

func parseHosts(list string) (string, error) {
	if strings.ContainsAny(list, ":/") {
		return "", errors.New("must be names of hosts, without scheme and port")
	}
	return list, nil
}

func checkPort(port string) error {
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("must have a port from 0 to 65535")
	}
	return nil
}

// parsePrefix takes "" and "/" as the root, and drops a final slash.
func parsePrefix(prefix string) (string, error) {
	trimmed := strings.TrimRight(prefix, "/")
	if trimmed == "" {
		return "", nil
	}
	if trimmed[0] != '/' {
		return "", fmt.Errorf("must begin with a slash: /%s", trimmed)
	}
	for part := range strings.SplitSeq(trimmed[1:], "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "?#% {}\\") {
			return "", errors.New("must be a plain path such as /ai, without empty, dotted or escaped parts")
		}
	}
	return trimmed, nil
}

// loopback tells whether only this machine reaches the address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
