package model_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// TestWrappedModel: of a model of text and images the text part computes as the same model without images, under the
// names of transformers 4 and 5, and is exported alone.
func TestWrappedModel(t *testing.T) {
	backend := golden.Backend(t)
	tiny := ""
	for _, dir := range golden.Tiny(t) {
		if filepath.Base(dir) == "gemma3" {
			tiny = dir
		}
	}
	if tiny == "" {
		t.Skip("the folder of reference values has no gemma3")
	}
	ids, shape := golden.Ints(t, tiny, "logits.safetensors", "input_ids")
	want, _ := golden.Floats(t, tiny, "logits.safetensors", "logits")
	for version, prefix := range map[string]string{"4": "language_model.model.", "5": "model.language_model."} {
		t.Run("transformers "+version, func(t *testing.T) {
			dir := t.TempDir()
			text := golden.JSON[map[string]any](t, tiny, "model", "config.json")
			eos := text["eos_token_id"]
			delete(text, "eos_token_id")
			delete(text, "model_type")
			config, err := json.Marshal(map[string]any{
				"model_type": "gemma3", "architectures": []string{"Gemma3ForConditionalGeneration"}, "eos_token_id": eos,
				"text_config": text, "vision_config": map[string]any{"model_type": "siglip_vision_model"},
			})
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644))
			src, err := weights.OpenFolder(os.DirFS(filepath.Join(tiny, "model")))
			require.NoError(t, err)
			defer src.Close()
			tensors := []weights.Tensor{{Name: "vision_tower.embeddings.weight", Shape: []int{2, 3}, DType: weights.F32}}
			original := map[string]string{}
			for _, x := range src.Tensors() {
				name := prefix + strings.TrimPrefix(x.Name, "model.")
				original[name] = x.Name
				tensors = append(tensors, weights.Tensor{Name: name, Shape: x.Shape, DType: weights.F32})
			}
			fill := func(name string, dst []float32) error {
				if original[name] == "" {
					return nil
				}
				return src.Read(original[name], dst)
			}
			require.NoError(t, weights.Write(t.Context(), dir, tensors, fill, weights.WriteOptions{}))

			m := golden.Open(t, backend, "dir:"+dir, false)
			assert.Equal(t, 1, m.LeftAside)
			golden.Close(t, want, golden.Logits(t, backend, m, ids, shape), 1e-4, "logits")
			out := filepath.Join(t.TempDir(), "out")
			require.NoError(t, m.Export(t.Context(), nil, out, model.ExportOptions{DType: weights.F32}))
			alone := golden.Open(t, backend, "dir:"+out, false)
			assert.Equal(t, m.Config.EOS, alone.Config.EOS)
			assert.Empty(t, alone.Config.Wrapper)
			golden.Close(t, want, golden.Logits(t, backend, alone, ids, shape), 1e-4, "logits of the export")
		})
	}
}
