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
	Adapters      string        // folder of which adapters may be loaded by a request; "" = none
	AdapterKeys   string        // comma-separated names of the API keys that may
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
	HalfCache        bool
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
			declare("listen -listen=ADDR LISTEN", text(&s.Listen, "127.0.0.1:8080", parseListen),
				"address to listen on, host:port; port 0 takes a free one").parted(
				part{env: "HOST", arg: "HOST", help: "host of the address alone", set: func(host string, _ bool) error {
					if strings.ContainsAny(host, "[]/ ") || strings.Count(host, ":") == 1 {
						return errors.New("must be a host name or an IP address, without port and brackets")
					}
					_, port, err := net.SplitHostPort(s.Listen)
					s.Listen = net.JoinHostPort(host, port)
					return err
				}},
				part{env: "PORT", arg: "N", help: "port of the address alone", set: func(port string, _ bool) error {
					host, _, err := net.SplitHostPort(s.Listen)
					if err == nil {
						err = checkPort(port)
					}
					if err == nil {
						s.Listen = net.JoinHostPort(host, port)
					}
					return err
				}}),
			declare("prefix -prefix=PATH API_PREFIX", text(&s.Prefix, "", parsePrefix),
				"path under which the API is mounted, such as /ai; clients then use /ai/v1"),
			declare("api_key_file -api-key-file=FILE API_KEY_FILE", filePath(&s.APIKeyFile, ""),
				"file of keys that clients must show; no key is asked for when empty"),
			declare("tls_cert -tls-cert=FILE TLS_CERT", filePath(&s.TLSCert, ""),
				"certificate chain (PEM); with it the server speaks HTTPS"),
			declare("tls_key -tls-key=FILE TLS_KEY", filePath(&s.TLSKey, ""),
				"private key of the certificate (PEM)"),
			declare("cors_origins -cors=SITES CORS_ORIGINS", text(&s.Origins, "", nil),
				"web sites whose pages may call the API, such as https://portal.example.org, separated by commas, or * for all; none when empty"),
			declare("hosts -hosts=NAMES ALLOWED_HOSTS", text(&s.Hosts, "", parseHosts),
				"names in the Host header that are answered, beside localhost and addresses, separated by commas; all when empty, but none if keys are not asked for on a loopback address"),
			declare("metrics -metrics METRICS", toggle(&s.Metrics, false),
				"answer /metrics in Prometheus' format"),
			declare("protect_metrics -protect-metrics PROTECT_METRICS", toggle(&s.ProtectMeta, false),
				"ask for a key at /metrics and /openapi.json too"),
			notInFiles("probe -probe", toggle(&s.Probe, false),
				"ask the server that runs at this address whether it is ready, and stop: for health checks in containers"),
		}},
		{"Models", []*setting{
			declare("models -model=REF MODEL", models(&s.Models),
				"model to serve, may be repeated: models:/name/Production, a folder (./model), a .gguf file or a Hub id; what model_source says when none is given").parted(part{
				flag: "model-name", env: "MODEL_NAME", arg: "ID",
				help: "id of the model before it in the API, or of the only one", set: nameModel(&s.Models),
			}),
			declare("model_source MODEL_SOURCE=WHERE", choice(&s.ModelSource, "registry", "registry", "local"),
				"what is served when no model is named: registry is models:/MODEL/Production, local is the local model's folder"),
			declare("local_model_dir LOCAL_MODEL_DIR=DIR", filePath(&s.LocalModelDir, ""),
				"folder of the model (or .gguf file) to serve with MODEL_SOURCE=local"),
			declare("adapters -adapters=DIR ADAPTERS_DIR", filePath(&s.Adapters, ""),
				"folder of adapters that /v1/load_lora_adapter may load and /v1/unload_lora_adapter may unload while the server runs; no such routes when empty"),
			declare("adapter_keys -adapter-keys=NAMES ADAPTER_KEYS", text(&s.AdapterKeys, "", nil),
				"names of the API keys that may load and unload adapters, separated by commas"),
			declare("cache -cache=DIR CACHE_DIR", filePath(&s.CacheDir, "./data/cache"),
				"folder for models downloaded from the registry"),
			declare("models_ttl -models-ttl=TIME MODELS_TTL", duration(&s.ModelsTTL, 10*time.Second, above(time.Duration(0))),
				"how long the registry's list is believed before it is asked again"),
			declare("max_models -max-models=N MAX_LOADED_MODELS", whole(&s.MaxModels, 2, atLeast(1)),
				"models loaded at the same time; the one that was not used for longest goes before another is loaded"),
			declare("max_model_bytes -max-model-bytes=N MAX_MODEL_BYTES", whole(&s.MaxModelBytes, 0, atLeast(0)),
				"bytes of weights loaded at the same time, beyond which unused models go; 0 is no limit"),
			declare("warm -warm WARM", toggle(&s.Warm, true),
				"compile what ordinary requests need while a model is loaded, so that neither the first ones nor those beside them wait for it; false starts sooner"),
			declare("merge -merge MERGE_ADAPTERS", toggle(&s.Merge, false),
				"add adapters to the weights while a model is loaded; otherwise those of one base model share it, each on top of it"),
		}},
		{"Limits", []*setting{
			declare("max_tokens_cap -max-tokens=N MAX_TOKENS_CAP", whole(&s.MaxTokensCap, 1024, atLeast(1)),
				"most tokens of an answer, whatever the request says"),
			declare("default_max_tokens -default-max-tokens=N DEFAULT_MAX_TOKENS", whole(&s.DefaultMaxTokens, 256, atLeast(1)),
				"most tokens of an answer when the request does not say"),
			declare("max_context -max-context=N MAX_CONTEXT", whole(&s.MaxContext, 0, atLeast(0)),
				"most tokens of prompt and answer together; 0 is the model's own limit"),
			declare("slots -slots=N SLOTS", whole(&s.Slots, 4, atLeast(1), atMost(1024)),
				"answers computed at the same time, for each model"),
			declare("half_cache -half-cache HALF_CACHE", toggle(&s.HalfCache, false),
				"keep keys and values of contexts in half precision, in half the memory, where docent's own code computes"),
			declare("queue_depth -queue=N QUEUE_DEPTH", whole(&s.QueueDepth, 64, atLeast(0)),
				"requests that may wait for a slot, for each model; more are told to come back"),
			declare("queue_timeout -queue-timeout=TIME QUEUE_TIMEOUT", duration(&s.QueueTimeout, time.Minute, above(time.Duration(0))),
				"longest wait for a slot"),
			declare("max_body_bytes -max-body=N MAX_BODY_BYTES", whole(&s.MaxBodyBytes, 0, atLeast(0)),
				"longest request body in bytes, unpacked; 0 is 1 MiB, or more where the longest context that is served needs it"),
			declare("requests_per_minute -rpm=N REQUESTS_PER_MINUTE", whole(&s.RequestRate, 0, atLeast(0)),
				"requests a minute for each API key; 0 is no limit"),
			declare("tokens_per_minute -tpm=N TOKENS_PER_MINUTE", whole(&s.TokenRate, 0, atLeast(0)),
				"tokens a minute for each API key, of prompts and answers; 0 is no limit"),
			declare("shutdown_grace -grace=TIME SHUTDOWN_GRACE", duration(&s.ShutdownGrace, 30*time.Second, atLeast(time.Duration(0))),
				"how long running answers may go on after a stop signal"),
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
