package lm

var _ = enter(family{
	name: "mixtral", architecture: "MixtralForCausalLM",
	defaults: map[string]any{
		"num_key_value_heads": 8, "max_position_embeddings": 4096 * 32, "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 1e6,
		"num_experts_per_tok": 2, "num_local_experts": 8,
	},
	names:   llamaNames.without(Gate, Up, Down).with(expertNames),
	windows: windowRule{every: true},
	parts: func(c *Config) {
		c.Experts = Experts{Normalized: true, gate: "w1", up: "w3", down: "w2", folder: "block_sparse_moe"}
	},
	gguf: ggufRecord{arch: "llama", names: llamaGGUF.without(Gate, Up, Down).with(expertNamesGGUF), permuted: true},
})
