package lm

import (
	"encoding/json"
	"strings"
)

// wrappers are models of text and more, by model_type, with the family of their text_config if that does not say it. Text
// alone is computed as by that family.
var wrappers = map[string]string{"gemma3": "gemma3_text", "mistral3": "mistral"}

// unwrap returns the text_config of a wrapper as a config.json of its own, with what the outer one says of it; nil for
// others.
func (f *fields) unwrap() (*fields, error) {
	outer := f.string("model_type")
	inner, isMap := f.set["text_config"].(map[string]any)
	if wrappers[outer] == "" || !isMap {
		return nil, nil
	}
	for _, key := range []string{"bos_token_id", "eos_token_id", "pad_token_id", "tie_word_embeddings", "quantization_config", "dtype", "torch_dtype"} {
		if v, ok := f.set[key]; ok && v != nil && (inner[key] == nil || key == "tie_word_embeddings") {
			inner[key] = v
		}
	}
	if inner["model_type"] == nil {
		inner["model_type"] = wrappers[outer]
	}
	if family, ok := families[(&fields{set: inner}).string("model_type")]; ok {
		inner["architectures"] = []any{family.architecture}
	}
	data, err := json.Marshal(inner)
	if err != nil {
		return nil, err
	}
	text, err := readFields(data)
	if err == nil {
		text.source = data
	}
	return text, err
}

// TextWeight is the name of a checkpoint's weight in the text model, "" if it is of another part of a wrapper.
func (c Config) TextWeight(name string) string {
	if c.Wrapper == "" {
		return name
	}
	for _, prefix := range []struct{ theirs, ours string }{
		{"model.language_model.", "model."}, {"language_model.model.", "model."}, {"language_model.lm_head.", "lm_head."}, {"lm_head.", "lm_head."},
	} {
		if rest, ok := strings.CutPrefix(name, prefix.theirs); ok {
			return prefix.ours + rest
		}
	}
	return ""
}
