package lm

import "fmt"

// missing tells which part of a known family docent does not compute.
var missing = map[string]string{
	"gemma4_text":  "heads of another width in some layers and factors of whole layers",
	"gemma4":       "heads of another width in some layers and factors of whole layers",
	"gemma3n":      "embeddings of each layer and alternating updates of the residual stream",
	"gpt_oss":      "a mixture of experts, and sinks in attention",
	"qwen2_moe":    "a mixture of experts",
	"qwen3_next":   "a mixture of experts, and layers of the gated delta rule",
	"qwen3_5":      "layers of the gated delta rule",
	"qwen3_5_text": "layers of the gated delta rule",
	"lfm2":         "layers of short convolutions",
	"deepseek_v2":  "latent attention and a mixture of experts",
	"deepseek_v3":  "latent attention and a mixture of experts",
	"llama4":       "a mixture of experts, and attention in chunks",
	"llama4_text":  "a mixture of experts, and attention in chunks",
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
