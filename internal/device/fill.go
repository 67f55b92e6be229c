package device

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
)

// Fill makes a float32 or bfloat16 tensor on the backend. read writes its values in row-major order: as many of the rows that
// follow as there is room for. transposed turns a matrix [rows, cols] into a tensor [cols, rows]. A backend that shares
// memory with the host holds the values once, and what passes through here is a few rows, so loading needs little more than
// the model itself.
func Fill(backend compute.Backend, dtype dtypes.DType, dims []int, transposed bool, read func(dst []float32) error) (*tensors.Tensor, error) {
	rows := 1
	if len(dims) > 1 {
		rows = dims[0]
	}
	if transposed {
		dims = []int{dims[1], dims[0]}
	}
	var t *tensors.Tensor
	err := guard(func() (err error) {
		t, err = tensors.FromShapeForBackend(backend, 0, shapes.Make(dtype, dims...))
		if err != nil {
			return err
		}
		var failed error
		if dtype == dtypes.BFloat16 {
			err = tensors.MutableFlatData(t, func(flat []bfloat16.BFloat16) {
				failed = fill(flat, rows, transposed, bfloat16.FromFloat32, read)
			})
		} else {
			err = tensors.MutableFlatData(t, func(flat []float32) {
				if !transposed {
					failed = read(flat)
					return
				}
				failed = fill(flat, rows, transposed, func(v float32) float32 { return v }, read)
			})
		}
		if failed != nil {
			return failed
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// partRows is how many rows are in memory as they are read. Heads of fewer dimensions, which a file may hold in another
// order, stay whole.
const partRows = 256

// fill converts what read writes, some rows at a time.
func fill[T any](flat []T, rows int, transposed bool, convert func(float32) T, read func(dst []float32) error) error {
	cols := len(flat) / rows
	buffer := make([]float32, min(partRows, rows)*cols)
	for first := 0; first < rows; first += partRows {
		part := buffer[:min(partRows, rows-first)*cols]
		if err := read(part); err != nil {
			return err
		}
		if !transposed {
			for i, v := range part {
				flat[first*cols+i] = convert(v)
			}
			continue
		}
		n := len(part) / cols
		for c := range cols { // a column of the part is a line of the tensor
			line := flat[c*rows+first:][:n]
			for r := range line {
				line[r] = convert(part[r*cols+c])
			}
		}
	}
	return nil
}
