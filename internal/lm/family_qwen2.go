package lm

var _ = enter(family{
	name: "qwen2", architecture: "Qwen2ForCausalLM",
	defaults: map[string]any{
		"num_key_value_heads": 32, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "hidden_act": "silu", "rope_theta": 1e4,
		"sliding_window": 4096, "max_window_layers": 28,
	},
	names:   llamaNames,
	qkvBias: biasRule{always: true},
	windows: windowRule{types: true, switched: true},
	gguf:    ggufRecord{arch: "qwen2", names: llamaGGUF},
})
