package lm

var _ = enter(family{
	name: "gemma", architecture: "GemmaForCausalLM",
	defaults: map[string]any{
		"num_key_value_heads": 16, "head_dim": 256, "max_position_embeddings": 8192, "rms_norm_eps": 1e-6, "tie_word_embeddings": true,
		"hidden_act": "gelu_pytorch_tanh", "rope_theta": 1e4,
	},
	names:   llamaNames,
	qkvBias: biasRule{key: "attention_bias"}, outBias: biasRule{key: "attention_bias"},
	parts: gemmaParts,
	read: func(_ *fields, c *Config) {
		if c.Activation == GELU { // of the first releases, which meant the approximation
			c.Activation = GELUTanh
		}
	},
	gguf: ggufRecord{arch: "gemma", names: llamaGGUF, unitNorms: true},
})
