package weights

import (
	"maps"
	"slices"
	"strings"
)

// ggufArch tells how one GGUF architecture differs from the checkpoints of transformers it was converted from.
type ggufArch struct {
	// names maps the part of a name between "blk.N." and ".weight" or ".bias" to that below "model.layers.N."
	names map[string]string
	// permuted: rows of q and k are interleaved for a rotation of neighbours (see unpermute).
	permuted bool
	// unitNorms: the converter added 1 to the weights of the norms, which transformers adds in the graph.
	unitNorms bool
}

// ggufOuter are the tensors outside the layers.
var ggufOuter = map[string]string{
	"token_embd":  "model.embed_tokens",
	"output":      "lm_head",
	"output_norm": "model.norm",
}

var llamaNames = map[string]string{
	"attn_norm":     "input_layernorm",
	"attn_q":        "self_attn.q_proj",
	"attn_k":        "self_attn.k_proj",
	"attn_v":        "self_attn.v_proj",
	"attn_output":   "self_attn.o_proj",
	"attn_rot_embd": "self_attn.rotary_emb.inv_freq", // in files from before 2024
	"ffn_norm":      "post_attention_layernorm",
	"ffn_gate":      "mlp.gate_proj",
	"ffn_up":        "mlp.up_proj",
	"ffn_down":      "mlp.down_proj",
}

// ggufArchs is keyed by general.architecture. Mistral's models are of architecture llama.
var ggufArchs = map[string]ggufArch{
	"llama": {names: llamaNames, permuted: true},
	"qwen2": {names: llamaNames},
	"qwen3": {names: with(llamaNames, map[string]string{
		"attn_q_norm": "self_attn.q_norm",
		"attn_k_norm": "self_attn.k_norm",
	})},
	"gemma3": {unitNorms: true, names: with(llamaNames, map[string]string{
		"attn_q_norm":         "self_attn.q_norm",
		"attn_k_norm":         "self_attn.k_norm",
		"post_attention_norm": "post_attention_layernorm",
		"ffn_norm":            "pre_feedforward_layernorm",
		"post_ffw_norm":       "post_feedforward_layernorm",
	})},
	"phi3": {names: map[string]string{
		"attn_norm":   "input_layernorm",
		"attn_qkv":    "self_attn.qkv_proj",
		"attn_output": "self_attn.o_proj",
		"ffn_norm":    "post_attention_layernorm",
		"ffn_up":      "mlp.gate_up_proj", // gate rows first, as in transformers
		"ffn_down":    "mlp.down_proj",
	}},
}

func with(base, more map[string]string) map[string]string {
	out := maps.Clone(base)
	maps.Copy(out, more)
	return out
}

func supportedArchs() string { return strings.Join(slices.Sorted(maps.Keys(ggufArchs)), ", ") }

// canonical translates a tensor's name. A name that the table does not know stays as it is, for Check to report.
func (a ggufArch) canonical(name string) string {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return name
	}
	stem, kind := name[:dot], name[dot:]
	if kind != ".weight" && kind != ".bias" {
		return name
	}
	if outer, ok := ggufOuter[stem]; ok {
		return outer + kind
	}
	layer, rest, ok := strings.Cut(strings.TrimPrefix(stem, "blk."), ".")
	inner, known := a.names[rest]
	if !ok || !known || !strings.HasPrefix(stem, "blk.") {
		return name
	}
	if strings.HasSuffix(inner, "inv_freq") {
		kind = ""
	}
	return "model.layers." + layer + "." + inner + kind
}
