package model

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// ExportGGUFAdapter writes an adapter of the model alone, as a GGUF file that llama.cpp applies to the model's, under the names
// of its convert_lora_to_gguf. The file appears whole or not at all.
func (m *Model) ExportGGUFAdapter(ctx context.Context, a *adapter.Adapter, file string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("export adapter to %s: %w", file, err)
		}
	}()
	if _, err := m.Fit(a); err != nil {
		return err
	}
	header, err := m.Config.GGUFHeader()
	if err != nil {
		return err
	}
	arch, _ := lm.NamesOfGGUF(header["general.architecture"].(string))
	alpha := float32(a.Config.Alpha)
	metadata := map[string]any{
		"general.architecture": header["general.architecture"], "general.type": "adapter", "general.name": filepath.Base(m.Ref.Name()),
		"general.file_type": fileTypes[weights.F32], "adapter.type": "lora", "adapter.lora.alpha": alpha,
	}
	values := map[string][]float32{}
	var tensors []weights.Tensor
	add := func(name string, data []float32, shape ...int) {
		values[name] = data
		tensors = append(tensors, weights.Tensor{Name: name, Shape: shape, DType: weights.F32})
	}
	for _, path := range a.Paths() {
		x := a.Modules[path]
		if x.Experts > 0 {
			if err := m.addExperts(path, x, alpha, add); err != nil {
				return err
			}
			continue
		}
		name, err := m.Config.GGUFName(path + ".weight")
		if err != nil {
			return err
		}
		b := make([]float32, len(x.B)) // llama.cpp multiplies by alpha/rank, which a module may have otherwise
		for i, v := range x.B {
			b[i] = v * float32(x.Scale*float64(x.Rank)/float64(alpha))
		}
		m.convert(lm.Param{Name: path + ".weight", Shape: []int{x.Out, x.Rank}}, arch, b)
		add(name+".lora_a", x.A, x.Rank, x.In)
		add(name+".lora_b", b, x.Out, x.Rank)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return weights.WriteGGUF(ctx, file, metadata, tensors, weights.From(values))
}

// addExperts adds the update of the projections of all experts, gate and up apart: A is that of both, and B has rows of each.
func (m *Model) addExperts(path string, x adapter.Module, alpha float32, add func(name string, data []float32, shape ...int)) error {
	parts, err := m.Config.GGUFPieces(lm.Param{Name: path + ".weight", Shape: []int{x.Experts * x.Out, x.In}, Experts: x.Experts})
	if err != nil {
		return err
	}
	b := map[string][]float32{}
	for _, part := range parts { // in the order of the experts
		from := part.At / x.In * x.Rank
		for _, v := range x.B[from:][:part.Size/x.In*x.Rank] {
			b[part.Tensor] = append(b[part.Tensor], v*float32(x.Scale*float64(x.Rank)/float64(alpha)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b)) {
		add(name+".lora_a", x.A, x.Experts, x.Rank, x.In)
		add(name+".lora_b", b[name], x.Experts, len(b[name])/x.Experts/x.Rank, x.Rank)
	}
	return nil
}
