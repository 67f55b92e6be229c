package serve

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/docent-ml/docent/openai"
)

// HandlerOptions are the settings of a [Handler]. The zero value has the defaults.
type HandlerOptions struct {
	Prefix     string // where the handler is mounted when the host does not strip it: "/ai". No final slash
	BareRoutes bool   // serve the /v1 routes also without /v1

	APIKeys           map[string]string                  // name to key; a key is sent as "Authorization: Bearer". Empty: open to all
	AllowModel        func(keyName, modelID string) bool // nil: every key may use every model
	ProtectMeta       bool                               // a key is asked for at /metrics and /openapi.json too
	RequestsPerMinute int                                // for each key, of the POST routes; 0: no limit
	TokensPerMinute   int                                // for each key, of prompts and answers; 0: no limit
	KeyLimits         func(keyName string) RateLimits    // of a key, instead of these two; nil: all have the same. Must not block
	AllowedOrigins    []string                           // of browsers on other sites, "https://host" or "*"; empty: no CORS
	AllowedHosts      []string                           // names that a request may be addressed to, beside localhost and addresses; empty: any
	Adapters          Adapters                           // loads and unloads at /v1/load_lora_adapter and /v1/unload_lora_adapter; nil: no such routes
	AdapterKeys       []string                           // names of the keys that may do so; with Adapters there must be some
	StrictFields      bool                               // fields that are not in the API are an error instead of being ignored
	ValidationStatus  int                                // of a request with invalid fields: 422 (0) or 400

	MaxBodyBytes int64         // unpacked; 0: 1 MiB, or what the longest context that is served can need, at most 64 MiB
	BodyTimeout  time.Duration // for the whole body; 0: 20 s
	WriteTimeout time.Duration // for a response, or one event of a stream; 0: 30 s
	KeepAlive    time.Duration // silence in a stream before a comment line; 0: 15 s

	MaxMessages       int           // 0: 2048
	MaxN              int           // 0: 8
	MaxTokensCap      int           // no answer is longer; 0: 1024
	DefaultMaxTokens  int           // when the request does not say; 0: 256
	MaxGenerationTime time.Duration // an answer then ends with finish_reason length; 0: no limit

	Version      string               // in /health; "": the version of the docent module
	Degradations func() []Degradation // what the program knows of (cpu_fallback, low_memory), for /health. Must not block
	Metrics      Metrics              // is told of each request, and answers GET /metrics; nil: there is no such route
	LogContent   bool                 // log prompts and answers
	Logger       *slog.Logger         // nil: nothing is logged
}

// RateLimits are what a key may ask for in a minute.
type RateLimits struct {
	Requests int // of the POST routes; 0: no limit
	Tokens   int // of prompts and answers; 0: no limit
}

// Validate joins all faults of the options.
func (o HandlerOptions) Validate() error {
	var errs []error
	bad := func(field, reason string) { errs = append(errs, fmt.Errorf("%s: %s", field, reason)) }
	if o.Prefix != "" && (!strings.HasPrefix(o.Prefix, "/") || strings.HasSuffix(o.Prefix, "/")) {
		bad("Prefix", "must start with a slash and not end with one")
	}
	errs = append(errs, keyFaults(o.APIKeys)...)
	if o.Adapters != nil && (len(o.AdapterKeys) == 0 || len(o.APIKeys) == 0) {
		bad("AdapterKeys", "must name one of APIKeys: nobody else may load Adapters")
	}
	for _, host := range o.AllowedHosts {
		if host == "" || strings.ContainsAny(host, ":/ ") {
			bad("AllowedHosts", fmt.Sprintf("%q must be the name of a host, without scheme and port", host))
		}
	}
	for _, origin := range o.AllowedOrigins {
		if u, err := url.Parse(origin); origin != "*" && (err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != origin) {
			bad("AllowedOrigins", fmt.Sprintf("%q must be * or a scheme and a host, such as https://example.org", origin))
		}
	}
	if s := o.ValidationStatus; s != 0 && s != http.StatusBadRequest && s != http.StatusUnprocessableEntity {
		bad("ValidationStatus", "must be 400 or 422")
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"RequestsPerMinute", int64(o.RequestsPerMinute)}, {"TokensPerMinute", int64(o.TokensPerMinute)},
		{"MaxBodyBytes", o.MaxBodyBytes}, {"BodyTimeout", int64(o.BodyTimeout)}, {"WriteTimeout", int64(o.WriteTimeout)},
		{"KeepAlive", int64(o.KeepAlive)}, {"MaxMessages", int64(o.MaxMessages)}, {"MaxN", int64(o.MaxN)},
		{"MaxTokensCap", int64(o.MaxTokensCap)}, {"DefaultMaxTokens", int64(o.DefaultMaxTokens)},
		{"MaxGenerationTime", int64(o.MaxGenerationTime)},
	} {
		if f.value < 0 {
			bad(f.name, "must not be negative")
		}
	}
	return errors.Join(errs...)
}

func (o HandlerOptions) withDefaults() HandlerOptions {
	set(&o.ValidationStatus, http.StatusUnprocessableEntity)
	set(&o.BodyTimeout, 20*time.Second)
	set(&o.WriteTimeout, 30*time.Second)
	set(&o.KeepAlive, 15*time.Second)
	set(&o.MaxMessages, 2048)
	set(&o.MaxN, 8)
	set(&o.MaxTokensCap, 1024)
	set(&o.DefaultMaxTokens, 256)
	set(&o.Version, moduleVersion())
	return o
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// limits are what the request parser needs to know.
func (o HandlerOptions) limits() openai.Limits {
	return openai.Limits{MaxMessages: o.MaxMessages, MaxN: o.MaxN, StrictFields: o.StrictFields}
}
