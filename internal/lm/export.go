package lm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// HFConfig writes the config.json of an exported model whose weights are stored as dtype ("float32", "bfloat16"). What
// the original config.json says beyond docent's needs is kept; a model from GGUF gets a config.json that transformers
// 4 and 5 both read.
func (c Config) HFConfig(dtype string) ([]byte, error) {
	fields := map[string]any{}
	if c.Source != nil {
		d := json.NewDecoder(bytes.NewReader(c.Source))
		d.UseNumber() // numbers stay as they were written
		if err := d.Decode(&fields); err != nil {
			return nil, fmt.Errorf("config.json: %w", err)
		}
		if was, err := ParseConfig(c.Source); err == nil && (was.VocabSize != c.VocabSize || was.TieEmbeddings != c.TieEmbeddings) { // by an adapter
			fields["vocab_size"], fields["tie_word_embeddings"] = c.VocabSize, c.TieEmbeddings
			delete(fields, "tie_embedding") // lfm2's name for it, which goes before
		}
	} else {
		c.describe(fields)
	}
	delete(fields, "torch_dtype") // transformers 4's name for dtype
	delete(fields, "quantization_config")
	fields["dtype"] = dtype
	data, err := json.MarshalIndent(fields, "", "  ")
	return append(data, '\n'), err
}

// describe spells c out in the keys of config.json.
func (c Config) describe(fields map[string]any) {
	f := families[c.Family]
	set := func(key string, value any) { fields[key] = value }
	set("model_type", c.Family)
	set("architectures", []string{f.architecture})
	set("vocab_size", c.VocabSize)
	set("hidden_size", c.HiddenSize)
	set("intermediate_size", c.IntermediateSize)
	set("num_hidden_layers", c.Layers)
	set("num_attention_heads", c.Heads)
	set("num_key_value_heads", c.KVHeads)
	set("max_position_embeddings", c.MaxPositions)
	set(f.epsKey, c.NormEps)
	set("tie_word_embeddings", c.TieEmbeddings)
	set("hidden_act", c.Activation) // also where another key is read: programs look for this one
	set(f.activationKey, c.Activation)
	set("use_cache", true)
	if _, ok := f.defaults["head_dim"]; ok || c.HeadDim*c.Heads != c.HiddenSize {
		set("head_dim", c.HeadDim)
	}
	for rule, on := range map[biasRule]bool{f.qkvBias: c.QKVBias, f.outBias: c.OutBias, f.mlpBias: c.MLPBias} {
		if rule.key != "" {
			set(rule.key, on)
		}
	}
	c.describeTokens(fields)
	if len(c.EOS) == 1 {
		set("eos_token_id", c.EOS[0])
	} else if len(c.EOS) > 1 {
		set("eos_token_id", c.EOS)
	}
	if f.softcaps {
		describeLimit(set, "attn_logit_softcapping", c.AttentionSoftcap)
		describeLimit(set, "final_logit_softcapping", c.FinalSoftcap)
	}
	c.describeRope(set, f)
	c.describeWindows(set, f.windows)
	for _, n := range f.numbers {
		if n.key != "" {
			set(n.key, n.turned(*n.of(&c)))
		}
	}
	if f.names[Router] != "" {
		set(f.expertsKey(), c.Experts.Count)
		set("num_experts_per_tok", c.Experts.Used)
	}
	if f.write != nil {
		f.write(c, set)
	}
}

// describeLimit sets a bound; none is null, since its absence may mean another value.
func describeLimit(set func(string, any), key string, limit float64) {
	if limit == 0 {
		set(key, nil)
	} else {
		set(key, limit)
	}
}

func (c Config) describeRope(set func(string, any), f *family) {
	r := c.Ropes[0]
	set("rope_theta", r.Theta)
	if r.Type != RopeDefault {
		set("rope_scaling", r.describe())
	}
	if f.localKey != "" {
		set(f.localKey, c.Ropes[1].Theta)
	}
	if c.RotaryDim != c.HeadDim {
		set("partial_rotary_factor", float64(c.RotaryDim)/float64(c.HeadDim))
	}
}

// describe is r as an entry of rope_parameters.
func (r Rope) describe() map[string]any {
	out := map[string]any{"rope_type": r.Type, "rope_theta": r.Theta}
	if r.Factor != 0 {
		out["factor"] = r.Factor
	}
	switch r.Type {
	case RopeLlama3:
		out["low_freq_factor"], out["high_freq_factor"] = r.LowFreq, r.HighFreq
		out["original_max_position_embeddings"] = r.OriginalContext
	case RopeYarn:
		out["beta_fast"], out["beta_slow"], out["truncate"] = r.BetaFast, r.BetaSlow, r.Truncate
		out["original_max_position_embeddings"], out["attention_factor"] = r.OriginalContext, r.Scale()
	case RopeLong:
		out["short_factor"], out["long_factor"] = r.Short, r.Long
		out["original_max_position_embeddings"], out["attention_factor"] = r.OriginalContext, r.Scale()
	}
	return out
}

func (c Config) describeWindows(set func(string, any), rule windowRule) {
	window := slices.Max(c.Windows)
	switch {
	case rule == windowRule{}:
		return
	case window == 0:
		set("sliding_window", nil)
		return
	}
	set("sliding_window", window)
	if rule.switched {
		set("use_sliding_window", true)
	}
	if !rule.types {
		return
	}
	types := make([]string, c.Layers)
	for i, w := range c.Windows {
		types[i] = "full_attention"
		if w > 0 {
			types[i] = "sliding_attention"
		}
	}
	set("layer_types", types)
}

// HFGeneration writes a generation_config.json for a model that came without one.
func (c Config) HFGeneration() ([]byte, error) {
	fields := map[string]any{}
	c.describeTokens(fields)
	if len(c.EOS) > 0 {
		fields["eos_token_id"] = c.EOS
	}
	data, err := json.MarshalIndent(fields, "", "  ")
	return append(data, '\n'), err
}

func (c Config) describeTokens(fields map[string]any) {
	for key, id := range map[string]int{"bos_token_id": c.BOS, "pad_token_id": c.Pad} {
		if id >= 0 {
			fields[key] = id
		}
	}
}
