package lm

var _ = enter(family{
	name: "ministral", architecture: "MinistralForCausalLM",
	defaults: map[string]any{
		"num_key_value_heads": 8, "max_position_embeddings": 131072, "rms_norm_eps": 1e-6, "hidden_act": "silu", "rope_theta": 1e4,
		"sliding_window": 4096,
	},
	names:   llamaNames,
	windows: windowRule{types: true, every: true},
})
