package lm

import (
	"cmp"
	"math"
)

var _ = enter(family{
	name: "ministral3", architecture: "Ministral3ForCausalLM",
	defaults: map[string]any{
		"vocab_size": 131072, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 34, "num_attention_heads": 32,
		"num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 262144, "rms_norm_eps": 1e-5, "hidden_act": "silu",
		"rope_parameters": map[string]any{
			"rope_type": "yarn", "rope_theta": 1e6, "factor": 16.0, "original_max_position_embeddings": 16384, "beta_fast": 32.0,
			"beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.1,
		},
	},
	names:   llamaNames,
	windows: windowRule{every: true},
	numbers: []number{{gguf: "attention.temperature_scale", of: func(c *Config) *float64 { return &c.QueryBeta }}},
	read: func(f *fields, c *Config) {
		if p := cmp.Or(f.ropeScaling(), f.under("rope_parameters")); p != nil {
			c.QueryBeta = p.number("llama_4_scaling_beta", 0)
			c.QueryContext = p.int("original_max_position_embeddings", c.MaxPositions)
			f.take("rope_parameters", p)
		}
	},
	write: func(c Config, set func(string, any)) {
		rope := c.Ropes[0].describe()
		rope["llama_4_scaling_beta"], rope["original_max_position_embeddings"] = c.QueryBeta, c.QueryContext
		set("rope_scaling", rope)
	},
	gguf: ggufRecord{
		arch: "mistral3", names: llamaGGUF, permuted: true,
		read: func(g *ggufFields, c *Config) {
			c.QueryContext = g.int("rope.scaling.original_context_length", c.MaxPositions)
			if r := &c.Ropes[0]; r.Type == RopeYarn { // mscale_all_dim; mscale is 1
				r.Magnitude /= yarnMagnitude(r.Factor, g.float("rope.scaling.yarn_log_multiplier", 0))
			}
		},
		write: func(c Config, set func(string, any)) {
			set("attention.temperature_length", uint32(c.QueryContext))
			if r := c.Ropes[0]; r.Type == RopeYarn && r.Factor > 1 {
				set("rope.scaling.yarn_log_multiplier", float32((yarnMagnitude(r.Factor, 1)/r.Scale()-1)/(0.1*math.Log(r.Factor))))
			}
		},
	},
})
