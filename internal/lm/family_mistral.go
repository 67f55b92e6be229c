package lm

// llama.cpp runs mistral's models as llama; a sliding window tells them apart.
var _ = enter(family{
	name: "mistral", architecture: "MistralForCausalLM",
	defaults: map[string]any{
		"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
		"num_key_value_heads": 8, "max_position_embeddings": 131072, "rms_norm_eps": 1e-6, "hidden_act": "silu", "rope_theta": 1e4,
		"sliding_window": 4096,
	},
	names:   llamaNames,
	windows: windowRule{every: true},
	gguf:    ggufRecord{arch: "llama", names: llamaGGUF, permuted: true, slides: true},
})
