package decoder

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm"
)

// attender is what attention over whole sequences and over a KV cache do differently: where keys and values come
// from and which of them a query sees.
type attender interface {
	// rotation of the positions of this call for layer i; nil = none.
	rotation(i int) *rotation
	// scale multiplies queries [batch, seq, heads, headDim] by the factor on q·k.
	scale(q *Node) *Node
	// attend returns the attention output [batch, seq, heads, headDim] of layer i for
	// q [batch, seq, heads, headDim] (already scaled) and k, v [batch, seq, kvHeads, headDim].
	attend(i int, q, k, v *Node) *Node
	// back returns u [rows, hidden] of layer i as it is 0 to n-1 positions before, each [rows, hidden]; zeros before the beginning.
	back(i int, u *Node, n int) []*Node
	// size of this call.
	size() (batch, seq int)
}

// attention is grouped-query self-attention with rotary positions on x [rows, hidden].
func (d *Decoder) attention(i int, x *Node, at attender) *Node {
	c := d.Config
	var q, k, v *Node // [rows, heads·headDim], [rows, kvHeads·headDim]
	if c.Has(i, lm.QKV) {
		qkv := d.linear(c.Path(i, lm.QKV), x)
		n, m := c.QDim(), c.KVDim()
		q, k, v = columns(qkv, 0, n), columns(qkv, n, n+m), columns(qkv, n+m, n+2*m)
	} else {
		all := d.linears(x, c.Path(i, lm.Q), c.Path(i, lm.K), c.Path(i, lm.V))
		q, k, v = all[0], all[1], all[2]
	}
	if c.WideQKNorm {
		q, k = d.norm(i, lm.QNorm, q), d.norm(i, lm.KNorm, k)
	}
	batch, seq := at.size()
	q = Reshape(q, batch, seq, c.Heads, c.HeadDim)
	k = Reshape(k, batch, seq, c.KVHeads, c.HeadDim)
	v = Reshape(v, batch, seq, c.KVHeads, c.HeadDim)
	if !c.WideQKNorm && !c.LateQKNorm {
		q, k = d.norm(i, lm.QNorm, q), d.norm(i, lm.KNorm, k)
	}
	r := at.rotation(i)
	q, k = r.apply(q), r.apply(k)
	if c.LateQKNorm {
		q, k = d.norm(i, lm.QNorm, q), d.norm(i, lm.KNorm, k)
	}
	y := at.attend(i, at.scale(q), k, v) // [batch, seq, heads, headDim]
	return d.linear(c.Path(i, lm.O), Reshape(y, batch*seq, c.QDim()))
}

// sequences attends over whole sequences: every key and value is in the call itself.
type sequences struct {
	heads
	plain bool // a row is one text, so that what it sees is what is before it
}

func (d *Decoder) sequences(positions, segments, parents *Node) sequences {
	batch, seq := positions.Shape().Dim(0), positions.Shape().Dim(1)
	length := ExpandLeftToRank(AddScalar(ReduceAllMax(positions), 1), 2) // of the longest text, by which transformers rotates a batch
	mask := func(window int) *Node { return causal(positions, window) }
	plain := segments.Shape().Dim(1) < seq
	if !plain {
		key := InsertAxes(segments, 1)                                                        // [batch, 1, seq]
		same := Or(Equal(InsertAxes(segments, -1), key), Equal(InsertAxes(parents, -1), key)) // [batch, seq, seq]
		mask = func(window int) *Node { return And(same, causal(positions, window)) }
	}
	return sequences{d.newHeads(batch, seq, positions, length, mask), plain}
}

// causal is [batch, seq, seq]: an earlier or the same place in the row and, with a window, a position that is near.
func causal(positions *Node, window int) *Node {
	g := positions.Graph()
	batch, seq := positions.Shape().Dim(0), positions.Shape().Dim(1)
	place := Iota(g, shape(dtypes.Int32, 1, seq), 1)
	seen := within(Sub(InsertAxes(place, -1), InsertAxes(place, 1)), 0) // [1, seq, seq]
	seen = BroadcastToDims(seen, batch, seq, seq)
	if window > 0 {
		seen = And(seen, within(Sub(InsertAxes(positions, -1), InsertAxes(positions, 1)), window))
	}
	return seen
}

// within says for the distance from a query back to a key whether the query sees it: not in the future and, with a
// window, fewer than window positions back.
func within(distance *Node, window int) *Node {
	seen := GreaterOrEqual(distance, ScalarZero(distance.Graph(), dtypes.Int32))
	if window > 0 {
		seen = And(seen, LessThan(distance, Scalar(distance.Graph(), dtypes.Int32, window)))
	}
	return seen
}

// attend has the backend's fused attention, with its way back, where there is one: cuDNN's, for half precision, which never holds the
// scores. It is asked where the mask is causal and nothing else, for of other masks it would compute a gradient too. gomlx's
// GOMLX_FUSION=0 does without.
func (s sequences) attend(i int, q, k, v *Node) *Node {
	c, window := s.d.Config, s.d.Config.Windows[i]
	decomposed := func() *Node {
		q, k, v := s.queries(q), s.values(k), s.values(v)
		scores := f32(product(q, []int{2}, []int{0}, k, []int{2}, []int{0})) // [batch·kvHeads, group·seq, seq]
		p := ConvertDType(s.weigh(i, scores), v.DType())
		return s.output(product(p, []int{2}, []int{0}, v, []int{1}, []int{0}))
	}
	if !s.plain || window != 0 && window < s.seq || c.AttentionSoftcap != 0 || c.HeadDim > 128 || c.Has(i, lm.Sinks) {
		return decomposed()
	}
	y, _ := InternalFusedOpCaller(func() *Node {
		y, _ := BackendFusedScaledDotProductAttention(q, k, v, compute.AttentionAxesLayoutBSHD, &compute.ScaledDotProductAttentionConfig{Scale: 1, Causal: true})
		return y
	}, decomposed, false)
	return y
}
