package engine

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/lm/cpu"
	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/lora"
)

// device decides what computes the model and in which precision. It returns the weights for docent's own code, which take
// them while the model is opened, or nil where the backend computes.
func (o Options) device(mo *model.Options) (*cpu.Weights, error) {
	precision := o.Precision
	if precision == lora.Auto && (o.Backend == nil || o.Backend.HasSharedBuffers()) {
		precision = lora.F32
	}
	mo.Backend, mo.Transposed = o.Backend, true
	switch precision {
	case lora.Int8, lora.Int4, lora.Stored:
	case lora.BF16, lora.Auto:
		if o.Backend != nil {
			mo.DType = dtypes.BFloat16
			return nil, nil
		}
	case lora.F32:
		if o.Backend != nil && !(o.Backend.HasSharedBuffers() && (cpu.Fast() || device.IsGo(o.Backend))) {
			mo.DType = dtypes.Float32
			return nil, nil
		}
	default:
		return nil, fmt.Errorf("precision %q: must be f32, bf16, int8, int4 or stored", o.Precision)
	}
	w := cpu.NewWeights(cpu.Storage(precision))
	mo.Begin, mo.Keep, mo.KeepBlocks, mo.Transposed = w.Begin, w.Take, w.TakeBlocks, false
	return w, nil
}

// numerics names what rounds in its own way: it may choose another token from the same weights.
func (o Options) numerics(m *model.Model, own *cpu.Weights) string {
	if own != nil {
		name := fmt.Sprintf("cpu %s %s", own.Storage(), own.Kernels())
		if o.HalfCache {
			name += " half"
		}
		return name
	}
	return o.Backend.Name() + " " + m.Weights[0].DType().String()
}

// slots prepares inference of an opened model.
func (o Options) slots(m *model.Model, own *cpu.Weights) (infer.Slots, *infer.Programs) {
	io := infer.Options{Slots: o.Slots, MaxContext: o.MaxContext, PrefixBytes: o.PrefixBytes, Choose: o.SampleOnDevice, HalfCache: o.HalfCache}
	if own != nil {
		return cpu.New(m.Config, own, io), nil
	}
	var like *infer.Programs
	if o.Like != nil {
		like = o.Like.programs
	}
	s := infer.New(m, o.Backend, io, like)
	return s, s.Programs()
}
