package lm

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ggufMap is GGUF metadata by hand.
type ggufMap map[string]any

func ggufGet[T any](m ggufMap, key string) (T, bool) { v, ok := m[key].(T); return v, ok }

func (m ggufMap) Has(key string) bool                 { _, ok := m[key]; return ok }
func (m ggufMap) String(key string) (string, bool)    { return ggufGet[string](m, key) }
func (m ggufMap) Bool(key string) (bool, bool)        { return ggufGet[bool](m, key) }
func (m ggufMap) Int(key string) (int, bool)          { return ggufGet[int](m, key) }
func (m ggufMap) Float(key string) (float64, bool)    { return ggufGet[float64](m, key) }
func (m ggufMap) Ints(key string) ([]int, bool)       { return ggufGet[[]int](m, key) }
func (m ggufMap) Strings(key string) ([]string, bool) { return ggufGet[[]string](m, key) }

// ggufModel is the metadata of a small model, with changes: a nil value removes a key.
func ggufModel(arch string, changes ggufMap) ggufMap {
	m := ggufMap{"general.architecture": arch}
	for key, v := range map[string]any{
		"embedding_length": 32, "feed_forward_length": 64, "block_count": 4, "attention.head_count": 4,
		"attention.head_count_kv": 2, "context_length": 256, "attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 5e5,
	} {
		m[arch+"."+key] = v
	}
	maps.Copy(m, changes)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return m
}

var ggufShapes = map[string][]int{EmbedTokens: {50, 32}, LMHead: {50, 32}}

