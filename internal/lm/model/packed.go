package model

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// Packed matrices lie on the device as in a GGUF file, [out, in/32, bytes of a block] uint8, and become weights where a graph uses them.

// CanPack tells whether a backend's graphs can have packed weights: without barriers the unpacked ones would all be kept for the way back.
func CanPack(b compute.Backend) bool {
	return b.Capabilities().Operations[compute.OpTypeOptimizationBarrier] && b.Capabilities().Operations[compute.OpTypeBitcast]
}

// pack makes a matrix on the backend, of blocks of 32 weights.
func pack(dtype weights.DType, p lm.Param, read func(dst []float32) error) (*tensors.Tensor, error) {
	out, in := p.Shape[0], p.Shape[1]
	data, row := make([]byte, 0, out*in/32*weights.Packed(dtype)), make([]float32, in)
	for range out {
		if err := read(row); err != nil {
			return nil, err
		}
		data = weights.Pack(dtype, data, row)
	}
	return tensors.FromFlatDataAndDimensions(data, out, in/32, weights.Packed(dtype)), nil
}

// unpack gives the weights [out, in] of blocks. The mark has a gradient's graph unpack them again where the way back needs them.
func unpack(blocks *Node, dtype dtypes.DType) *Node {
	blocks = blocks.Checkpoint()
	part := func(from, to int) *Node { return Slice(blocks, AxisRange(), AxisRange(), AxisRange(from, to)) }
	half := func(from int) *Node { // [out, in/32, 1]
		return InsertAxes(ConvertDType(Bitcast(part(from, from+2), dtypes.Float16), dtypes.Float32), -1)
	}
	var w *Node // [out, in/32, 32]
	if dims := blocks.Shape().Dimensions; dims[2] == weights.Packed("Q8_0") {
		w = Mul(ConvertDType(Bitcast(part(2, 34), dtypes.Int8), dtypes.Float32), half(0))
	} else {
		low := BitwiseAnd(part(4, 20), Scalar(blocks.Graph(), dtypes.Uint8, 15))
		high := BitwiseShiftRightLogicalScalar(part(4, 20), uint8(4))
		w = Add(Mul(ConvertDType(Concatenate([]*Node{low, high}, -1), dtypes.Float32), half(0)), half(2))
	}
	return ConvertDType(Reshape(w, blocks.Shape().Dim(0), -1), dtype)
}
