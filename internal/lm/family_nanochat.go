package lm

// nanochat's norms have no weights, its embeddings are normed, and it turns queries and keys the other way, before their norms.
var _ = enter(family{
	name: "nanochat", architecture: "NanoChatForCausalLM",
	defaults: map[string]any{
		"max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "hidden_act": "relu2", "rope_theta": 1e4, "final_logit_softcapping": 15.0,
	},
	names:   ungated(llamaNames, "mlp.fc1", "mlp.fc2").with(qkNorms),
	qkvBias: biasRule{key: "attention_bias"}, outBias: biasRule{key: "attention_bias"},
	softcaps: true,
	parts:    func(c *Config) { c.PlainNorms, c.NormEmbeddings, c.LateQKNorm = true, true, true },
	read:     func(_ *fields, c *Config) { c.Ropes[0].Reversed = true },
})
