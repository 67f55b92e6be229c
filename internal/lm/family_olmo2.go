package lm

// olmo2 norms what the branches give, and not what they read.
var (
	olmoNames = llamaNames.without(AttentionNorm, MLPNorm).with(qkNorms).with(Names{
		AttentionOutNorm: "post_attention_layernorm", MLPOutNorm: "post_feedforward_layernorm",
	})
	olmoGGUF = llamaGGUF.without(AttentionNorm, MLPNorm).with(qkNormsGGUF).with(gemmaNormsGGUF)
)

func olmoParts(c *Config) { c.WideQKNorm = true }

var _ = enter(family{
	name: "olmo2", architecture: "Olmo2ForCausalLM",
	defaults: map[string]any{"max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 1e4},
	names:    olmoNames,
	qkvBias:  biasRule{key: "attention_bias"}, outBias: biasRule{key: "attention_bias"},
	parts: olmoParts,
	gguf:  ggufRecord{arch: "olmo2", names: olmoGGUF},
})
