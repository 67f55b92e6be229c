package hub

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// CausalLM selects what a causal language model in safetensors form consists of: configuration, tokenizer, chat
// template and weights at the top of the repository. Other formats (.bin, .gguf, onnx/…), the same weights once more
// (consolidated.safetensors, model.fp16.safetensors) and subfolders stay behind.
func CausalLM(name string) bool {
	if dir, base := path.Split(name); dir != "" {
		return dir == "additional_chat_templates/" && path.Ext(base) == ".jinja"
	}
	switch name {
	case "config.json", "generation_config.json", "chat_template.jinja", "chat_template.json",
		"tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json",
		"vocab.json", "merges.txt", "vocab.txt",
		"model.safetensors.index.json":
		return true
	}
	return isWeights(name)
}

func isWeights(name string) bool {
	stem, ok := strings.CutSuffix(name, ".safetensors")
	return ok && !strings.Contains(name, "/") && !strings.HasPrefix(stem, "consolidated") && !strings.HasPrefix(stem, "model.")
}

// completeLM tells why the selected names are not a whole model, and what to do; all are the names the repository has.
func completeLM(selected, all []string) (fault error, hint string) {
	if slices.Contains(selected, "config.json") && slices.ContainsFunc(selected, isWeights) {
		return nil, ""
	}
	missing, hint := "*.safetensors", "choose a repository that has safetensors weights"
	if !slices.Contains(selected, "config.json") {
		missing = "config.json"
	}
	switch {
	case slices.ContainsFunc(all, func(n string) bool { return strings.HasSuffix(strings.ToLower(n), ".gguf") }):
		hint = "the repository holds GGUF files: download one of them and give its path instead"
	case slices.ContainsFunc(all, func(n string) bool { return path.Ext(n) == ".bin" }):
		hint = "the repository holds pickled .bin weights, which are not read: choose a repository with safetensors, or convert it"
	case slices.Contains(all, "adapter_config.json"):
		hint = "the repository holds an adapter: name the base model that its adapter_config.json tells"
	}
	return fmt.Errorf("no %s among its %d files", missing, len(all)), hint
}

// selection is what a caller wants from a repository.
type selection struct {
	use      func(name string) bool
	complete func(selected, all []string) (fault error, hint string) // nil: at least one file
}

// names filters the names of a repository or of a cached snapshot.
func (s selection) names(all []string) (selected []string, fault error, hint string) {
	for _, name := range all {
		if s.use(name) {
			selected = append(selected, name)
		}
	}
	if s.complete != nil {
		fault, hint = s.complete(selected, all)
	} else if len(selected) == 0 {
		fault = fmt.Errorf("none of its %d files was selected", len(all))
	}
	return selected, fault, hint
}

// of filters a listing and refuses names that cannot be stored.
func (s selection) of(files []remoteFile) ([]remoteFile, error) {
	all := make([]string, len(files))
	byName := make(map[string]remoteFile, len(files))
	for i, f := range files {
		all[i], byName[f.name] = f.name, f
	}
	names, fault, hint := s.names(all)
	if fault != nil {
		return nil, &Error{Kind: ErrNotFound, Err: fault, Hint: hint}
	}
	selected := make([]remoteFile, len(names))
	for i, name := range names {
		if err := checkFileName(name); err != nil {
			return nil, badAnswer("the repository cannot be stored safely", "file name %q: %w", name, err)
		}
		selected[i] = byName[name]
	}
	return selected, nil
}
