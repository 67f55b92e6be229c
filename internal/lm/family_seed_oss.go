package lm

var _ = enter(family{
	name: "seed_oss", architecture: "SeedOssForCausalLM",
	defaults: map[string]any{
		"num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 524288, "rms_norm_eps": 1e-6, "hidden_act": "silu",
		"rope_theta": 1e4, "attention_bias": true,
	},
	names:   llamaNames,
	qkvBias: biasRule{key: "attention_bias"}, outBias: biasRule{key: "attention_out_bias"}, mlpBias: biasRule{key: "mlp_bias"},
	gguf: ggufRecord{arch: "seed_oss", names: llamaGGUF.with(Names{MLPNorm: "post_attention_norm"})},
})
