package text

import (
	"fmt"
	"slices"
	"strings"
)

// Types of tokens in GGUF that reading does not tell apart from ordinary ones.
const (
	ggufNormal = 1
	ggufUnused = 5
	ggufByte   = 6
)

// preNames are the pre-tokenizers that GGUF knows by name, one for each that computes otherwise.
var preNames = []string{"gpt-2", "smollm", "llama-bpe", "smaug-bpe", "qwen2", "stablelm2", "tekken"}

// ggufProbes are texts at which pre-tokenizers and normalizers differ.
var ggufProbes = []string{
	"Hello, world!  It's 1234567 o'clock; I'M we'LL\n\n  x\t\ty \r\n z", "don't  stop\u00a0now 3.14159 $5 a_b __init__ (c) [d] {e}", "     leading", "trailing   ",
	"ünïcödé e\u0301a\u0308 Ünï", "日本語テキスト中文 한국어 عربى हिन्दी ไทย", "🙂🚀 emoji 👩‍💻 x²½", "camelCaseHTTPServer2Go ABCdef", "\n\n\n \n\t\n", "a/b\\c//d\n/e", "’tis ‘quoted’ …—", "",
	"<|im_start|>user\nhi<|im_end|>", "<s> [INST] x [/INST]</s>",
}

// GGUF is the tokenizer as the metadata of a GGUF file, under the keys of llama.cpp's converter, for a model with so many
// embeddings. One that GGUF cannot say, so that what is read back encodes otherwise, is refused with [ErrUnsupported].
func (t *Tokenizer) GGUF(rows int) (map[string]any, error) {
	doc, err := parseDocument(t.files[tokenizerFile])
	if err != nil {
		return nil, err
	}
	bpe, ok := t.model.(*bpe)
	if !ok {
		return nil, fmt.Errorf("%w: docent writes no %s tokenizer into GGUF", ErrUnsupported, doc.Model.Type)
	}
	tokens, types := make([]string, rows), make([]int32, rows)
	for id := range tokens {
		tokens[id], types[id] = fmt.Sprintf("[PAD%d]", id), ggufUnused
		if id >= len(t.tokens) || !t.tokens[id].defined {
			continue
		}
		x := t.tokens[id]
		tokens[id], types[id] = x.text, ggufNormal
		_, isByte := byteToken(x.text)
		switch {
		case x.special:
			types[id] = ggufControl
		case x.added:
			types[id] = ggufUserDefined
		case isByte && t.byteFallback:
			types[id] = ggufByte
		}
	}
	out := map[string]any{"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types, "tokenizer.ggml.model": "gpt2"}
	for name, key := range map[string]string{"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"} {
		if id, ok := t.ids[t.settings.special[name]]; ok {
			out["tokenizer.ggml."+key+"_token_id"] = uint32(id)
		}
	}
	bos, hasBOS := t.BOS()
	eos, hasEOS := t.EOS()
	out["tokenizer.ggml.add_bos_token"] = hasBOS && slices.Contains(t.prefix, bos)
	out["tokenizer.ggml.add_eos_token"] = hasEOS && slices.Contains(t.suffix, eos)
	if t.settings.chatTemplate != "" {
		out[ggufTemplate] = t.settings.chatTemplate
	}
	if t.settings.toolTemplate != "" {
		out[ggufTemplate+"."+toolTemplate], out[ggufTemplate+"s"] = t.settings.toolTemplate, []string{toolTemplate}
	}
	if !t.byteLevel {
		out["tokenizer.ggml.model"] = "llama"
		out["tokenizer.ggml.add_space_prefix"] = strings.HasPrefix(t.normalize("a"), "▁") || doc.PreTokenizer.has("Metaspace")
		if bpe.unk >= 0 {
			types[bpe.unk] = ggufUnknown
			out["tokenizer.ggml.unknown_token_id"] = uint32(bpe.unk)
		}
		scores := make([]float32, rows) // the better, the earlier a token is merged
		for rank, m := range slices.Backward(doc.Model.Merges) {
			scores[doc.Model.Vocab[m[0]+m[1]]] = -float32(rank + 1)
		}
		out["tokenizer.ggml.scores"] = scores
		if err := t.readsAlike(out); err != nil {
			return nil, err
		}
		return out, nil
	}
	merges := make([]string, len(doc.Model.Merges))
	for i, m := range doc.Model.Merges {
		merges[i] = m[0] + " " + m[1]
	}
	out["tokenizer.ggml.merges"] = merges
	for _, pre := range preNames {
		out["tokenizer.ggml.pre"] = pre
		if err = t.readsAlike(out); err == nil {
			return out, nil
		}
	}
	return nil, fmt.Errorf("%w: none of the pre-tokenizers that GGUF knows is this one: %w", ErrUnsupported, err)
}

// readsAlike compares the tokenizer with the one that the metadata describes.
func (t *Tokenizer) readsAlike(metadata map[string]any) error {
	other, err := FromGGUF(metadata)
	if err != nil {
		return err
	}
	for _, text := range ggufProbes {
		if !slices.Equal(t.EncodeWithSpecial(text), other.EncodeWithSpecial(text)) {
			return fmt.Errorf("%w: GGUF cannot say how this tokenizer encodes %q", ErrUnsupported, text)
		}
	}
	return nil
}
