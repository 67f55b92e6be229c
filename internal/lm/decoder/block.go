package decoder

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm"
)

// block is one transformer layer: two residual branches. Norms that the family does not have pass their input on.
func (d *Decoder) block(i int, x *Node, at attender) *Node {
	h := d.norm(i, lm.AttentionNorm, x)
	mix := d.attention
	if d.Config.Has(i, lm.Conv) {
		mix = d.convolution
	}
	x = d.add(x, d.norm(i, lm.AttentionOutNorm, mix(i, h, at)))
	if !d.Config.Parallel {
		h = d.norm(i, lm.MLPNorm, x)
	}
	return d.add(x, d.norm(i, lm.MLPOutNorm, d.mlp(i, h)))
}

// add puts the output of a branch into the residual stream.
func (d *Decoder) add(x, branch *Node) *Node { return Add(x, scaled(branch, d.Config.ResidualScale)) }
