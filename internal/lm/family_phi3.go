package lm

import "cmp"

var _ = enter(family{
	name: "phi3", architecture: "Phi3ForCausalLM",
	defaults: map[string]any{
		"max_position_embeddings": 4096, "original_max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 1e4,
	},
	names:         llamaNames.without(Q, K, V, Gate, Up).with(Names{QKV: "self_attn.qkv_proj", GateUp: "mlp.gate_up_proj"}),
	partialRotary: true,
	ropeType: func(_ *fields, _ *Config, name string) string {
		if name == "su" || name == "yarn" { // what early releases call it
			return "longrope"
		}
		return name
	},
	windows: windowRule{every: true},
	write: func(c Config, set func(string, any)) { // transformers assumes 4096 where this is not outside rope_parameters
		set("original_max_position_embeddings", cmp.Or(c.Ropes[0].OriginalContext, c.MaxPositions))
	},
	gguf: ggufRecord{
		arch: "phi3", names: llamaGGUF.without(Q, K, V, Gate, Up).with(Names{QKV: "attn_qkv", GateUp: "ffn_up"}),
	},
})
