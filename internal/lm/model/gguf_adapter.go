package model

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

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
	temp := file + ".part"
	defer os.Remove(temp)
	fill := func(name string, dst []float32) error { copy(dst, values[name]); return nil }
	if err := weights.WriteGGUF(ctx, temp, metadata, tensors, fill); err != nil {
		return err
	}
	return os.Rename(temp, file)
}
