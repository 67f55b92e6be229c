package lm

var _ = enter(family{
	name: "granite", architecture: "GraniteForCausalLM",
	defaults: map[string]any{
		"max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "hidden_act": "silu", "rope_theta": 1e4,
		"attention_multiplier": 1.0, "embedding_multiplier": 1.0, "residual_multiplier": 1.0, "logits_scaling": 1.0,
	},
	names:   llamaNames,
	qkvBias: biasRule{key: "attention_bias"}, outBias: biasRule{key: "attention_bias"}, mlpBias: biasRule{key: "mlp_bias"},
	read: func(f *fields, c *Config) {
		c.AttentionScale, c.EmbedScale = f.number("attention_multiplier", 0), f.number("embedding_multiplier", 0)
		c.ResidualScale, c.LogitScale = f.number("residual_multiplier", 0), 1/f.number("logits_scaling", 0)
	},
	write: func(c Config, set func(string, any)) {
		set("attention_multiplier", c.AttentionScale)
		set("embedding_multiplier", c.EmbedScale)
		set("residual_multiplier", c.ResidualScale)
		set("logits_scaling", 1/c.LogitScale)
	},
	gguf: ggufRecord{
		arch: "granite", names: llamaGGUF, permuted: true,
		reads: []string{"attention.scale", "embedding_scale", "residual_scale", "logit_scale"},
		read: func(g *ggufFields, c *Config) {
			c.AttentionScale, c.EmbedScale = g.float("attention.scale", c.AttentionScale), g.float("embedding_scale", 1)
			c.ResidualScale, c.LogitScale = g.float("residual_scale", 1), 1/g.float("logit_scale", 1)
		},
		write: func(c Config, set func(string, any)) {
			set("attention.scale", float32(c.AttentionScale))
			set("embedding_scale", float32(c.EmbedScale))
			set("residual_scale", float32(c.ResidualScale))
			set("logit_scale", float32(1/c.LogitScale))
		},
	},
})
