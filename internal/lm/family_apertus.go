package lm

var _ = enter(family{
	name: "apertus", architecture: "ApertusForCausalLM",
	defaults: map[string]any{
		"max_position_embeddings": 65536, "rms_norm_eps": 1e-5, "hidden_act": "xielu", "rope_theta": 1.2e7,
		"rope_parameters": map[string]any{
			"rope_type": "llama3", "rope_theta": 1.2e7, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
			"original_max_position_embeddings": 8192,
		},
	},
	names: ungated(llamaNames, "mlp.up_proj", "mlp.down_proj").with(qkNorms).with(Names{
		AttentionNorm: "attention_layernorm", MLPNorm: "feedforward_layernorm",
	}),
	qkvBias: biasRule{key: "attention_bias"}, outBias: biasRule{key: "attention_bias"},
	read: func(_ *fields, c *Config) {
		if c.Activation == XIELU {
			c.Names[Act] = "mlp.act_fn"
		}
	},
	gguf: ggufRecord{
		arch: "apertus", names: llamaGGUF.without(Gate).with(qkNormsGGUF),
		read: func(_ *ggufFields, c *Config) { c.Names[Act] = "mlp.act_fn" },
	},
})
