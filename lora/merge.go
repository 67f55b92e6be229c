package lora

import (
	"context"
	"fmt"
	"strings"

	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// MergeOptions are the settings of Merge.
type MergeOptions struct {
	Precision  Precision // of the written weights; Auto = that of the base on its device
	ShardBytes int64     // most bytes of one safetensors file; 0 = 5 GB
}

// Merge writes the base model with the adapter's update added, W + alpha/rank·B·A, as a model folder in Hugging Face
// layout, which transformers and engine.Load read. The sum is computed in float32 from the stored weights and then
// rounded; one that is not finite is refused. A nil adapter writes the base model itself.
//
// dir appears whole or not at all; an earlier model folder of that name is replaced, any other folder refused.
func Merge(ctx context.Context, b *Base, a *Adapter, dir string, o MergeOptions) error {
	if o.Precision == Auto {
		o.Precision = b.precision
	}
	dtype, ok := map[Precision]weights.DType{F32: weights.F32, BF16: weights.BF16}[o.Precision]
	if !ok {
		return fmt.Errorf("merge: precision %q: must be %s or %s", o.Precision, F32, BF16)
	}
	var update *adapter.Adapter
	if a != nil {
		update = a.a
	}
	return b.model.Export(ctx, update, dir, model.ExportOptions{DType: dtype, ShardBytes: o.ShardBytes})
}

// GGUFType is how a GGUF file stores weights.
type GGUFType string

// The types of ExportGGUF.
const (
	GGUFF32  GGUFType = "f32"
	GGUFF16  GGUFType = "f16"
	GGUFBF16 GGUFType = "bf16"
	GGUFQ8   GGUFType = "q8_0" // 8 bits a weight, and a scale for each 32
	GGUFQ4   GGUFType = "q4_0" // 4 bits; embeddings and the head q8_0
)

// ExportGGUF writes what Merge does as one GGUF file, with tokenizer and chat template, which llama.cpp, Ollama and
// engine.Load read. What a GGUF file cannot express of a model or tokenizer is refused, by its name or with ErrArchitecture.
// The file appears whole or not at all.
func ExportGGUF(ctx context.Context, b *Base, a *Adapter, file string, t GGUFType) error {
	var update *adapter.Adapter
	if a != nil {
		update = a.a
	}
	return b.model.ExportGGUF(ctx, update, file, weights.DType(strings.ToUpper(string(t))))
}

// ExportGGUFAdapter writes an adapter of the base model alone as a GGUF file, which llama.cpp applies with --lora to what ExportGGUF
// writes without one, or to any GGUF file of the base model.
func ExportGGUFAdapter(ctx context.Context, b *Base, a *Adapter, file string) error {
	return b.model.ExportGGUFAdapter(ctx, a.a, file)
}
