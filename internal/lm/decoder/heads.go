package decoder

import (
	"slices"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm"
)

// heads is what attention over whole sequences and over a cache have in common: the size of the call, its rotations and
// masks, and how heads lie in the products. They join the batch axis, so that every product contracts one axis and has
// one batch axis.
type heads struct {
	d          *Decoder
	batch, seq int
	rotations  []rotation    // of Config.Ropes
	boost      *Node         // factor on queries by their position, [batch, seq, 1, 1]; nil = none
	masks      map[int]*Node // by window: [batch, 1, 1, seq, keys] bool, true where a query sees a key
}

// newHeads prepares a call whose queries are at positions [batch, seq] of texts of lengths [batch, 1] or [1, 1]. mask gives [batch, seq, keys] for a window.
func (d *Decoder) newHeads(batch, seq int, positions, lengths *Node, mask func(window int) *Node) heads {
	h := heads{d: d, batch: batch, seq: seq, masks: map[int]*Node{}}
	for _, r := range d.Config.Ropes {
		h.rotations = append(h.rotations, d.rotate(r, positions, lengths))
	}
	if c := d.Config; c.QueryBeta != 0 {
		turns := ConvertDType(DivScalar(positions, c.QueryContext), dtypes.Float32) // whole ones
		h.boost = InsertAxes(AddScalar(MulScalar(Log(AddScalar(turns, 1)), c.QueryBeta), 1), -1, -1)
	}
	for _, window := range slices.Concat(d.Config.Windows, d.Config.ConvWindows()) {
		if h.masks[window] == nil {
			h.masks[window] = InsertAxes(mask(window), 1, 1)
		}
	}
	return h
}

func (h heads) size() (batch, seq int) { return h.batch, h.seq }

func (h heads) rotation(i int) *rotation {
	if r := h.d.Config.Rotations[i]; r >= 0 {
		return &h.rotations[r]
	}
	return nil
}

func (h heads) scale(q *Node) *Node {
	if h.boost != nil {
		q = Mul(q, ConvertDType(h.boost, q.DType()))
	}
	return MulScalar(q, h.d.Config.AttentionScale)
}

// group is the number of query heads to one key head.
func (h heads) group() int { return h.d.Config.Heads / h.d.Config.KVHeads }

// queries turns [batch, seq, heads, headDim] into [batch·kvHeads, group·seq, headDim].
func (h heads) queries(q *Node) *Node {
	c := h.d.Config
	q = TransposeAllAxes(Reshape(q, h.batch, h.seq, c.KVHeads, h.group(), c.HeadDim), 0, 2, 3, 1, 4)
	return Reshape(q, h.batch*c.KVHeads, h.group()*h.seq, c.HeadDim)
}

// values turns [batch, seq, kvHeads, headDim] into [batch·kvHeads, seq, headDim].
func (h heads) values(v *Node) *Node {
	return Reshape(TransposeAllAxes(v, 0, 2, 1, 3), h.batch*h.d.Config.KVHeads, h.seq, v.Shape().Dim(3))
}

// weigh turns the scores of layer i [batch·kvHeads, group·seq, keys] into probabilities of the same shape.
func (h heads) weigh(i int, scores *Node) *Node {
	dims := scores.Shape().Dimensions
	scores = softcap(scores, h.d.Config.AttentionSoftcap)
	var sinks *Node // [1, kvHeads, group, 1, 1]
	if c := h.d.Config; c.Has(i, lm.Sinks) {
		sinks = Reshape(f32(h.d.Weights[c.Path(i, lm.Sinks)+".weight"]), 1, c.KVHeads, h.group(), 1, 1)
	}
	p := softmax(Reshape(scores, h.batch, h.d.Config.KVHeads, h.group(), h.seq, dims[2]), h.masks[h.d.Config.Windows[i]], sinks)
	return Reshape(p, dims...)
}

// output is the inverse of queries.
func (h heads) output(y *Node) *Node {
	c := h.d.Config
	y = Reshape(y, h.batch, c.KVHeads, h.group(), h.seq, c.HeadDim)
	return Reshape(TransposeAllAxes(y, 0, 3, 1, 2, 4), h.batch, h.seq, c.Heads, c.HeadDim)
}
