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
		c.Experts = Experts{Size: c.IntermediateSize, Normalized: true, gate: "w1", up: "w3", down: "w2", folder: "block_sparse_moe"}
	},
	read: func(f *fields, c *Config) {
		c.Experts.Count, c.Experts.Used = f.int("num_local_experts", 0), f.int("num_experts_per_tok", 0)
	},
	write: func(c Config, set func(string, any)) {
		set("num_local_experts", c.Experts.Count)
		set("num_experts_per_tok", c.Experts.Used)
	},
	gguf: ggufRecord{
		arch: "llama", names: llamaGGUF.without(Gate, Up, Down).with(expertNamesGGUF), permuted: true,
		read: func(g *ggufFields, c *Config) {
			c.Experts.Count, c.Experts.Used = g.need("expert_count"), g.need("expert_used_count")
		},
	},
})
