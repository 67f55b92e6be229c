package decoder

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// lossChunk is how many positions have their logits in memory at once: 256 × vocab floats.
const lossChunk = 256

// Targets says which positions are trained and on what: one label each, or some with the weight of each. n may exceed the
// real number of targets, with weight 0 in the surplus.
type Targets struct {
	Rows    *Node // [n] int32 index into the rows of the hidden states: the position that predicts
	Labels  *Node // [n, choices] int32 id of the token that follows there
	Weights *Node // [n, choices] float32
}

// CrossEntropy returns the sum over targets of −Σ weight · log softmax(logits)[label], a float32 scalar, and a
// surrogate whose gradient with respect to h is the gradient of that sum.
//
// Only the positions of t pay for logits, a chunk of them at a time, and the gradient is formed in the same pass:
//
//	∂loss/∂h = Σ weight · softmax(h·Wᵀ)·W − Σ weight · W[label]
//
// so the backward pass needs no logits at all. The surrogate Σ ∂loss/∂h · h, with the first factor held constant,
// carries it into automatic differentiation. W is frozen; with Decoder.Head the surrogate has a term Σ ∂loss/∂logits · logits of
// the same kind for it.
func (d *Decoder) CrossEntropy(h *Node, t Targets) (loss, surrogate *Node) {
	h = Gather(h, InsertAxes(t.Rows, -1)) // [n, hidden]
	n := t.Rows.Shape().Size()
	var grads, heads []*Node
	for from := 0; from < n; from += lossChunk {
		to := min(from+lossChunk, n)
		part := func(x *Node) *Node { return Slice(x, AxisRange(from, to)) }
		l, g, s := d.chunkLoss(StopGradient(part(h)), part(t.Labels), part(t.Weights))
		if s != nil {
			heads = append(heads, s)
		}
		if loss == nil {
			loss = l
		} else {
			loss = Add(loss, l)
		}
		grads = append(grads, g)
	}
	dh := grads[0]
	if len(grads) > 1 {
		dh = Concatenate(grads, 0) // [n, hidden]
	}
	surrogate = ReduceAllSum(Mul(StopGradient(dh), f32(h)))
	for _, s := range heads {
		surrogate = Add(surrogate, s)
	}
	return loss, surrogate
}

// chunkLoss returns the summed loss of h [n, hidden], its gradient, float32 [n, hidden], and the surrogate of the head, or nil.
func (d *Decoder) chunkLoss(h, labels, weights *Node) (loss, grad, surrogate *Node) {
	head := d.Weights[d.headName()]
	logits := d.Logits(h)                                   // [n, vocab]
	top := ReduceAndKeep(logits, ReduceMax, -1)             // [n, 1]
	e := Exp(Sub(logits, top))                              // [n, vocab]
	sum := ReduceAndKeep(e, ReduceSum, -1)                  // [n, 1]
	label := f32(d.lookup(d.headName(), labels))            // [n, choices, hidden]
	raw := ReduceSum(Mul(InsertAxes(f32(h), 1), label), -1) // [n, choices]
	chosen := softcap(raw, d.Config.FinalSoftcap)           // logits of the labels
	total := ReduceAndKeep(weights, ReduceSum, -1)          // [n, 1]
	loss = ReduceAllSum(Sub(Mul(total, Add(Log(sum), top)), ReduceAndKeep(Mul(weights, chosen), ReduceSum, -1)))

	slopeAll, slopeChosen := d.softcapSlope(logits), d.softcapSlope(chosen)
	if slopeAll != nil {
		e, weights = Mul(e, slopeAll), Mul(weights, slopeChosen)
	}
	// The division by sum is done after the product: on [n, hidden], not on [n, vocab].
	mean := Div(f32(contract(ConvertDType(e, head.DType()), head, 1-d.inAxis())), sum) // Σ p·W [n, hidden]
	if d.Head {
		plain := f32(contract(h, head, d.inAxis())) // [n, vocab], without the softcap
		surrogate = Sub(ReduceAllSum(Mul(StopGradient(Mul(total, Div(e, sum))), plain)), ReduceAllSum(Mul(StopGradient(weights), raw)))
	}
	return loss, Sub(Mul(total, mean), ReduceSum(Mul(InsertAxes(weights, -1), label), 1)), surrogate
}

// softcapSlope is the derivative of softcap at its output y, 1 − (y/cap)²; nil when there is no cap.
func (d *Decoder) softcapSlope(y *Node) *Node {
	if d.Config.FinalSoftcap == 0 {
		return nil
	}
	return OneMinus(Square(DivScalar(y, d.Config.FinalSoftcap)))
}