func TestConfigFromGGUF(t *testing.T) {
	plain := Config{
		Family: "llama", VocabSize: 50, HiddenSize: 32, IntermediateSize: 64, Layers: 4, Heads: 4, KVHeads: 2, HeadDim: 8,
		MaxPositions: 256, NormEps: 1e-5, Activation: SiLU, EmbedScale: 1, AttentionScale: 0.35355339059327373, ResidualScale: 1,
		LogitScale: 1, RotaryDim: 8,
		Ropes: []Rope{{Type: RopeDefault, Theta: 5e5}}, Rotations: make([]int, 4), Windows: make([]int, 4),
		BOS: -1, Pad: -1,
	}
	for name, c := range map[string]struct {
		metadata ggufMap
		shapes   map[string][]int
		change   func(*Config)
	}{
		"llama":  {ggufModel("llama", nil), nil, func(*Config) {}},
		"tied":   {ggufModel("llama", nil), map[string][]int{EmbedTokens: {50, 32}}, func(c *Config) { c.TieEmbeddings = true }},
		"all kv": {ggufModel("llama", ggufMap{"llama.attention.head_count_kv": nil}), nil, func(c *Config) { c.KVHeads = 4 }},
		"biases": {ggufModel("llama", nil), map[string][]int{EmbedTokens: {50, 32}, LMHead: {50, 32}, "model.layers.0.self_attn.q_proj.bias": {32},
			"model.layers.0.mlp.up_proj.bias": {64}}, func(c *Config) { c.QKVBias, c.MLPBias = true, true }},
		"mistral": {ggufModel("llama", ggufMap{"llama.attention.sliding_window": 16}), nil,
			func(c *Config) { c.Family, c.Windows = "mistral", []int{16, 16, 16, 16} }},
		"linear": {ggufModel("llama", ggufMap{"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}), nil,
			func(c *Config) { c.Ropes = []Rope{{Type: RopeLinear, Theta: 5e5, Factor: 4}} }},
		"old linear": {ggufModel("llama", ggufMap{"llama.rope.scale_linear": 4.0}), nil,
			func(c *Config) { c.Ropes = []Rope{{Type: RopeLinear, Theta: 5e5, Factor: 4}} }},
		"no scaling": {ggufModel("llama", ggufMap{"llama.rope.scaling.type": "none", "llama.rope.scaling.factor": 4.0}), nil, func(*Config) {}},
		"qwen2":      {ggufModel("qwen2", nil), nil, func(c *Config) { c.Family, c.QKVBias = "qwen2", true }},
		"qwen3": {ggufModel("qwen3", ggufMap{"qwen3.attention.key_length": 4, "qwen3.attention.value_length": 4}), nil, func(c *Config) {
			c.Family, c.HeadDim, c.RotaryDim, c.AttentionScale = "qwen3", 4, 4, 0.5
		}},
		"phi3": {ggufModel("phi3", ggufMap{"phi3.attention.sliding_window": 0, "phi3.rope.dimension_count": 6}), nil,
			func(c *Config) { c.Family, c.RotaryDim = "phi3", 6 }},
		"gemma3": {ggufModel("gemma3", ggufMap{"gemma3.attention.sliding_window": 8, "gemma3.block_count": 7}), nil, func(c *Config) {
			c.Family, c.Activation, c.EmbedScale, c.Layers = "gemma3_text", GELUTanh, 5.656854249492381, 7
			c.UnitOffsetNorm = true
			c.Windows, c.Rotations = []int{8, 8, 8, 8, 8, 0, 8}, []int{1, 1, 1, 1, 1, 0, 1}
			c.Ropes = append(c.Ropes, Rope{Type: RopeDefault, Theta: 1e4})
		}},
		"gemma3 with a period": {ggufModel("gemma3", ggufMap{"gemma3.attention.sliding_window": 8, "gemma3.attention.sliding_window_pattern": 2,
			"gemma3.rope.freq_base_swa": 2e4}), nil, func(c *Config) {
			c.Family, c.Activation, c.EmbedScale = "gemma3_text", GELUTanh, 5.656854249492381
			c.UnitOffsetNorm = true
			c.Windows, c.Rotations = []int{8, 0, 8, 0}, []int{1, 0, 1, 0}
			c.Ropes = append(c.Ropes, Rope{Type: RopeDefault, Theta: 2e4})
		}},
		"tokens": {ggufModel("llama", ggufMap{
			"tokenizer.ggml.tokens":     []string{"a", "<|im_end|>", "<|end|>", "d"},
			"tokenizer.ggml.token_type": []int{1, 3, 1, 3}, "tokenizer.ggml.bos_token_id": 0, "tokenizer.ggml.eos_token_id": 3,
			"tokenizer.ggml.eot_token_id": 3, "tokenizer.ggml.eom_token_id": 4, "tokenizer.ggml.padding_token_id": 50}), nil,
			func(c *Config) { c.BOS, c.EOS = 0, []int{3, 4, 1} }}, // <|end|> is no control token; padding is past the vocabulary
	} {
		t.Run(name, func(t *testing.T) {
			want := plain
			want.Ropes = slices.Clone(want.Ropes)
			c.change(&want)
			want.Names = families[want.Family].names
			if c.shapes == nil {
				c.shapes = ggufShapes
			}
			got, err := ConfigFromGGUF(c.metadata, c.shapes, nil)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
}

func TestConfigFromGGUFScalesTheLargestGemmaByItsWidth(t *testing.T) {
	got, err := ConfigFromGGUF(ggufModel("gemma3", ggufMap{"gemma3.block_count": 62, "gemma3.attention.key_length": 2,
		"gemma3.attention.value_length": 2}), ggufShapes, nil)
	require.NoError(t, err)
	assert.InDelta(t, 0.35355339059327373, got.AttentionScale, 1e-15)
}

func TestConfigFromGGUFRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		metadata    ggufMap
		shapes      map[string][]int
		unsupported bool
		says        string
	}{
		"architecture":      {ggufModel("mamba", nil), nil, true, `"mamba"`},
		"experts":           {ggufModel("qwen2", ggufMap{"qwen2.expert_count": 8}), nil, true, "mixture of experts"},
		"ntk":               {ggufModel("qwen2", ggufMap{"qwen2.rope.scaling.type": "ntk"}), nil, true, "ntk"},
		"longrope":          {ggufModel("phi3", ggufMap{"phi3.rope.scaling.type": "longrope"}), nil, false, "0 short and 0 long factors"},
		"softcap":           {ggufModel("llama", ggufMap{"llama.attn_logit_softcapping": 50.0}), nil, true, "attn_logit_softcapping"},
		"scale":             {ggufModel("llama", ggufMap{"llama.embedding_scale": 12.0}), nil, true, "embedding_scale"},
		"encoder":           {ggufModel("gemma3", ggufMap{"gemma3.attention.causal": false}), nil, true, "both directions"},
		"values":            {ggufModel("llama", ggufMap{"llama.attention.value_length": 16}), nil, true, "value_length"},
		"partial rotation":  {ggufModel("llama", ggufMap{"llama.rope.dimension_count": 4}), nil, true, "4 of 8"},
		"qwen window":       {ggufModel("qwen2", ggufMap{"qwen2.attention.sliding_window": 16}), nil, true, "which layers slide"},
		"missing":           {ggufModel("llama", ggufMap{"llama.block_count": nil, "llama.context_length": nil}), nil, false, "llama.context_length: is missing"},
		"per layer":         {ggufModel("llama", ggufMap{"llama.attention.head_count": []int{4, 4}}), nil, false, "llama.attention.head_count: is missing or not a single integer"},
		"optional type":     {ggufModel("llama", ggufMap{"llama.attention.head_count_kv": "2"}), nil, false, "head_count_kv: is not a single integer"},
		"float type":        {ggufModel("llama", ggufMap{"llama.rope.freq_base": "2"}), nil, false, "freq_base: is not a number"},
		"negative":          {ggufModel("llama", ggufMap{"llama.block_count": -1}), nil, false, "-1 is not a usable size"},
		"no embeddings":     {ggufModel("llama", nil), map[string][]int{LMHead: {50, 32}}, false, "vocab_size"},
		"tokens":            {ggufModel("llama", ggufMap{"tokenizer.ggml.tokens": make([]string, 51)}), nil, false, "51 tokens for 50 embeddings"},
		"eos":               {ggufModel("llama", ggufMap{"tokenizer.ggml.eos_token_id": 50}), nil, false, "eos_token_id: 50"},
		"pattern length":    {ggufModel("gemma3", ggufMap{"gemma3.attention.sliding_window": 8, "gemma3.attention.sliding_window_pattern": []int{1}}), nil, false, "1 entries for 4 layers"},
		"pattern direction": {ggufModel("gemma3", ggufMap{"gemma3.attention.sliding_window": 8, "gemma3.attention.sliding_window_pattern": -2}), nil, false, "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.shapes == nil {
				c.shapes = ggufShapes
			}
			_, err := ConfigFromGGUF(c.metadata, c.shapes, nil)
			require.ErrorContains(t, err, c.says)
			if c.unsupported {
				assert.ErrorIs(t, err, ErrUnsupported)
			} else {
				assert.NotErrorIs(t, err, ErrUnsupported)
			}
		})
	}
}
