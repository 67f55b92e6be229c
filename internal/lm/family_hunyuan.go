package lm

import "math"

// hunyuan_v1_dense norms queries and keys after it has rotated them.
var _ = enter(family{
	name: "hunyuan_v1_dense", architecture: "HunYuanDenseV1ForCausalLM",
	defaults: map[string]any{"max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 1e4},
	names:    llamaNames.with(Names{QNorm: "self_attn.query_layernorm", KNorm: "self_attn.key_layernorm"}),
	qkvBias:  biasRule{key: "attention_bias"}, outBias: biasRule{key: "attention_bias"},
	parts: func(c *Config) { c.LateQKNorm = true },
	ropeType: func(f *fields, c *Config, name string) string {
		alpha := f.number("alpha", 0)
		if name != "dynamic" || alpha == 0 {
			return name
		}
		// A fixed alpha is another base; the converter to GGUF writes that.
		f.set["rope_theta"] = f.number("rope_theta", 0) * math.Pow(alpha, float64(c.HeadDim)/float64(c.HeadDim-2))
		return string(RopeDefault)
	},
	gguf: ggufRecord{arch: "hunyuan-dense", names: llamaGGUF.with(qkNormsGGUF)},
})
