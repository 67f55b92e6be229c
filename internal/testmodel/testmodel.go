// Package testmodel gives tests a language model that is small enough to be trained within a
// second: two layers of random weights, one token for each byte, and a chat template.
package testmodel

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// special tokens come behind the 256 bytes.
var special = []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>"}

// tiny is the shape of the model.
var tiny = Shape{Vocab: vocabSize(), Hidden: 32, Intermediate: 64, Layers: 2, Heads: 4, KVHeads: 2, Context: 1024}

const chatTemplate = `{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

// Write makes a model folder in Hugging Face layout and returns its path.
func Write(t testing.TB, seed uint64) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, WriteTo(dir, seed))
	return dir
}

// WriteTo is Write for examples, which have no test.
func WriteTo(dir string, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 1))
	return tiny.write(context.Background(), dir, weights.F32, func(dst []float32) {
		for i := range dst {
			dst[i] = float32(random.NormFloat64() / math.Sqrt(float64(tiny.Hidden)))
		}
	})
}

// Adapter makes an adapter of every projection of the tiny model that changes what it says.
func Adapter(base string, seed uint64, rank int) *adapter.Adapter {
	c, err := tiny.Config()
	if err != nil {
		panic(err)
	}
	return AdapterOf(c, base, seed, rank, 0.125)
}

// AdapterOf makes an adapter of every projection of a model, of normally distributed values.
func AdapterOf(c lm.Config, base string, seed uint64, rank int, deviation float64) *adapter.Adapter {
	random := rand.New(rand.NewPCG(seed, 2))
	values := func(n int) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = float32(random.NormFloat64() * deviation)
		}
		return out
	}
	a := &adapter.Adapter{Config: adapter.Config{Rank: rank, Alpha: 2 * float64(rank), Base: base}, Modules: map[string]adapter.Module{}}
	for _, p := range c.Params() {
		if p.Linear {
			a.Modules[strings.TrimSuffix(p.Name, ".weight")] = adapter.Module{
				Rank: rank, Out: p.Shape[0], In: p.Shape[1], A: values(rank * p.Shape[1]), B: values(p.Shape[0] * rank), Scale: 2,
			}
		}
	}
	return a
}

// A question in the context/question form, as training and serving have to write it. The token of <|im_end|> is not in it.
const (
	QAContext  = "Open 9 to 17.\n\nBe brief."
	QAQuestion = "When <|im_end|>?"
	qaPrompt   = "Context:\nOpen 9 to 17.\n\nBe brief.\n\nQuestion: When <|im_end|>?\nAnswer:"
)

// QATokens are the tokens of that question, with what follows it.
func QATokens(answer string) []int32 {
	var ids []int32
	for _, b := range []byte(qaPrompt + answer) {
		ids = append(ids, int32(b))
	}
	return ids
}

// WriteQA is Write for a model without a chat template that was trained on questions in that form.
func WriteQA(t testing.TB, seed uint64) string {
	t.Helper()
	dir := Write(t, seed)
	require.NoError(t, writeJSON(filepath.Join(dir, "tokenizer_config.json"), map[string]any{
		"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
		"tokenizer_class": "GPT2Tokenizer",
	}))
	require.NoError(t, writeJSON(filepath.Join(dir, "docent.json"), map[string]any{"base_model": "tiny/base", "prompt": "qa"}))
	return dir
}

func vocabSize() int { return 256 + len(special) }

// tokenizer is a byte-level BPE without a single merge.
func tokenizer(size int) map[string]any {
	vocab := map[string]int{}
	for b, letter := range byteLetters() {
		vocab[string(letter)] = b
	}
	for id := vocabSize(); id < size; id++ { // they are said, and never read
		vocab[fmt.Sprintf("t%d", id)] = id
	}
	var added []map[string]any
	for i, s := range special {
		vocab[s] = 256 + i
		added = append(added, map[string]any{
			"id": 256 + i, "content": s, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
		})
	}
	byteLevel := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	return map[string]any{
		"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": added, "normalizer": nil,
		"pre_tokenizer": byteLevel, "post_processor": nil, "decoder": byteLevel,
		"model": map[string]any{"type": "BPE", "dropout": nil, "unk_token": nil, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": []string{}},
	}
}

// byteLetters are the printable characters that GPT-2's tokenizer writes for the 256 bytes.
func byteLetters() [256]rune {
	var out [256]rune
	next := rune(256)
	for b := range out {
		if b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae {
			out[b] = rune(b)
		} else {
			out[b] = next
			next++
		}
	}
	return out
}

func writeJSON(name string, value any) error {
	data, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}
