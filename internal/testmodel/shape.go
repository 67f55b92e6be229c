package testmodel

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// Shape is that of a Llama.
type Shape struct {
	Vocab, Hidden, Intermediate, Layers int
	Heads, KVHeads                      int
	Context                             int     // tokens
	Theta                               float64 // 0 = 1e4
	Untied                              bool    // the head is a matrix of its own
}

// configs are those of models that people have, for measurements without a download.
//
//go:embed shapes/*.json
var configs embed.FS

// Known is the configuration of "135m" (SmolLM2), "1b", "3b", "8b" (Llama 3) or "tiny".
func Known(name string) (lm.Config, error) {
	data, err := configs.ReadFile("shapes/" + name + ".json")
	if err != nil {
		return lm.Config{}, err
	}
	return lm.ParseConfig(data)
}

// ShapeOf is the shape of a Llama.
func ShapeOf(c lm.Config) Shape {
	return Shape{c.VocabSize, c.HiddenSize, c.IntermediateSize, c.Layers, c.Heads, c.KVHeads, c.MaxPositions, c.Ropes[0].Theta, !c.TieEmbeddings}
}

// fields are those of its config.json.
func (s Shape) fields() map[string]any {
	return map[string]any{
		"architectures": []string{"LlamaForCausalLM"}, "model_type": "llama",
		"vocab_size": s.Vocab, "hidden_size": s.Hidden, "intermediate_size": s.Intermediate, "num_hidden_layers": s.Layers,
		"num_attention_heads": s.Heads, "num_key_value_heads": s.KVHeads, "max_position_embeddings": s.Context,
		"rms_norm_eps": 1e-5, "rope_theta": cmp.Or(s.Theta, 1e4), "hidden_act": "silu", "tie_word_embeddings": !s.Untied,
		"attention_bias": false, "mlp_bias": false, "bos_token_id": 257, "eos_token_id": 258, "pad_token_id": 256,
	}
}

// Config is what its config.json says.
func (s Shape) Config() (lm.Config, error) {
	data, _ := json.Marshal(s.fields()) // strings and numbers
	return lm.ParseConfig(data)
}

// WriteTo makes a model folder of random weights in bfloat16 with one token for each byte, and others that no text has.
func (s Shape) WriteTo(ctx context.Context, dir string, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 3))
	scale := 1 / math.Sqrt(float64(s.Hidden)) / math.MaxUint16 * math.Sqrt(12) // uniform, which is quicker to make than normal
	return s.write(ctx, dir, weights.BF16, func(dst []float32) {
		for i := 0; i < len(dst); i += 4 {
			bits := random.Uint64()
			for j := range dst[i:min(i+4, len(dst))] {
				dst[i+j] = float32((float64(uint16(bits>>(16*j))) - math.MaxUint16/2.0) * scale)
			}
		}
	})
}

// write makes a model folder of weights that fill makes; those of norms are 1.
func (s Shape) write(ctx context.Context, dir string, dtype weights.DType, fill func(dst []float32)) error {
	c, err := s.Config()
	if err != nil {
		return err
	}
	var tensors []weights.Tensor
	for _, p := range c.Params() {
		tensors = append(tensors, weights.Tensor{Name: p.Name, Shape: p.Shape, DType: dtype})
	}
	config := s.fields()
	config["torch_dtype"] = map[weights.DType]string{weights.F32: "float32", weights.BF16: "bfloat16"}[dtype]
	return errors.Join(
		writeJSON(filepath.Join(dir, "config.json"), config),
		writeJSON(filepath.Join(dir, "tokenizer.json"), tokenizer(s.Vocab)),
		writeJSON(filepath.Join(dir, "tokenizer_config.json"), map[string]any{
			"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
			"chat_template": chatTemplate, "tokenizer_class": "GPT2Tokenizer",
		}),
		weights.Write(ctx, dir, tensors, func(name string, dst []float32) error {
			if strings.HasSuffix(name, "norm.weight") {
				copy(dst, slices.Repeat([]float32{1}, len(dst)))
			} else {
				fill(dst)
			}
			return nil
		}, weights.WriteOptions{}))
}
