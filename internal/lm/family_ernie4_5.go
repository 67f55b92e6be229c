package lm

var _ = enter(family{
	name: "ernie4_5", architecture: "Ernie4_5ForCausalLM",
	defaults: map[string]any{
		"num_key_value_heads": 2, "head_dim": 128, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
		"hidden_act": "silu", "rope_theta": 5e5,
	},
	names:   llamaNames,
	qkvBias: biasRule{key: "use_bias"}, outBias: biasRule{key: "use_bias"}, mlpBias: biasRule{key: "use_bias"},
	parts: func(c *Config) { c.Interleaved = true },
	gguf:  ggufRecord{arch: "ernie4_5", names: llamaGGUF},
})
