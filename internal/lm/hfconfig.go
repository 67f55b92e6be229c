package lm

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// ParseConfig reads a Hugging Face config.json, in the spelling of transformers 4 (rope_theta, rope_scaling,
// torch_dtype) or 5 (rope_parameters, dtype). Families and features that docent would compute wrongly are refused
// with an error that wraps ErrUnsupported and names them.
func ParseConfig(data []byte) (Config, error) {
	c, err := parseConfig(data)
	if err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	return c, c.Validate()
}

func parseConfig(data []byte) (Config, error) {
	f, err := readFields(data)
	if err != nil {
		return Config{}, err
	}
	wrapper := ""
	if text, err := f.unwrap(); err != nil {
		return Config{}, err
	} else if text != nil {
		f, wrapper = text, f.string("model_type")
	}
	name := f.string("model_type")
	if _, types := f.set["layer_types"]; types && name == "mistral" && wrapper == "" {
		name = "ministral" // which transformers' AutoConfig takes it for
	}
	family, ok := families[name]
	if !ok {
		if name == "" {
			name = strings.Join(f.strings("architectures"), ", ")
		}
		return Config{}, refuseFamily(name)
	}
	f.defaults = family.defaults
	f.refuseFeatures(family)
	c := f.config(family)
	c.Source, c.Wrapper = slices.Clone(f.source), wrapper
	return c, errors.Join(f.errs...)
}

// refuseFeatures names what other fields switch on and docent does not compute.
func (f *fields) refuseFeatures(family *family) {
	if q := f.under("quantization_config"); q != nil && !(family.mxfp4 && q.string("quant_method") == "mxfp4") {
		f.fail("quantization_config", "%w feature; use the unquantised checkpoint or a .gguf file", ErrUnsupported)
	}
	for _, key := range []string{"num_experts", "num_local_experts"} {
		if f.int(key, 0) > 1 && family.names[Router] == "" {
			f.refuse(key, "a mixture of experts")
		}
	}
	for key, part := range map[string]string{
		"use_bidirectional_attention": "attention in both directions", "is_encoder_decoder": "encoder-decoder attention",
		"add_cross_attention": "encoder-decoder attention",
	} {
		if f.bool(key) {
			f.refuse(key, part)
		}
	}
	for key, read := range map[string]bool{
		"attention_bias": family.qkvBias.key == "attention_bias" || family.qkvBias.always, "mlp_bias": family.mlpBias.key == "mlp_bias",
	} {
		if !read && f.bool(key) {
			f.fail(key, "%w feature for %s", ErrUnsupported, family.name)
		}
	}
	for key, part := range map[string]string{
		"attn_logit_softcapping": "a bound on attention scores", "final_logit_softcapping": "a bound on logits",
	} {
		if !family.softcaps && f.number(key, 0) != 0 {
			f.refuse(key, part)
		}
	}
}

func (f *fields) config(family *family) Config {
	c := Config{
		Family:           family.name,
		VocabSize:        f.int("vocab_size", 0),
		HiddenSize:       f.int("hidden_size", 0),
		IntermediateSize: f.int("intermediate_size", 0),
		Layers:           f.int("num_hidden_layers", 0),
		Heads:            f.int("num_attention_heads", 0),
		MaxPositions:     f.int("max_position_embeddings", 0),
		NormEps:          f.number(family.epsKey, 0),
		TieEmbeddings:    f.bool("tie_word_embeddings"),
		Names:            family.names,
		QKVBias:          family.qkvBias.of(f),
		OutBias:          family.outBias.of(f),
		MLPBias:          family.mlpBias.of(f),
		EmbedScale:       1, ResidualScale: 1, LogitScale: 1,
		BOS: f.int("bos_token_id", -1), Pad: f.int("pad_token_id", -1), EOS: f.ints("eos_token_id"),
		AttentionSoftcap: f.number("attn_logit_softcapping", 0), FinalSoftcap: f.number("final_logit_softcapping", 0),
	}
	c.KVHeads = f.int("num_key_value_heads", c.Heads)
	c.HeadDim = f.int("head_dim", c.HiddenSize/max(c.Heads, 1))
	c.AttentionScale = 1 / math.Sqrt(float64(c.HeadDim))
	c.Activation = f.activation(family.activationKey)
	if c.Layers < 0 || c.Layers > 1<<16 {
		f.fail("num_hidden_layers", "%d is not a usable size", c.Layers)
		return c
	}
	family.parts(&c)
	c.Windows = f.windows(family.windows, c.Layers)
	f.rope(&c, family)
	for _, n := range family.numbers {
		if n.key != "" {
			*n.of(&c) = n.turned(f.number(n.key, 0))
		}
	}
	if family.names[Router] != "" {
		c.Experts.Count, c.Experts.Used = f.int("num_local_experts", f.int(family.expertsKey(), 0)), f.int("num_experts_per_tok", 0)
		c.Experts.Size = f.int("moe_intermediate_size", c.IntermediateSize)
	}
	if family.read != nil {
		family.read(f, &c)
	}
	return c
}

