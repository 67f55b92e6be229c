package lm

// ungated are the names of an MLP of two matrices.
func ungated(names Names, up, down string) Names {
	return names.without(Gate).with(Names{Up: up, Down: down})
}

var _ = enter(family{
	name: "starcoder2", architecture: "Starcoder2ForCausalLM",
	defaults: map[string]any{
		"num_key_value_heads": 2, "max_position_embeddings": 4096, "norm_epsilon": 1e-5, "tie_word_embeddings": true,
		"hidden_act": "gelu_pytorch_tanh", "rope_theta": 1e4, "use_bias": true,
	},
	epsKey:  "norm_epsilon",
	names:   ungated(llamaNames, "mlp.c_fc", "mlp.c_proj"),
	qkvBias: biasRule{key: "use_bias"}, outBias: biasRule{key: "use_bias"}, mlpBias: biasRule{key: "use_bias"},
	windows: windowRule{every: true},
	parts:   func(c *Config) { c.LayerNorm, c.NormBias = true, true },
	gguf:    ggufRecord{arch: "starcoder2", names: llamaGGUF.without(Gate)},
})
