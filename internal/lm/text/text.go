// Package text turns text into token ids and back, and conversations into prompts, exactly as the model's own
// tokenizer and chat template do in transformers.
//
// [Tokenizer] is a byte-pair encoder with its normalizers, pre-tokenizers, added tokens and decoders. [Load] reads
// it from a Hugging Face folder and [FromGGUF] from the metadata of a GGUF file; both give the same ids. [Stream]
// turns generated ids into whole UTF-8 text while they arrive. [Chat] joins a tokenizer with its Jinja template.
//
//	tok, err := text.Load(os.DirFS("model"))
//	if err != nil {
//		return err
//	}
//	ids := tok.Encode("Hello, world!")
//	chat, err := text.NewChat(tok, nil)
//	if err != nil {
//		return err
//	}
//	prompt, err := chat.Encode(messages, text.RenderOptions{AddGenerationPrompt: true})
//
// It does not train tokenizers, track character offsets, or implement WordPiece, WordLevel and Unigram models: what
// it cannot do exactly it refuses by name when it loads ([ErrUnsupported]).
//
// Tokenizer and Chat do not change after they were made and may be shared by goroutines. A Stream belongs to one.
package text

import "errors"

var (
	// ErrUnsupported marks a tokenizer feature that this package does not implement; the message names it.
	ErrUnsupported = errors.New("unsupported tokenizer feature")
	// ErrFormat marks a tokenizer file or metadata that contradicts itself or its format.
	ErrFormat = errors.New("malformed tokenizer")
	// ErrTemplate marks a chat template that cannot be parsed, refuses a conversation, or exceeds its limits.
	ErrTemplate = errors.New("chat template")
	// ErrNoTemplate is returned by [NewChat] for a tokenizer that came without a chat template.
	ErrNoTemplate = errors.New("model has no chat template")
)
