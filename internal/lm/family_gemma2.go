package lm

var _ = enter(family{
	name: "gemma2", architecture: "Gemma2ForCausalLM",
	defaults: map[string]any{
		"num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 8192, "rms_norm_eps": 1e-6, "tie_word_embeddings": true,
		"hidden_activation": "gelu_pytorch_tanh", "rope_theta": 1e4, "sliding_window": 4096, "query_pre_attn_scalar": 256,
		"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0,
	},
	activationKey: "hidden_activation",
	names:         llamaNames.with(gemmaNorms),
	qkvBias:       biasRule{key: "attention_bias"}, outBias: biasRule{key: "attention_bias"},
	softcaps: true,
	windows:  windowRule{types: true, period: 2},
	parts:    gemmaParts,
	read:     readQueryScalar,
	write:    writeQueryScalar,
	gguf:     ggufRecord{arch: "gemma2", names: llamaGGUF.with(gemmaNormsGGUF), unitNorms: true, read: scaleByWidth(46)},
})
