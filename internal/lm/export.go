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
	} else {
		c.describe(fields)
	}
	delete(fields, "torch_dtype") // transformers 4's name for dtype
	fields["dtype"] = dtype
	data, err := json.MarshalIndent(fields, "", "  ")
	return append(data, '\n'), err
}

var architectures = map[string]string{
	"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM",
	"qwen3": "Qwen3ForCausalLM", "gemma3_text": "Gemma3ForCausalLM", "phi3": "Phi3ForCausalLM",
}

// describe spells c out in the keys of config.json.
func (c Config) describe(fields map[string]any) {
	set := func(key string, value any) { fields[key] = value }
	set("model_type", c.Family)
	set("architectures", []string{architectures[c.Family]})
	set("vocab_size", c.VocabSize)
	set("hidden_size", c.HiddenSize)
	set("intermediate_size", c.IntermediateSize)
	set("num_hidden_layers", c.Layers)
	set("num_attention_heads", c.Heads)
	set("num_key_value_heads", c.KVHeads)
	set("max_position_embeddings", c.MaxPositions)
	set("rms_norm_eps", c.NormEps)
	set("tie_word_embeddings", c.TieEmbeddings)
	set("hidden_act", c.Activation)
	set("use_cache", true)
	if c.Family != "phi3" || c.HeadDim*c.Heads != c.HiddenSize {
		set("head_dim", c.HeadDim)
	}
	if f := families[c.Family]; f.optionalBias {
		set("attention_bias", c.QKVBias)
		if f.optionalMLPBias {
			set("mlp_bias", c.MLPBias)
		}
	}
	for key, id := range map[string]int{"bos_token_id": c.BOS, "pad_token_id": c.Pad} {
		if id >= 0 {
			set(key, id)
		}
	}
	if len(c.EOS) == 1 {
		set("eos_token_id", c.EOS[0])
	} else if len(c.EOS) > 1 {
		set("eos_token_id", c.EOS)
	}
	c.describeRope(set)
	c.describeWindows(set)
	if c.Family == "gemma3_text" {
		set("hidden_activation", c.Activation)
		set("query_pre_attn_scalar", 1/(c.AttentionScale*c.AttentionScale))
		if c.FinalSoftcap != 0 {
			set("final_logit_softcapping", c.FinalSoftcap)
		}
	}
}

func (c Config) describeRope(set func(string, any)) {
	set("rope_theta", c.Rope.Theta)
	switch c.Rope.Type {
	case RopeLinear:
		set("rope_scaling", map[string]any{"rope_type": RopeLinear, "factor": c.Rope.Factor})
	case RopeLlama3:
		set("rope_scaling", map[string]any{
			"rope_type": RopeLlama3, "factor": c.Rope.Factor, "low_freq_factor": c.Rope.LowFreq,
			"high_freq_factor": c.Rope.HighFreq, "original_max_position_embeddings": c.Rope.OriginalContext,
		})
	}
	if c.Family == "gemma3_text" {
		set("rope_local_base_freq", c.LocalRope.Theta)
	}
	if c.RotaryDim != c.HeadDim {
		set("partial_rotary_factor", float64(c.RotaryDim)/float64(c.HeadDim))
	}
}

func (c Config) describeWindows(set func(string, any)) {
	window := slices.Max(c.Windows)
	if window == 0 {
		if families[c.Family].window > 0 {
			set("sliding_window", nil)
		}
		return
	}
	set("sliding_window", window)
	if c.Family == "mistral" || c.Family == "phi3" { // every layer slides, and there is no key to say otherwise
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
	if families[c.Family].windowSwitch {
		set("use_sliding_window", true)
	}
}

// HFGeneration writes a generation_config.json for a model that came without one.
func (c Config) HFGeneration() ([]byte, error) {
	fields := map[string]any{}
	for key, id := range map[string]int{"bos_token_id": c.BOS, "pad_token_id": c.Pad} {
		if id >= 0 {
			fields[key] = id
		}
	}
	if len(c.EOS) > 0 {
		fields["eos_token_id"] = c.EOS
	}
	data, err := json.MarshalIndent(fields, "", "  ")
	return append(data, '\n'), err
}
