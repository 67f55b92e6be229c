package sample

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// The settings of a step travel as two small tensors, reals [slots, …] and words [slots, …], since each transfer to a GPU
// takes about as long as one of its kernels. These are their columns.
const (
	temperature = iota
	topP
	floor // of min-p, as a logit below the largest
	repetition
	presence
	frequency
	numReals
)

const (
	keyLow = iota
	keyHigh
	topK
	numWords
)

// column takes one setting of all slots.
func column(x *Node, i int) *Node { return Slice(x, AxisRange(), AxisElem(i)) } // [slots, 1]

// truncates tells whether top-k or top-p may leave anything out.
func (c *Choice) truncates() bool { return c.Temperature > 0 && (c.TopK > 0 || c.narrows()) }

func (c *Choice) narrows() bool { return c.TopP > 0 && c.TopP < 1 }

// settings lists them, in numbers that float32 has: what is too small or too large for it makes no difference to a token.
func settings(slots int, by map[int]*Choice) (reals, words *tensors.Tensor) {
	r, w := make([]float32, slots*numReals), make([]uint32, slots*numWords)
	for slot := range slots {
		r, w := r[slot*numReals:][:numReals], w[slot*numWords:][:numWords]
		r[topP], w[topK] = float32(math.Inf(1)), math.MaxInt32 // all
		r[floor] = float32(math.Inf(-1))
		r[repetition] = 1
		c := by[slot]
		if c == nil {
			continue
		}
		if c.Temperature > 0 {
			r[temperature] = within(c.Temperature)
		}
		if c.TopK > 0 {
			w[topK] = uint32(min(c.TopK, math.MaxInt32))
		}
		if c.narrows() {
			r[topP] = float32(c.TopP)
		}
		if c.MinP > 0 {
			r[floor] = float32(min(0, c.Temperature*math.Log(c.MinP)))
		}
		w[keyLow], w[keyHigh] = uint32(c.Key), uint32(c.Key>>32)
		if e := c.Edits; e != nil {
			r[repetition] = within(e.RepetitionPenalty)
			r[presence], r[frequency] = float32(e.PresencePenalty), float32(e.FrequencyPenalty)
		}
	}
	return tensors.FromFlatDataAndDimensions(r, slots, numReals), tensors.FromFlatDataAndDimensions(w, slots, numWords)
}

// within keeps a positive number from becoming zero or infinite.
func within(x float64) float32 { return float32(min(max(x, 1e-30), 1e30)) }

func lowest(g *Graph) *Node { return Scalar(g, dtypes.Float32, math.Inf(-1)) }
