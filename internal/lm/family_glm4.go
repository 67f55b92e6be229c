package lm

var _ = enter(family{
	name: "glm4", architecture: "Glm4ForCausalLM",
	defaults: map[string]any{
		"num_key_value_heads": 2, "head_dim": 128, "max_position_embeddings": 131072, "rms_norm_eps": 0.00000015625, "hidden_act": "silu",
		"rope_theta": 1e4, "partial_rotary_factor": 0.5, "attention_bias": true, "eos_token_id": []any{151329, 151336, 151338},
	},
	names: llamaNames.without(Gate, Up).with(Names{
		AttentionOutNorm: "post_self_attn_layernorm", GateUp: "mlp.gate_up_proj", MLPOutNorm: "post_mlp_layernorm",
	}),
	qkvBias:       biasRule{key: "attention_bias"},
	partialRotary: true,
	parts:         func(c *Config) { c.Interleaved = true },
	gguf:          ggufRecord{arch: "glm4", names: llamaGGUF.without(Gate, Up).with(gemmaNormsGGUF).with(Names{GateUp: "ffn_up"})},
})
