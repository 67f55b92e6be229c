package lm

import (
	"maps"
	"slices"
	"strings"
)

// family is all that docent knows about one model_type.
type family struct {
	name         string // model_type of config.json
	architecture string // class of transformers

	// defaults are the values of transformers' configuration class for keys that a config.json may leave out.
	defaults map[string]any
	// Keys of config.json that are not named alike everywhere; "" = rms_norm_eps and hidden_act.
	epsKey, activationKey string

	names                     Names    // of the parts of a layer
	finalNorm                 string   // weight of the norm behind the layers; "" = FinalNorm
	qkvBias, outBias, mlpBias biasRule // which projections have biases
	windows                   windowRule
	partialRotary             bool // a head may be rotated in part
	mxfp4                     bool // checkpoints may be quantised so
	softcaps                  bool // attn_logit_softcapping and final_logit_softcapping bound scores and logits
	// Layers with a window rotate with a base of their own, if this default of it is not 0, and without scaling. localKey
	// is the key of the base; "" = it is in rope_parameters alone.
	localTheta float64
	localKey   string

	// ropeType tells under which name docent computes a rope_type of the family; nil = under its own.
	ropeType func(rope *fields, c *Config, name string) string
	numbers  []number // beside those of all families
	// parts sets what the family fixes of the computation.
	parts func(c *Config)
	// read sets what only this family's config.json says, and write is its inverse, for a model from GGUF.
	read  func(f *fields, c *Config)
	write func(c Config, set func(key string, value any))

	gguf ggufRecord
}

// biasRule: the key of config.json that adds biases to a projection, or whether it always has them.
type biasRule struct {
	key    string
	always bool
}

func (r biasRule) of(f *fields) bool { return r.always || r.key != "" && f.bool(r.key) }

// number is one of the configuration that config.json and GGUF may say: its keys, "" = it is not said there.
type number struct {
	key, gguf string
	of        func(c *Config) *float64
	inverse   bool // what is said is one over it
}

// turned is x, or one over it.
func (n number) turned(x float64) float64 {
	if n.inverse {
		return 1 / x
	}
	return x
}

// expertsKey is that of the number of experts in config.json.
func (f *family) expertsKey() string {
	if _, ok := f.defaults["num_experts"]; ok {
		return "num_experts"
	}
	return "num_local_experts"
}

// families is keyed by model_type. Each file of a family enters its record.
var families = map[string]*family{}

func enter(f family) struct{} { //nolint:unparam // var _ = enter(…) is how a file declares its family
	if f.epsKey == "" {
		f.epsKey = "rms_norm_eps"
	}
	if f.activationKey == "" {
		f.activationKey = "hidden_act"
	}
	if f.parts == nil {
		f.parts = func(*Config) {}
	}
	families[f.name] = &f
	return struct{}{}
}

// Families lists the model_types that docent computes.
func Families() []string { return slices.Sorted(maps.Keys(families)) }

func supported() string { return strings.Join(Families(), ", ") }
