package lm

// exaone4 norms what the branches give, and does not rotate layers that see everything, if others have a window.
var _ = enter(family{
	name: "exaone4", architecture: "Exaone4ForCausalLM",
	defaults: map[string]any{
		"num_key_value_heads": 32, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 1e4,
		"sliding_window": 4096,
	},
	names:   olmoNames,
	windows: windowRule{types: true, period: 4},
	read:    func(f *fields, c *Config) { stopFull(c, f.value("sliding_window") != nil) },
	write: func(c Config, set func(string, any)) {
		set("sliding_window_pattern", nil) // layer_types says it
	},
	gguf: ggufRecord{
		arch: "exaone4", names: olmoGGUF,
		read: func(g *ggufFields, c *Config) { stopFull(c, g.int("attention.sliding_window", 0) > 0) },
	},
})

// stopFull keeps layers that see everything from rotating, if the model has windows.
func stopFull(c *Config, windows bool) {
	for i, w := range c.Windows {
		if windows && w == 0 {
			c.Rotations[i] = -1
		}
	}
}
