package decoder

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm"
)

// block is one transformer layer: two residual branches.
func (d *Decoder) block(i int, x *Node, at attender) *Node {
	layer := lm.LayerPath(i)
	h := d.attention(i, d.norm(layer+".input_layernorm.weight", x), at)
	if !d.Config.SandwichNorms {
		x = Add(x, h)
		return Add(x, d.mlp(layer, d.norm(layer+".post_attention_layernorm.weight", x)))
	}
	x = Add(x, d.norm(layer+".post_attention_layernorm.weight", h))
	h = d.mlp(layer, d.norm(layer+".pre_feedforward_layernorm.weight", x))
	return Add(x, d.norm(layer+".post_feedforward_layernorm.weight", h))
}
