package testmodel

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/docent-ml/docent/internal/lm"
	checkpoint "github.com/docent-ml/docent/internal/lm/weights"
)

// Shape is that of a Llama with tied embeddings.
type Shape struct {
	Vocab, Hidden, Intermediate, Layers int
	Heads, KVHeads                      int
	Context                             int // tokens
}

// Shapes are those of models that people have, for measurements without a download.
var Shapes = map[string]Shape{
	"135m": {49152, 576, 1536, 30, 9, 3, 8192},      // SmolLM2-135M
	"1b":   {128256, 2048, 8192, 16, 32, 8, 131072}, // Llama-3.2-1B
	"3b":   {128256, 3072, 8192, 28, 24, 8, 131072}, // Llama-3.2-3B
}

// WriteTo makes a model folder of random weights in bfloat16 with one token for each byte, and others that no text has.
func (s Shape) WriteTo(ctx context.Context, dir string, seed uint64) error {
	if err := s.writeText(dir, "bfloat16"); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return err
	}
	c, err := lm.ParseConfig(text)
	if err != nil {
		return err
	}
	var tensors []checkpoint.Tensor
	for _, p := range c.Params() {
		tensors = append(tensors, checkpoint.Tensor{Name: p.Name, Shape: p.Shape, DType: checkpoint.BF16})
	}
	random := rand.New(rand.NewPCG(seed, 3))
	scale := 1 / math.Sqrt(float64(s.Hidden)) / math.MaxUint16 * math.Sqrt(12) // uniform, which is quicker to make than normal
	return checkpoint.Write(ctx, dir, tensors, func(name string, dst []float32) error {
		norm := strings.HasSuffix(name, "norm.weight")
		for i := 0; i < len(dst); i += 4 {
			bits := random.Uint64()
			for j := range dst[i:min(i+4, len(dst))] {
				dst[i+j] = float32((float64(uint16(bits>>(16*j))) - math.MaxUint16/2.0) * scale)
				if norm {
					dst[i+j] = 1
				}
			}
		}
		return nil
	}, checkpoint.WriteOptions{})
}
