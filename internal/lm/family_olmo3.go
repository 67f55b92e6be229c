package lm

// olmo3 is olmo2 with windows, whose layers are rotated without scaling; llama.cpp tells them apart by the window.
var _ = enter(family{
	name: "olmo3", architecture: "Olmo3ForCausalLM",
	defaults: map[string]any{
		"max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 5e5, "sliding_window": 4096,
	},
	names:   olmoNames,
	qkvBias: biasRule{key: "attention_bias"}, outBias: biasRule{key: "attention_bias"},
	windows:    windowRule{types: true, period: 4},
	localTheta: 5e5,
	parts:      olmoParts,
	write: func(c Config, set func(string, any)) {
		set("rope_parameters", map[string]any{"full_attention": c.Ropes[0].describe(), "sliding_attention": c.Ropes[1].describe()})
	},
	gguf: ggufRecord{arch: "olmo2", names: olmoGGUF, slides: true},
})
