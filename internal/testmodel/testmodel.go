// Package testmodel gives tests a language model that is small enough to be trained within a
// second: two layers of random weights, one token for each byte, and a chat template.
package testmodel

import (
	"encoding/binary"
	"encoding/json"
	"errors"
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
)

// The shape of the model.
const (
	hidden, intermediate = 32, 64
	heads, kvHeads       = 4, 2
	layers               = 2
	contextLength        = 1024
)

// special tokens come behind the 256 bytes.
var special = []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>"}

const chatTemplate = `{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

var tiny = Shape{Vocab: vocabSize(), Hidden: hidden, Intermediate: intermediate, Layers: layers, Heads: heads, KVHeads: kvHeads, Context: contextLength}

// Write makes a model folder in Hugging Face layout and returns its path.
func Write(t testing.TB, seed uint64) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, WriteTo(dir, seed))
	return dir
}

// WriteTo is Write for examples, which have no test.
func WriteTo(dir string, seed uint64) error {
	return errors.Join(tiny.writeText(dir, "float32"), os.WriteFile(filepath.Join(dir, "model.safetensors"), weights(seed), 0o644))
}

// writeText writes all but the weights.
func (s Shape) writeText(dir, dtype string) error {
	return errors.Join(writeJSON(filepath.Join(dir, "config.json"), s.config(dtype)), writeJSON(filepath.Join(dir, "tokenizer.json"), tokenizer(s.Vocab)), writeJSON(filepath.Join(dir, "tokenizer_config.json"), map[string]any{
		"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
		"chat_template": chatTemplate, "tokenizer_class": "GPT2Tokenizer",
	}))
}

// config is config.json.
func (s Shape) config(dtype string) map[string]any {
	return map[string]any{
		"architectures": []string{"LlamaForCausalLM"}, "model_type": "llama", "torch_dtype": dtype,
		"vocab_size": s.Vocab, "hidden_size": s.Hidden, "intermediate_size": s.Intermediate, "num_hidden_layers": s.Layers,
		"num_attention_heads": s.Heads, "num_key_value_heads": s.KVHeads, "max_position_embeddings": s.Context,
		"rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": true,
		"attention_bias": false, "mlp_bias": false, "bos_token_id": 257, "eos_token_id": 258, "pad_token_id": 256,
	}
}

// Adapter makes an adapter of every projection of the tiny model that changes what it says.
func Adapter(base string, seed uint64, rank int) *adapter.Adapter {
	config, err := json.Marshal(tiny.config("float32"))
	if err != nil {
		panic(err)
	}
	c, err := lm.ParseConfig(config)
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

// weights is a safetensors file of normally distributed numbers.
func weights(seed uint64) []byte {
	const headDim = hidden / heads
	random := rand.New(rand.NewPCG(seed, 1))
	header := map[string]any{}
	var data []byte
	add := func(name string, ones bool, shape ...int) {
		from, n := len(data), 1
		for _, d := range shape {
			n *= d
		}
		for range n {
			v := float32(1)
			if !ones {
				v = float32(random.NormFloat64() / math.Sqrt(hidden))
			}
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		header[name] = map[string]any{"dtype": "F32", "shape": shape, "data_offsets": []int{from, len(data)}}
	}
	add("model.embed_tokens.weight", false, vocabSize(), hidden)
	add("model.norm.weight", true, hidden)
	for i := range layers {
		at := "model.layers." + string(rune('0'+i)) + "."
		add(at+"input_layernorm.weight", true, hidden)
		add(at+"post_attention_layernorm.weight", true, hidden)
		add(at+"self_attn.q_proj.weight", false, heads*headDim, hidden)
		add(at+"self_attn.k_proj.weight", false, kvHeads*headDim, hidden)
		add(at+"self_attn.v_proj.weight", false, kvHeads*headDim, hidden)
		add(at+"self_attn.o_proj.weight", false, hidden, heads*headDim)
		add(at+"mlp.gate_proj.weight", false, intermediate, hidden)
		add(at+"mlp.up_proj.weight", false, intermediate, hidden)
		add(at+"mlp.down_proj.weight", false, hidden, intermediate)
	}
	encoded, _ := json.Marshal(header) // strings and numbers
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(encoded)))
	return append(append(out, encoded...), data...)
}

func writeJSON(name string, value any) error {
	data, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}
