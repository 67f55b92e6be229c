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

// Server is the configuration of the serving program.
type Server struct {
	Common

	Listen     string // host:port; port 0 = any free one
	Prefix     string // "" or "/path", where the API is mounted
	APIKeyFile string // "" = no key is asked for
	TLSCert    string // PEM files; "" = plain HTTP
	TLSKey     string
	Origins    string // of web pages elsewhere that may call the API, comma-separated; "*" = all
	Hosts      string // comma-separated names that requests may be addressed to
	Metrics    bool   // at /metrics
	Probe      bool   // ask the server that runs at Listen whether it is ready, and stop
	// ProtectMeta: /metrics and /openapi.json ask for a key too.
	ProtectMeta bool

	Models        []ModelRef // never empty
	ModelSource   string     // "registry" or "local": what is served when no model is named
	LocalModelDir string
	CacheDir      string        // models downloaded from the registry
	ModelsTTL     time.Duration // how long the registry's list is believed
	MaxModels     int           // loaded at the same time
	MaxModelBytes int           // of weights, loaded at the same time; 0 = no limit
	Warm          bool          // graphs are compiled before the first request
	Merge         bool          // adapters are merged into weights of their own

	MaxTokensCap     int // per answer, whatever the request says
	DefaultMaxTokens int // when the request does not say
	MaxContext       int // tokens of prompt and answer; 0 = the model's
	Slots            int // answers computed at the same time, per model
	QueueDepth       int // requests that wait, per model
	QueueTimeout     time.Duration
	MaxBodyBytes     int
	RequestRate      int // a minute, for each key; 0 = no limit
	TokenRate        int
	ShutdownGrace    time.Duration // for running answers after a stop signal
}

