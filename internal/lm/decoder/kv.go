package decoder

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// KV holds the keys and values of one layer for several slots, each slot one sequence. Keys are rotated already and
// lie [slots·kvHeads, headDim, positions], values [slots·kvHeads, positions, headDim], so that neither product of
// attention needs a transpose.
type KV struct{ K, V *Node }

// Cached is the state that a call continues: a past that is only read, and a recent part that the call extends. The
// past is large and would be copied each time it left the graph; the recent part is small, and is folded into the past
// only now and then (see package infer).
type Cached struct {
	Past    []KV  // per layer
	Lengths *Node // [slots] int32: how many positions of the past are valid
	// Whole is [slots] int32: how many tokens the text of each slot has, where the call is a piece of it; nil = it goes up to the
	// call. It decides how some models rotate.
	Whole *Node
	// Recent is per layer; nil means that the tokens of the call are themselves the recent part.
	Recent []KV
	Column *Node // int32 scalar: where in Recent the single token of each slot goes
}

// Extended returns the hidden states of tokens [slots, seq] that continue cached sequences, [slots·seq, hidden], and
// the recent keys and values of every layer with those of the call in them. With Cached.Recent, seq is 1.
func (d *Decoder) Extended(tokens *Node, c Cached) (hidden *Node, recent []KV) {
	at := d.cached(tokens, c)
	x := d.Embed(tokens)
	for i := range d.Config.Layers {
		x = d.block(i, x, at)
	}
	return d.finalNorm(x), at.recent
}

// cached attends to a past, a recent part and the call itself.
type cached struct {
	heads
	c      Cached
	recent []KV
}

func (d *Decoder) cached(tokens *Node, c Cached) *cached {
	slots, seq := tokens.Shape().Dim(0), tokens.Shape().Dim(1)
	g := tokens.Graph()
	past, width := c.Past[0].K.Shape().Dim(2), seq
	first := InsertAxes(c.Lengths, -1) // [slots, 1]: position of column 0 of the recent part
	query := Add(BroadcastToShape(first, shape(dtypes.Int32, slots, seq)), Iota(g, shape(dtypes.Int32, slots, seq), 1))
	if c.Recent != nil {
		width = c.Recent[0].K.Shape().Dim(2)
		query = Add(first, BroadcastToShape(c.Column, first.Shape())) // [slots, 1]
	}

	// Keys of the past are at their column, if it is valid; those of the recent part follow the last valid one.
	far := Scalar(g, dtypes.Int32, 1<<30)
	pastKey := Iota(g, shape(dtypes.Int32, slots, past), 1)
	pastKey = Where(LessThan(pastKey, BroadcastToShape(first, pastKey.Shape())), pastKey, BroadcastToShape(far, pastKey.Shape()))
	recentKey := Add(Iota(g, shape(dtypes.Int32, slots, width), 1), BroadcastToShape(first, shape(dtypes.Int32, slots, width)))
	key := InsertAxes(Concatenate([]*Node{pastKey, recentKey}, 1), 1)       // [slots, 1, past+width]
	distance := Sub(InsertAxes(query, -1), key)                             // [slots, seq, past+width]
	whole := AddScalar(Slice(query, AxisRange(), AxisRange(seq-1, seq)), 1) // [slots, 1]
	if c.Whole != nil {
		whole = InsertAxes(c.Whole, -1)
	}
	return &cached{c: c, heads: d.newHeads(slots, seq, query, whole, func(window int) *Node { return within(distance, window) })}
}

func (a *cached) attend(i int, q, k, v *Node) *Node {
	c := a.d.Config
	q = a.queries(q)
	own := a.extend(i, KV{K: Reshape(TransposeAllAxes(k, 0, 2, 3, 1), a.batch*c.KVHeads, c.HeadDim, a.seq), V: a.values(v)})
	past := a.c.Past[i]

	scores := Concatenate([]*Node{
		f32(product(q, []int{2}, []int{0}, past.K, []int{1}, []int{0})),
		f32(product(q, []int{2}, []int{0}, own.K, []int{1}, []int{0})),
	}, 2) // [batch, group·seq, past+width]
	n, m := past.K.Shape().Dim(2), own.K.Shape().Dim(2)
	p := ConvertDType(a.weigh(i, scores), v.DType())
	return a.output(Add(
		product(Slice(p, AxisRange(), AxisRange(), AxisRange(0, n)), []int{2}, []int{0}, past.V, []int{1}, []int{0}),
		product(Slice(p, AxisRange(), AxisRange(), AxisRange(n, n+m)), []int{2}, []int{0}, own.V, []int{1}, []int{0}),
	)) // [batch, seq, heads, headDim]
}

// extend is the recent part of layer i with what the call adds.
func (a *cached) extend(i int, own KV) KV {
	if a.c.Recent != nil {
		own = KV{K: a.put(a.c.Recent[i].K, own.K, 2), V: a.put(a.c.Recent[i].V, own.V, 1)}
	}
	a.recent = append(a.recent, own)
	return own
}

// put replaces the column of recent, along an axis, by x with a single one. A selection, because a small copy is made
// either way and not every backend has an update in place.
func (a *cached) put(recent, x *Node, axis int) *Node {
	at := Iota(x.Graph(), shape(dtypes.Int32, recent.Shape().Dimensions...), axis)
	return Where(Equal(at, BroadcastToShape(a.c.Column, at.Shape())), BroadcastToShape(x, recent.Shape()), recent)
}
