package lm

var _ = enter(family{
	name: "smollm3", architecture: "SmolLM3ForCausalLM",
	defaults: map[string]any{
		"num_key_value_heads": 4, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "tie_word_embeddings": true,
		"hidden_act": "silu", "rope_theta": 2e6, "no_rope_layer_interval": 4,
	},
	names:   llamaNames,
	qkvBias: biasRule{key: "attention_bias"}, outBias: biasRule{key: "attention_bias"}, mlpBias: biasRule{key: "mlp_bias"},
	windows: windowRule{types: true},
	read: func(f *fields, c *Config) {
		turned := f.ints("no_rope_layers")
		if interval := f.int("no_rope_layer_interval", 0); turned == nil && interval <= 0 {
			f.fail("no_rope_layer_interval", "%d must be positive", interval)
		} else if turned == nil {
			stopEvery(c, interval)
		} else if len(turned) < c.Layers {
			f.fail("no_rope_layers", "%d entries for %d layers", len(turned), c.Layers)
		} else {
			for i := range c.Rotations {
				if turned[i] == 0 {
					c.Rotations[i] = -1
				}
			}
		}
		if f.value("layer_types") == nil && f.bool("use_sliding_window") {
			for i, r := range c.Rotations {
				if r < 0 {
					c.Windows[i] = max(0, f.int("sliding_window", 0))
				}
			}
		}
	},
	write: func(c Config, set func(string, any)) {
		turned := make([]int, c.Layers)
		for i, r := range c.Rotations {
			turned[i] = min(1, r+1)
		}
		set("no_rope_layers", turned)
	},
	gguf: ggufRecord{arch: "smollm3", names: llamaGGUF, permuted: true, read: func(_ *ggufFields, c *Config) { stopEvery(c, 4) }},
})

// stopEvery keeps every n-th layer from rotating.
func stopEvery(c *Config, n int) {
	for i := n - 1; i < c.Layers; i += n {
		c.Rotations[i] = -1
	}
}
