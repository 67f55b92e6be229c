package decoder

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm"
)

// block is one transformer layer: two residual branches. Norms that the family does not have pass their input on.
func (d *Decoder) block(i int, x *Node, at attender) *Node {
	h := d.attention(i, d.norm(i, lm.AttentionNorm, x), at)
	x = Add(x, d.norm(i, lm.AttentionOutNorm, h))
	h = d.mlp(i, d.norm(i, lm.MLPNorm, x))
	return Add(x, d.norm(i, lm.MLPOutNorm, h))
}
