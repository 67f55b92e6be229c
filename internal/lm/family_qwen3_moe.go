package lm

import "slices"

var _ = enter(family{
	name: "qwen3_moe", architecture: "Qwen3MoeForCausalLM",
	defaults: map[string]any{
		"num_key_value_heads": 4, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "hidden_act": "silu", "rope_theta": 1e4,
		"sliding_window": 4096, "moe_intermediate_size": 768, "num_experts_per_tok": 8, "num_experts": 128, "decoder_sparse_step": 1,
	},
	names:   llamaNames.with(qkNorms).with(expertNames),
	qkvBias: biasRule{key: "attention_bias"}, outBias: biasRule{key: "attention_bias"},
	windows: windowRule{every: true, switched: true},
	parts: func(c *Config) {
		c.Experts = Experts{Normalized: true, gate: "gate_proj", up: "up_proj", down: "down_proj"}
	},
	read: func(f *fields, c *Config) {
		c.Experts.Normalized = f.bool("norm_topk_prob")
		mlps, step := f.ints("mlp_only_layers"), f.int("decoder_sparse_step", 1)
		c.denseAt(func(layer int) bool {
			return slices.Contains(mlps, layer) || c.Experts.Count == 0 || step > 0 && (layer+1)%step != 0
		})
	},
	write: func(c Config, set func(string, any)) {
		set("moe_intermediate_size", c.Experts.Size)
		set("norm_topk_prob", c.Experts.Normalized)
		set("decoder_sparse_step", 1)
		set("mlp_only_layers", []int{})
	},
	gguf: ggufRecord{
		arch: "qwen3moe", names: llamaGGUF.with(qkNormsGGUF).with(expertNamesGGUF),
		read: func(_ *ggufFields, c *Config) { c.denseAt(func(int) bool { return false }) },
	},
})
