package lm

var _ = enter(family{
	name: "helium", architecture: "HeliumForCausalLM",
	defaults: map[string]any{
		"num_key_value_heads": 20, "head_dim": 128, "max_position_embeddings": 4096, "rms_norm_eps": 1e-8, "hidden_act": "silu",
		"rope_theta": 1e5,
	},
	names:   llamaNames,
	qkvBias: biasRule{key: "attention_bias"}, mlpBias: biasRule{key: "mlp_bias"},
	parts: func(c *Config) { c.Interleaved = true },
})
