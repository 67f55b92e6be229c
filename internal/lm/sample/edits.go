package sample

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/docent-ml/docent/internal/device"
)

// edits are what the device keeps of a sequence, in tensors of its own: slots come and go, and batches grow, without any
// of it moving.
type edits struct {
	counts *tensors.Tensor // [vocab] int32: 0 for a token that has not come, otherwise 1 and how often it is in the answer
	bias   *tensors.Tensor // [vocab] float32
}

// free frees what is not shared.
func (e edits) free(shared edits) {
	if e.counts != shared.counts {
		device.Free(e.counts)
	}
	if e.bias != shared.bias {
		device.Free(e.bias)
	}
}

// editInputs are the inputs of an edited graph behind the settings.
func (s *Sampler) editInputs(slots int, by map[int]*Choice) []any {
	if s.none.counts == nil {
		s.none = edits{s.counts(&Edits{}), s.bias(&Edits{})}
	}
	words := (s.programs.vocab + 31) / 32
	masks := make([]uint32, slots*2*words) // of each slot: what is banned, and what the form does not allow
	counts, biases := make([]any, slots), make([]any, slots)
	for slot := range slots {
		of := s.none
		if c := by[slot]; c != nil && c.Edits != nil {
			of = s.editsOf(slot, c.Edits)
			mask := masks[slot*2*words:]
			for _, id := range c.Edits.Banned {
				mask[id/32] |= 1 << (id % 32)
			}
			if allowed := c.Edits.Allowed; allowed != nil {
				for i := range words {
					mask[words+i] = ^uint32(allowed[i/2] >> (i % 2 * 32))
				}
			}
		}
		counts[slot], biases[slot] = of.counts, of.bias
	}
	in := []any{tensors.FromFlatDataAndDimensions(masks, slots, 2, words)}
	return append(append(in, counts...), biases...)
}

func (s *Sampler) editsOf(slot int, e *Edits) edits {
	of, ok := s.edits[slot]
	if ok {
		return of
	}
	of = s.none
	if e.History != nil {
		of.counts = s.counts(e)
	}
	if len(e.Bias) > 0 {
		of.bias = s.bias(e)
	}
	s.edits[slot] = of
	return of
}

func (s *Sampler) counts(e *Edits) *tensors.Tensor {
	flat := make([]int32, s.programs.vocab)
	if e.History != nil {
		for id, inAnswer := range e.History {
			flat[id] = int32(1 + inAnswer)
		}
	}
	return tensors.FromFlatDataAndDimensions(flat, len(flat))
}

func (s *Sampler) bias(e *Edits) *tensors.Tensor {
	flat := make([]float32, s.programs.vocab)
	for id, b := range e.Bias {
		if id < len(flat) {
			flat[id] = float32(b)
		}
	}
	return tensors.FromFlatDataAndDimensions(flat, len(flat))
}

// keepCounts replaces the counts of the sequences that a step has counted further.
func (s *Sampler) keepCounts(counted []*tensors.Tensor, by map[int]*Choice) {
	for slot, t := range counted {
		of := s.edits[slot]
		if c := by[slot]; c == nil || c.Edits == nil || of.counts == s.none.counts {
			device.Free(t)
			continue
		}
		device.Free(of.counts)
		of.counts = t
		s.edits[slot] = of
	}
}

// edit applies penalties, bias, bans and forms to logits [slots, vocab], and returns what it took into account, the counts
// [slots, vocab]. A ban comes last: nothing lifts it but a form that has nothing else left.
func edit(logits, reals *Node, in []*Node) (scores, counts *Node) {
	slots, vocab := logits.Shape().Dim(0), logits.Shape().Dim(1)
	masks := unpack(in[0], vocab)    // [slots, 2, vocab]
	counts = Stack(in[1:1+slots], 0) // [slots, vocab]
	bias := Stack(in[1+slots:], 0)   // [slots, vocab]
	g := logits.Graph()
	zero := ZerosLike(logits)

	r := column(reals, repetition)
	// A penalty of nearly nothing makes what is there certain, not infinite.
	penalised := Where(LessThan(logits, zero), Mul(logits, r), Min(Div(logits, r), Scalar(g, dtypes.Float32, math.MaxFloat32)))
	scores = Where(GreaterThan(counts, ZerosLike(counts)), penalised, logits)

	inAnswer := ConvertDType(AddScalar(counts, -1), dtypes.Float32)
	penalty := Add(column(reals, presence), Mul(column(reals, frequency), inAnswer))
	scores = Sub(scores, Where(GreaterThan(inAnswer, zero), penalty, zero))
	scores = Add(scores, bias)

	banned := Squeeze(SliceAxis(masks, 1, AxisElem(0)), 1)
	forbidden := Squeeze(SliceAxis(masks, 1, AxisElem(1)), 1)
	never := lowest(g)
	scores = Where(banned, never, scores)
	kept := Where(forbidden, never, scores)
	// A ban or a bias that leaves nothing of what is allowed gives way where there is a form: the form is kept.
	formed := LogicalAny(forbidden, 1)
	nothing := And(formed, Not(LogicalAny(GreaterThan(kept, never), 1)))
	nothing = BroadcastToDims(InsertAxes(nothing, -1), slots, vocab)
	return Where(nothing, Where(forbidden, never, logits), kept), counts
}

// unpack turns words [slots, 2, words] into their bits [slots, 2, vocab].
func unpack(masks *Node, vocab int) *Node {
	dims := masks.Shape().Dimensions
	shape := shapes.Make(dtypes.Uint32, dims[0], dims[1], dims[2], 32)
	bit := Iota(masks.Graph(), shape, 3)
	words := BroadcastToDims(InsertAxes(masks, -1), shape.Dimensions...)
	bits := BitwiseAnd(BitwiseShiftRightLogical(words, bit), OnesLike(bit))
	bits = SliceAxis(Reshape(bits, dims[0], dims[1], dims[2]*32), 2, AxisRange(0, vocab))
	return Equal(bits, OnesLike(bits))
}

// recount counts the chosen tokens [slots] into counts [slots, vocab], and returns those of each slot.
func recount(counts, ids *Node) []*Node {
	slots := counts.Shape().Dim(0)
	chosen := Equal(Iota(counts.Graph(), counts.Shape(), 1), InsertAxes(ids, -1))
	counts = Where(chosen, Max(AddScalar(counts, 1), MulScalar(OnesLike(counts), 2)), counts)
	out := make([]*Node, slots)
	for slot := range out {
		out[slot] = Squeeze(SliceAxis(counts, 0, AxisElem(slot)), 0)
	}
	return out
}