func (s *Server) groups() []group {
	return []group{
		{"Listening", []*setting{
			{
				key: "listen", flag: "listen", env: "LISTEN", arg: "ADDR",
				help:  "address to listen on, host:port; port 0 takes a free one",
				value: text(&s.Listen, "127.0.0.1:8080", parseListen),
				parts: []part{
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
				},
			},
			{
				key: "prefix", flag: "prefix", env: "API_PREFIX", arg: "PATH",
				help:  "path under which the API is mounted, such as /ai; clients then use /ai/v1",
				value: text(&s.Prefix, "", parsePrefix),
			},
			{
				key: "api_key_file", flag: "api-key-file", env: "API_KEY_FILE", arg: "FILE",
				help:  "file of keys that clients must show; no key is asked for when empty",
				value: filePath(&s.APIKeyFile, ""),
			},
			{
				key: "tls_cert", flag: "tls-cert", env: "TLS_CERT", arg: "FILE",
				help:  "certificate chain (PEM); with it the server speaks HTTPS",
				value: filePath(&s.TLSCert, ""),
			},
			{
				key: "tls_key", flag: "tls-key", env: "TLS_KEY", arg: "FILE",
				help:  "private key of the certificate (PEM)",
				value: filePath(&s.TLSKey, ""),
			},
			{
				key: "cors_origins", flag: "cors", env: "CORS_ORIGINS", arg: "SITES",
				help:  "web sites whose pages may call the API, such as https://portal.example.org, separated by commas, or * for all; none when empty",
				value: text(&s.Origins, "", func(s string) (string, error) { return s, nil }),
			},
			{
				key: "hosts", flag: "hosts", env: "ALLOWED_HOSTS", arg: "NAMES",
				help:  "names in the Host header that are answered, beside localhost and addresses, separated by commas; all when empty, but none if keys are not asked for on a loopback address",
				value: text(&s.Hosts, "", parseHosts),
			},
			{
				key: "metrics", flag: "metrics", env: "METRICS",
				help:  "answer /metrics in Prometheus' format",
				value: toggle(&s.Metrics, false),
			},
			{
				key: "protect_metrics", flag: "protect-metrics", env: "PROTECT_METRICS",
				help:  "ask for a key at /metrics and /openapi.json too",
				value: toggle(&s.ProtectMeta, false),
			},
			{
				key: "probe", flag: "probe", noJSON: true, noEnvF: true,
				help:  "ask the server that runs at this address whether it is ready, and stop: for health checks in containers",
				value: toggle(&s.Probe, false),
			},
		}},
		{"Models", []*setting{
			{
				key: "models", flag: "model", env: "MODEL", arg: "REF",
				help:  "model to serve, may be repeated: models:/name/Production, a folder (./model), a .gguf file or a Hub id; what model_source says when none is given",
				value: models(&s.Models),
				parts: []part{{
					flag: "model-name", env: "MODEL_NAME", arg: "ID",
					help: "id of the model before it in the API, or of the only one", set: nameModel(&s.Models),
				}},
			},
			{
				key: "model_source", env: "MODEL_SOURCE", arg: "WHERE",
				help:  "what is served when no model is named: registry is models:/MODEL/Production, local is the local model's folder",
				value: choice(&s.ModelSource, "registry", "registry", "local"),
			},
			{
				key: "local_model_dir", env: "LOCAL_MODEL_DIR", arg: "DIR",
				help:  "folder of the model (or .gguf file) to serve with MODEL_SOURCE=local",
				value: filePath(&s.LocalModelDir, ""),
			},
			{
				key: "cache", flag: "cache", env: "CACHE_DIR", arg: "DIR",
				help:  "folder for models downloaded from the registry",
				value: filePath(&s.CacheDir, "./data/cache"),
			},
			{
				key: "models_ttl", flag: "models-ttl", env: "MODELS_TTL", arg: "TIME",
				help:  "how long the registry's list is believed before it is asked again",
				value: duration(&s.ModelsTTL, 10*time.Second, above(time.Duration(0))),
			},
			{
				key: "max_models", flag: "max-models", env: "MAX_LOADED_MODELS", arg: "N",
				help:  "models loaded at the same time; the one that was not used for longest goes before another is loaded",
				value: whole(&s.MaxModels, 2, atLeast(1)),
			},
			{
				key: "max_model_bytes", flag: "max-model-bytes", env: "MAX_MODEL_BYTES", arg: "N",
				help:  "bytes of weights loaded at the same time, beyond which unused models go; 0 is no limit",
				value: whole(&s.MaxModelBytes, 0, atLeast(0)),
			},
			{
				key: "warm", flag: "warm", env: "WARM",
				help:  "compile what ordinary requests need while a model is loaded, so that neither the first ones nor those beside them wait for it; false starts sooner",
				value: toggle(&s.Warm, true),
			},
			{
				key: "merge", flag: "merge", env: "MERGE_ADAPTERS",
				help:  "add adapters to the weights while a model is loaded; otherwise those of one base model share it, each on top of it",
				value: toggle(&s.Merge, false),
			},
		}},
		{"Limits", []*setting{
			{
				key: "max_tokens_cap", flag: "max-tokens", env: "MAX_TOKENS_CAP", arg: "N",
				help:  "most tokens of an answer, whatever the request says",
				value: whole(&s.MaxTokensCap, 1024, atLeast(1)),
			},
			{
				key: "default_max_tokens", flag: "default-max-tokens", env: "DEFAULT_MAX_TOKENS", arg: "N",
				help:  "most tokens of an answer when the request does not say",
				value: whole(&s.DefaultMaxTokens, 256, atLeast(1)),
			},
			{
				key: "max_context", flag: "max-context", env: "MAX_CONTEXT", arg: "N",
				help:  "most tokens of prompt and answer together; 0 is the model's own limit",
				value: whole(&s.MaxContext, 0, atLeast(0)),
			},
			{
				key: "slots", flag: "slots", env: "SLOTS", arg: "N",
				help:  "answers computed at the same time, for each model",
				value: whole(&s.Slots, 4, atLeast(1), atMost(1024)),
			},
			{
				key: "queue_depth", flag: "queue", env: "QUEUE_DEPTH", arg: "N",
				help:  "requests that may wait for a slot, for each model; more are told to come back",
				value: whole(&s.QueueDepth, 64, atLeast(0)),
			},
			{
				key: "queue_timeout", flag: "queue-timeout", env: "QUEUE_TIMEOUT", arg: "TIME",
				help:  "longest wait for a slot",
				value: duration(&s.QueueTimeout, time.Minute, above(time.Duration(0))),
			},
			{
				key: "max_body_bytes", flag: "max-body", env: "MAX_BODY_BYTES", arg: "N",
				help:  "longest request body in bytes, unpacked; 0 is 1 MiB, or more where the longest context that is served needs it",
				value: whole(&s.MaxBodyBytes, 0, atLeast(0)),
			},
			{
				key: "requests_per_minute", flag: "rpm", env: "REQUESTS_PER_MINUTE", arg: "N",
				help:  "requests a minute for each API key; 0 is no limit",
				value: whole(&s.RequestRate, 0, atLeast(0)),
			},
			{
				key: "tokens_per_minute", flag: "tpm", env: "TOKENS_PER_MINUTE", arg: "N",
				help:  "tokens a minute for each API key, of prompts and answers; 0 is no limit",
				value: whole(&s.TokenRate, 0, atLeast(0)),
			},
			{
				key: "shutdown_grace", flag: "grace", env: "SHUTDOWN_GRACE", arg: "TIME",
				help:  "how long running answers may go on after a stop signal",
				value: duration(&s.ShutdownGrace, 30*time.Second, atLeast(time.Duration(0))),
			},
		}},
	}
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
