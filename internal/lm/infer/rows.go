package infer

import (
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/lm/sample"
)

// rows are logits [slots, vocab] that stay where they were computed until somebody asks for one of them.
type rows struct {
	logits *tensors.Tensor
	flat   []float32 // all, on the host; nil: not asked for
}

// Row implements Rows.
func (r *rows) Row(slot int) (_ []float32, err error) {
	if r.flat == nil {
		if r.flat, err = device.Floats(r.logits); err != nil {
			return nil, err
		}
	}
	vocab := r.logits.Shape().Dim(1)
	return r.flat[slot*vocab : (slot+1)*vocab], nil
}

// free frees the device's copy. Nil has none.
func (r *rows) free() {
	if r != nil {
		device.Free(r.logits)
	}
}

// chooser implements Chooser.
type chooser struct {
	*rows
	sampler *sample.Sampler
}

func (c chooser) Choose(by map[int]*sample.Choice) (map[int]int32, error) {
	return c.sampler.Choose(c.logits, by)
}
