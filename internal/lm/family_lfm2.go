package lm

import "slices"

// lfm2 has short convolutions in place of attention in most layers.
var _ = enter(family{
	name: "lfm2", architecture: "Lfm2ForCausalLM",
	defaults: map[string]any{
		"num_key_value_heads": 8, "max_position_embeddings": 128000, "norm_eps": 1e-5, "tie_word_embeddings": true, "hidden_act": "silu",
		"rope_theta": 1e6, "conv_L_cache": 3, "block_multiple_of": 256, "block_ffn_dim_multiplier": 1.0, "block_auto_adjust_ff_dim": true,
	},
	epsKey: "norm_eps",
	names: Names{
		AttentionNorm: "operator_norm", Q: "self_attn.q_proj", K: "self_attn.k_proj", V: "self_attn.v_proj", QNorm: "self_attn.q_layernorm",
		KNorm: "self_attn.k_layernorm", O: "self_attn.out_proj", ConvIn: "conv.in_proj", Conv: "conv.conv", ConvOut: "conv.out_proj",
		MLPNorm: "ffn_norm", Gate: "feed_forward.w1", Up: "feed_forward.w3", Down: "feed_forward.w2",
	},
	finalNorm: "model.embedding_norm.weight",
	read: func(f *fields, c *Config) {
		c.ConvKernel = f.int("conv_L_cache", 0)
		if f.bool("conv_bias") {
			f.refuse("conv_bias", "convolutions with biases")
		}
		c.TieEmbeddings = c.TieEmbeddings && f.value("tie_embedding") == nil || f.bool("tie_embedding")
		c.IntermediateSize = f.int("block_ff_dim", c.IntermediateSize)
		if f.bool("block_auto_adjust_ff_dim") {
			c.IntermediateSize = 2 * c.IntermediateSize / 3
			if times, multiple := f.pointer("block_ffn_dim_multiplier"), max(1, f.int("block_multiple_of", 0)); times != nil {
				c.IntermediateSize = (int(*times*float64(c.IntermediateSize)) + multiple - 1) / multiple * multiple
			}
		}
		types, full := f.strings("layer_types"), f.ints("full_attn_idxs")
		c.convolveAt(func(layer int) bool {
			if types != nil {
				return layer < len(types) && types[layer] == "conv"
			}
			return full != nil && !slices.Contains(full, layer)
		})
	},
	write: func(c Config, set func(string, any)) {
		types := make([]string, c.Layers)
		for i := range types {
			types[i] = map[bool]string{true: "conv", false: "full_attention"}[c.Has(i, Conv)]
		}
		set("layer_types", types)
		set("conv_L_cache", c.ConvKernel)
		set("block_auto_adjust_ff_dim", false)
	},
	gguf: ggufRecord{
		arch: "lfm2", names: llamaGGUF.with(qkNormsGGUF).with(Names{ConvIn: "shortconv.in_proj", Conv: "shortconv.conv", ConvOut: "shortconv.out_proj"}),
		outputNorm: "token_embd_norm",
		read: func(g *ggufFields, c *Config) {
			c.ConvKernel = g.need("shortconv.l_cache")
			heads, _ := g.metadata.Ints(g.prefix + "attention.head_count_kv")
			c.convolveAt(func(layer int) bool { return layer < len(heads) && heads[layer] == 0 })
		},
		write: func(c Config, set func(string, any)) {
			heads := make([]int32, c.Layers)
			for i := range heads {
				if c.Has(i, K) {
					heads[i] = int32(c.KVHeads)
				}
			}
			set("attention.head_count_kv", heads)
			set("shortconv.l_cache", uint32(c.ConvKernel))
		},
	},
})

// convolveAt makes the given layers have a convolution, and the others attention.
func (c *Config) convolveAt(conv func(layer int) bool) {
	c.Lacks = make([][]Part, c.Layers)
	for i := range c.Lacks {
		c.Lacks[i] = []Part{ConvIn, Conv, ConvOut}
		if conv(i) {
			c.Lacks[i] = []Part{Q, K, V, QNorm, KNorm, O}
		}
	}
}
