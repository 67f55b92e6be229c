package lm

var _ = enter(family{
	name: "qwen3", architecture: "Qwen3ForCausalLM",
	defaults: map[string]any{
		"num_key_value_heads": 32, "head_dim": 128, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "hidden_act": "silu",
		"rope_theta": 1e4, "sliding_window": 4096, "max_window_layers": 28,
	},
	names:   llamaNames.with(qkNorms),
	qkvBias: biasRule{key: "attention_bias"}, outBias: biasRule{key: "attention_bias"},
	windows: windowRule{types: true, switched: true},
	gguf:    ggufRecord{arch: "qwen3", names: llamaGGUF.with(qkNormsGGUF)},
})
