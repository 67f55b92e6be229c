package lm

// cohere2 has one norm before branches side by side, and rotates the layers with a window only.
var _ = enter(family{
	name: "cohere2", architecture: "Cohere2ForCausalLM",
	defaults: map[string]any{
		"max_position_embeddings": 8192, "layer_norm_eps": 1e-5, "tie_word_embeddings": true, "hidden_act": "silu", "rope_theta": 1e4,
		"sliding_window": 4096, "logit_scale": 0.0625,
	},
	epsKey:  "layer_norm_eps",
	names:   llamaNames.without(MLPNorm),
	qkvBias: biasRule{key: "attention_bias"}, outBias: biasRule{key: "attention_bias"},
	windows: windowRule{types: true, period: 4},
	parts:   func(c *Config) { c.LayerNorm, c.Parallel, c.Interleaved = true, true, true },
	numbers: []number{{key: "logit_scale", gguf: "logit_scale", of: func(c *Config) *float64 { return &c.LogitScale }}},
	read:    func(_ *fields, c *Config) { stopFull(c, true) },
	gguf:    ggufRecord{arch: "cohere2", names: llamaGGUF.without(MLPNorm), read: func(_ *ggufFields, c *Config) { stopFull(c, true) }},
})
