package decoder

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// softmax over the last axis of float32 scores, where mask (broadcast against scores) is true. Every row must have at
// least one true. Sinks, scores of rows that are left out of the result, may be nil.
func softmax(scores, mask, sinks *Node) *Node {
	g := scores.Graph()
	scores = Where(BroadcastToShape(mask, shape(dtypes.Bool, scores.Shape().Dimensions...)), scores, Scalar(g, dtypes.Float32, -1e30))
	top := StopGradient(ReduceAndKeep(scores, ReduceMax, -1))
	if sinks != nil {
		top = Max(top, sinks)
	}
	e := Exp(Sub(scores, top))
	sum := ReduceAndKeep(e, ReduceSum, -1)
	if sinks != nil {
		sum = Add(sum, Exp(Sub(sinks, top)))
	}
	return Div(e, sum)
}

func shape(dtype dtypes.DType, dims ...int) shapes.Shape { return shapes.Make(dtype, dims...) }
