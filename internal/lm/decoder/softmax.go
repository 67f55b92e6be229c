package decoder

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// softmax over the last axis of float32 scores, where mask (broadcast against scores) is true. Every row must have at
// least one true.
func softmax(scores, mask *Node) *Node {
	g := scores.Graph()
	scores = Where(BroadcastToShape(mask, shape(dtypes.Bool, scores.Shape().Dimensions...)), scores, Scalar(g, dtypes.Float32, -1e30))
	e := Exp(Sub(scores, StopGradient(ReduceAndKeep(scores, ReduceMax, -1))))
	return Div(e, ReduceAndKeep(e, ReduceSum, -1))
}

func shape(dtype dtypes.DType, dims ...int) shapes.Shape { return shapes.Make(dtype, dims...) }
