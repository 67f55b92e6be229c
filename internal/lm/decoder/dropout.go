package decoder

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// NewDropout returns a function that zeroes a random share rate of its input and scales the rest by 1/(1−rate). state
// is the random state of the call; each use of the function advances it.
func NewDropout(state *Node, rate float64) func(x *Node) *Node {
	return func(x *Node) *Node {
		var u *Node
		state, u = RandomUniform(state, shape(dtypes.Float32, x.Shape().Dimensions...))
		keep := GreaterOrEqual(u, Scalar(x.Graph(), dtypes.Float32, rate))
		return Where(keep, MulScalar(x, 1/(1-rate)), ZerosLike(x))
	}
}
