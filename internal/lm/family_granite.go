package lm

var _ = enter(family{
	name: "granite", architecture: "GraniteForCausalLM",
	defaults: map[string]any{
		"max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "hidden_act": "silu", "rope_theta": 1e4,
		"attention_multiplier": 1.0, "embedding_multiplier": 1.0, "residual_multiplier": 1.0, "logits_scaling": 1.0,
	},
	names:   llamaNames,
	qkvBias: biasRule{key: "attention_bias"}, outBias: biasRule{key: "attention_bias"}, mlpBias: biasRule{key: "mlp_bias"},
	numbers: []number{
		{key: "attention_multiplier", gguf: "attention.scale", of: func(c *Config) *float64 { return &c.AttentionScale }},
		{key: "embedding_multiplier", gguf: "embedding_scale", of: func(c *Config) *float64 { return &c.EmbedScale }},
		{key: "residual_multiplier", gguf: "residual_scale", of: func(c *Config) *float64 { return &c.ResidualScale }},
		{key: "logits_scaling", gguf: "logit_scale", of: func(c *Config) *float64 { return &c.LogitScale }, inverse: true},
	},
	gguf: ggufRecord{arch: "granite", names: llamaGGUF, permuted: true},
})