// activations are the names of config.json for what docent computes.
var activations = map[string]Activation{
	"silu": SiLU, "swish": SiLU, "gelu": GELU, "gelu_pytorch_tanh": GELUTanh, "gelu_new": GELUTanh, "gelu_fast": GELUTanh,
	"relu": ReLU, "relu2": ReLU2, "xielu": XIELU,
}

func (f *fields) activation(key string) Activation {
	name := f.string(key)
	if activations[name] == "" {
		f.fail(key, "%q: %w activation", name, ErrUnsupported)
	}
	return activations[name]
}

// windowRule tells which layers of a family see a window of sliding_window positions only.
type windowRule struct {
	types    bool // those that layer_types says; without it:
	every    bool // all of them
	period   int  // all but every period-th
	switched bool // if use_sliding_window is on, from layer max_window_layers on
}

// windows resolves the families' several ways of saying which layers see only a window.
func (f *fields) windows(rule windowRule, layers int) []int {
	out := make([]int, layers)
	types := f.strings("layer_types")
	if types != nil && len(types) != layers {
		f.fail("layer_types", "%d entries for %d layers", len(types), layers)
		return out
	}
	window := max(0, f.int("sliding_window", 0))
	if rule.switched && !f.bool("use_sliding_window") {
		window = 0
	}
	period := rule.period
	if period > 0 && types == nil {
		if period = f.period(period); period <= 0 {
			f.fail("sliding_window_pattern", "%d must be positive", period)
			return out
		}
	}
	for i := range out {
		sliding := rule.every
		switch {
		case types != nil:
			switch types[i] {
			case "full_attention":
				sliding = rule.every && !rule.types
			case "sliding_attention":
				sliding = rule.every || rule.types
			case "conv":
				if f.value("conv_L_cache") == nil {
					f.fail(fmt.Sprintf("layer_types[%d]", i), "%w feature: it needs layers of short convolutions", ErrUnsupported)
				}
			default:
				f.fail(fmt.Sprintf("layer_types[%d]", i), "%q: %w layer", types[i], ErrUnsupported)
			}
		case rule.switched && !rule.every:
			sliding = i >= f.int("max_window_layers", 0)
		case rule.period > 0:
			sliding = (i+1)%period != 0
		}
		if sliding {
			out[i] = window
		}
	}
	return out
}

// period is the number of layers of which the last has full attention. exaone4 also spells it "LLLG".
func (f *fields) period(def int) int {
	pattern, ok := f.value("sliding_window_pattern").(string)
	if !ok {
		return f.int("sliding_window_pattern", f.int("_sliding_window_pattern", def))
	}
	if n := len(pattern); n == 0 || pattern != strings.Repeat("L", n-1)+"G" {
		f.fail("sliding_window_pattern", "%q: %w order of layers", pattern, ErrUnsupported)
	}
	return max(1, len(pattern))
}

// ropeScaling is that of transformers 4, before which rope_parameters of transformers 5 count for nothing; nil without it.
func (f *fields) ropeScaling() *fields {
	if p := f.under("rope_scaling"); p != nil && len(p.set) > 0 {
		return p
	}
	return nil
}

