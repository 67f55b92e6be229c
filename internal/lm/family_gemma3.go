package lm

import "math"

var (
	// gemmaNorms are those of the outputs of the branches, in addition to llama's.
	gemmaNorms = Names{
		AttentionOutNorm: "post_attention_layernorm", MLPNorm: "pre_feedforward_layernorm", MLPOutNorm: "post_feedforward_layernorm",
	}
	gemmaNormsGGUF = Names{AttentionOutNorm: "post_attention_norm", MLPOutNorm: "post_ffw_norm"}
)

// gemmaParts is what all of gemma's models have in common.
func gemmaParts(c *Config) {
	c.EmbedScale = math.Sqrt(float64(c.HiddenSize))
	c.UnitOffsetNorm = true
}

var _ = enter(family{
	name: "gemma3_text", architecture: "Gemma3ForCausalLM",
	defaults: map[string]any{
		"vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26, "num_attention_heads": 8,
		"num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-6, "tie_word_embeddings": true,
		"hidden_activation": "gelu_pytorch_tanh", "rope_theta": 1e6, "sliding_window": 4096,
		"query_pre_attn_scalar": 256,
	},
	activationKey: "hidden_activation",
	names:         llamaNames.with(qkNorms).with(gemmaNorms),
	qkvBias:       biasRule{key: "attention_bias"}, outBias: biasRule{key: "attention_bias"},
	softcaps:   true,
	localTheta: 1e4, localKey: "rope_local_base_freq",
	windows: windowRule{types: true, period: 6},
	parts:   gemmaParts,
	read: func(f *fields, c *Config) {
		readQueryScalar(f, c)
		c.AttentionSoftcap = 0 // which transformers reads and does not compute with
	},
	write: writeQueryScalar,
	// Of all sizes the 27B model alone scales by hidden/heads; the file does not say so, and llama.cpp, too, goes by the layers.
	gguf: ggufRecord{arch: "gemma3", names: llamaGGUF.with(qkNormsGGUF).with(gemmaNormsGGUF), unitNorms: true, read: scaleByWidth(62)},
})

// readQueryScalar: q·k is scaled by 1/sqrt of query_pre_attn_scalar instead of head_dim.
func readQueryScalar(f *fields, c *Config) {
	c.AttentionScale = 1 / math.Sqrt(f.number("query_pre_attn_scalar", 0))
}

func writeQueryScalar(c Config, set func(string, any)) {
	set("query_pre_attn_scalar", 1/(c.AttentionScale*c.AttentionScale))
}

// scaleByWidth scales q·k of the model with so many layers by hidden/heads.
func scaleByWidth(layers int) func(*ggufFields, *Config) {
	return func(_ *ggufFields, c *Config) {
		if c.Layers == layers {
			c.AttentionScale = 1 / math.Sqrt(float64(c.HiddenSize)/float64(c.Heads))
		}
	}
}
