package lm

import "fmt"

// missing tells which part of a known family docent does not compute.
var missing = map[string]string{
	"gemma4_text":  "heads of another width in some layers and factors of whole layers",
	"gemma4":       "heads of another width in some layers and factors of whole layers",
	"gemma3n":      "embeddings of each layer and alternating updates of the residual stream",
	"qwen2_moe":    "an expert that all tokens pass through, beside the chosen ones",
	"qwen3_next":   "layers of the gated delta rule, and an expert that all tokens pass through, beside the chosen ones",
	"qwen3_5":      "layers of the gated delta rule",
	"qwen3_5_text": "layers of the gated delta rule",
	"lfm2_moe":     "a bias that chooses experts and does not weigh them",
	"deepseek_v2":  "latent attention, and an expert that all tokens pass through, beside the chosen ones",
	"deepseek_v3":  "latent attention, and an expert that all tokens pass through, beside the chosen ones",
	"llama4":       "attention in chunks, and an expert that all tokens pass through, beside the chosen ones",
	"llama4_text":  "attention in chunks, and an expert that all tokens pass through, beside the chosen ones",
	"mamba":        "layers with a state instead of attention",
	"mamba2":       "layers with a state instead of attention",
	"gpt2":         "learned positions",
	"phi":          "a head with a bias",
}

// refuseFamily is the error for a model_type without a record.
func refuseFamily(name string) error {
	if part := missing[name]; part != "" {
		return fmt.Errorf("model_type %q: %w: it needs %s; docent computes %s", name, ErrUnsupported, part, supported())
	}
	return fmt.Errorf("model_type %q: %w: docent computes %s", name, ErrUnsupported, supported())
}

// Missing tells which part of a family docent does not compute; "" for families that it computes or does not know.
func Missing(modelType string) string { return missing[modelType] }
