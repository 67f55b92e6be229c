package lm

var _ = enter(family{
	name: "gpt_oss", architecture: "GptOssForCausalLM",
	defaults: map[string]any{
		"num_key_value_heads": 8, "head_dim": 64, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 1.5e5,
		"attention_bias": true, "sliding_window": 128, "num_local_experts": 128, "num_experts_per_tok": 4, "swiglu_alpha": 1.702, "swiglu_limit": 7.0,
		"rope_parameters": map[string]any{
			"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": false, "original_max_position_embeddings": 4096,
		},
	},
	names:   llamaNames.without(Gate, Up, Down).with(expertNames).with(Names{Router: "mlp.router", Sinks: "self_attn.sinks"}),
	qkvBias: biasRule{key: "attention_bias"}, outBias: biasRule{key: "attention_bias"},
	windows: windowRule{types: true, period: 2},
	mxfp4:   true,
	parts: func(c *Config) {
		c.Activation = Bounded
		c.Experts = Experts{Normalized: true, Bias: true, Limit: 7, Slope: 1.702, Fused: true}
	},
	numbers: []number{
		{key: "swiglu_limit", of: func(c *Config) *float64 { return &c.Experts.Limit }},
		{key: "swiglu_alpha", of: func(c *Config) *float64 { return &c.Experts.Slope }},
	},
	read: func(f *fields, c *Config) { c.Experts.MXFP4 = f.value("quantization_config") != nil },
	write: func(c Config, set func(string, any)) {
		set("hidden_act", SiLU)
		set("rope_parameters", c.Ropes[0].describe())
	},
	gguf: ggufRecord{
		arch: "gpt-oss", names: llamaGGUF.without(Gate, Up, Down).with(expertNamesGGUF).with(Names{MLPNorm: "post_attention_norm", Sinks: "attn_sinks"}),
		read: func(_ *ggufFields, c *Config) { c.Ropes[0].Truncate = false },
	},
})