// rope reads the rotations: one of all layers, or one of those with a window and one of the others.
func (f *fields) rope(c *Config, family *family) {
	c.Rotations = make([]int, c.Layers)
	global, local, nested := &fields{}, &fields{}, family.localTheta > 0
	if p := f.under("rope_parameters"); p != nil {
		full, sliding := p.under("full_attention"), p.under("sliding_attention")
		if full != nil || sliding != nil {
			nested, global, local = true, cmp.Or(full, global), cmp.Or(sliding, local)
		} else if !nested {
			global = p
		}
		f.take("rope_parameters", p)
	}
	if p := f.ropeScaling(); p != nil && nested { // more of that of the layers without a window, of which transformers overlooks "type"
		delete(p.set, "type")
		for key, v := range global.set {
			p.set[key] = cmp.Or(p.set[key], v)
		}
		global = p
	} else if p != nil {
		global = p
	}
	for _, r := range []*fields{global, local} {
		r.defaults = map[string]any{"max_position_embeddings": c.MaxPositions, "original_max_position_embeddings": c.MaxPositions}
		if v := f.value("original_max_position_embeddings"); v != nil && !nested {
			delete(r.set, "original_max_position_embeddings") // transformers, too, prefers the outer one
			r.defaults["original_max_position_embeddings"] = v
		}
	}
	global.defaults["rope_theta"], global.defaults["partial_rotary_factor"] = f.value("rope_theta"), f.value("partial_rotary_factor")
	c.Ropes = []Rope{global.oneRope(c, family)}
	f.take("rope", global)
	if family.localTheta > 0 {
		local.defaults["rope_theta"] = f.number(family.localKey, family.localTheta)
		c.Ropes = append(c.Ropes, local.oneRope(c, family))
		f.take("rope", local)
		for i, w := range c.Windows {
			if w > 0 {
				c.Rotations[i] = 1
			}
		}
	}
	partial := global.number("partial_rotary_factor", 1)
	if partial != 1 && !family.partialRotary {
		f.fail("partial_rotary_factor", "%g: %w feature for %s", partial, ErrUnsupported, c.Family)
	}
	c.RotaryDim = int(float64(c.HeadDim) * partial)
}

// oneRope reads an entry of rope_parameters, or rope_scaling of transformers 4.
func (f *fields) oneRope(c *Config, family *family) Rope {
	name := f.string("rope_type")
	if name == "" {
		name = f.string("type")
	}
	if name == "" {
		name = string(RopeDefault)
	}
	if family.ropeType != nil {
		name = family.ropeType(f, c, name)
	}
	r := Rope{Type: RopeType(name), Theta: f.number("rope_theta", 0)}
	original := f.int("original_max_position_embeddings", 0)
	switch r.Type {
	case RopeDefault:
	case RopeLinear:
		r.Factor = f.number("factor", 0)
	case RopeLlama3:
		r.Factor, r.LowFreq, r.HighFreq = f.number("factor", 0), f.number("low_freq_factor", 0), f.number("high_freq_factor", 0)
		r.OriginalContext = original
	case RopeYarn:
		r.Factor = f.number("factor", f.number("max_position_embeddings", 0)/float64(max(original, 1)))
		r.OriginalContext, r.BetaFast, r.BetaSlow = original, f.number("beta_fast", 32), f.number("beta_slow", 1)
		r.Truncate = f.value("truncate") == nil || f.bool("truncate") || family.localTheta > 0 // where transformers does not look for it
		scale, all := f.number("mscale", 0), f.number("mscale_all_dim", 0)
		r.Magnitude = yarnMagnitude(r.Factor, 1)
		if scale != 0 && all != 0 {
			r.Magnitude = yarnMagnitude(r.Factor, scale) / yarnMagnitude(r.Factor, all)
		}
		r.Magnitude = f.number("attention_factor", r.Magnitude)
	case RopeLong:
		r.OriginalContext, r.Short, r.Long = original, f.numbers("short_factor"), f.numbers("long_factor")
		factor := f.number("factor", f.number("max_position_embeddings", 0)/float64(max(original, 1)))
		r.Magnitude = f.number("attention_factor", longMagnitude(factor, original))
	case RopeDynamic:
		r.Factor, r.OriginalContext = f.number("factor", 0), f.int("max_position_embeddings", 0)
		c.MaxPositions = int(r.Factor * float64(r.OriginalContext))
	default:
		f.fail("rope_type", "%q: %w rotary scaling; docent computes default, linear, llama3, yarn, longrope and dynamic", name, ErrUnsupported)
	}
	return r
}
