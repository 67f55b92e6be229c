package weights

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm"
)

// tinyConfigs are small models of every family and of every feature that changes names, shapes or values.
var tinyConfigs = map[string]string{
	"llama":        `{"model_type":"llama","head_dim":6}`,
	"llama-tied":   `{"model_type":"llama","tie_word_embeddings":true,"num_key_value_heads":4}`,
	"llama-biases": `{"model_type":"llama","attention_bias":true,"mlp_bias":true}`,
	"llama-linear": `{"model_type":"llama","rope_scaling":{"type":"linear","factor":2.5}}`,
	"llama3": `{"model_type":"llama","head_dim":32,"rope_parameters":{"rope_theta":500000,"rope_type":"llama3","factor":32,
		"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":8192}}`,
	"mistral": `{"model_type":"mistral","sliding_window":8}`,
	"qwen2":   `{"model_type":"qwen2","tie_word_embeddings":true}`,
	"qwen3":   `{"model_type":"qwen3","head_dim":16}`,
	"gemma3": `{"model_type":"gemma3_text","head_dim":16,"query_pre_attn_scalar":16,"sliding_window":8,
		"layer_types":["sliding_attention","full_attention","sliding_attention"],
		"rope_parameters":{"full_attention":{"rope_theta":1000000,"rope_type":"linear","factor":8},"sliding_attention":{"rope_theta":10000,"rope_type":"default"}}}`,
	"phi3": `{"model_type":"phi3","sliding_window":7}`,
}

// tinyConfig completes one of tinyConfigs.
func tinyConfig(t testing.TB, text string) lm.Config {
	all := map[string]any{
		"vocab_size": 40, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
		"num_key_value_heads": 2, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "tie_word_embeddings": false,
		"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
	}
	var own map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &own))
	if own["model_type"] == "gemma3_text" {
		all["tie_word_embeddings"] = true
	}
	maps.Copy(all, own)
	data, err := json.Marshal(all)
	require.NoError(t, err)
	c, err := lm.ParseConfig(data)
	require.NoError(t, err)
	return c
}

// randomModel fills every tensor of c. Values are multiples of 1/64, so that adding 1 to a norm and taking it off is
// exact and so is bfloat16.
func randomModel(c lm.Config) map[string][]float32 {
	rng := rand.New(rand.NewPCG(3, 4))
	out := map[string][]float32{}
	shapes := Expected(c)
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		v := make([]float32, Tensor{Shape: shapes[name]}.Size())
		for i := range v {
			v[i] = float32(rng.IntN(256)-128) / 64
		}
		out[name] = v
	}
	return out
}

// tensorsOf lists the tensors of shapes, all of one type, in order of names.
func tensorsOf(shapes map[string][]int, dtype DType) []Tensor {
	var out []Tensor
	for name, shape := range shapes {
		out = append(out, Tensor{name, shape, dtype})
	}
	return sortedByName(out)
}

// readAll reads every tensor of a source.
func readAll(t testing.TB, src Source) map[string][]float32 {
	out := map[string][]float32{}
	for _, x := range src.Tensors() {
		v := make([]float32, x.Size())
		require.NoError(t, src.Read(x.Name, v))
		out[x.Name] = v
	}
	return out
}

// fillFrom is the fill of Write over values in memory.
func fillFrom(values map[string][]float32) func(string, []float32) error {
	return func(name string, dst []float32) error {
		copy(dst, values[name])
		return nil
	}
}
