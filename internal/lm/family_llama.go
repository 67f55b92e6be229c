package lm

// llamaNames and llamaGGUF are what most families call the parts of a layer.
var (
	llamaNames = Names{
		AttentionNorm: "input_layernorm", Q: "self_attn.q_proj", K: "self_attn.k_proj", V: "self_attn.v_proj", O: "self_attn.o_proj",
		MLPNorm: "post_attention_layernorm", Gate: "mlp.gate_proj", Up: "mlp.up_proj", Down: "mlp.down_proj",
	}
	llamaGGUF = Names{
		AttentionNorm: "attn_norm", Q: "attn_q", K: "attn_k", V: "attn_v", O: "attn_output",
		MLPNorm: "ffn_norm", Gate: "ffn_gate", Up: "ffn_up", Down: "ffn_down",
	}
	qkNorms     = Names{QNorm: "self_attn.q_norm", KNorm: "self_attn.k_norm"}
	qkNormsGGUF = Names{QNorm: "attn_q_norm", KNorm: "attn_k_norm"}
)

var _ = enter(family{
	name: "llama", architecture: "LlamaForCausalLM",
	defaults: map[string]any{"max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "hidden_act": "silu", "rope_theta": 1e4},
	names:    llamaNames,
	qkvBias:  biasRule{key: "attention_bias"}, outBias: biasRule{key: "attention_bias"}, mlpBias: biasRule{key: "mlp_bias"},
	gguf: ggufRecord{arch: "llama", names: llamaGGUF, permuted: true},
})
