package lm

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const llamaJSON = `{"model_type":"llama","vocab_size":100,"hidden_size":48,"intermediate_size":96,"num_hidden_layers":3,
"num_attention_heads":4,"num_key_value_heads":2,"rope_theta":10000.0,"rms_norm_eps":1e-5,"eos_token_id":[2,3]`

func parse(t *testing.T, extra string) (Config, error) {
	t.Helper()
	return ParseConfig([]byte(llamaJSON + extra + "}"))
}

func TestBothSpellingsOfRopeAgree(t *testing.T) {
	old, err := parse(t, `,"rope_scaling":{"type":"linear","factor":4.0}`)
	require.NoError(t, err)
	now, err := parse(t, `,"rope_parameters":{"rope_type":"linear","factor":4.0,"rope_theta":10000.0}`)
	require.NoError(t, err)
	assert.Equal(t, old.Ropes, now.Ropes)
	assert.Equal(t, []Rope{{Type: RopeLinear, Theta: 1e4, Factor: 4}}, old.Ropes)
	assert.Equal(t, []int{2, 3}, old.EOS)
	assert.Equal(t, 12, old.HeadDim)
}

func TestUnsupportedIsRefusedByName(t *testing.T) {
	for extra, name := range map[string]string{
		`,"rope_scaling":{"rope_type":"axial","factor":2}`:            "axial",
		`,"quantization_config":{"quant_method":"gptq"}`:              "quantization_config",
		`,"num_local_experts":8`:                                      "mixture of experts",
		`,"hidden_act":"relu6"`:                                       "relu6",
		`,"partial_rotary_factor":0.5`:                                "partial_rotary_factor",
		`,"attn_logit_softcapping":50.0`:                              "attn_logit_softcapping",
		`,"layer_types":["full_attention","full_attention","linear"]`: "linear",
		`,"is_encoder_decoder":true`:                                  "encoder-decoder",
		`,"use_bidirectional_attention":true`:                         "use_bidirectional_attention",
	} {
		_, err := parse(t, extra)
		require.ErrorIs(t, err, ErrUnsupported, extra)
		assert.ErrorContains(t, err, name)
	}
	_, err := ParseConfig([]byte(`{"model_type":"mamba"}`))
	require.ErrorIs(t, err, ErrUnsupported)
	assert.ErrorContains(t, err, "mamba")
	_, err = ParseConfig([]byte(`{"model_type":"llama"}`))
	require.Error(t, err)
	_, err = ParseConfig([]byte(`not json`))
	require.Error(t, err)
}

// TestRefusedFamiliesNameThePart: what a family needs is said, not only that it is unknown.
func TestRefusedFamiliesNameThePart(t *testing.T) {
	for name, part := range map[string]string{
		"gemma4_text": "heads of another width", "qwen2_moe": "beside the chosen ones", "qwen3_next": "all tokens pass through",
		"deepseek_v3": "latent attention", "llama4": "chunks",
		"qwen3_5_text": "gated delta rule", "lfm2_moe": "a bias that chooses experts",
	} {
		_, err := ParseConfig([]byte(`{"model_type":"` + name + `"}`))
		require.ErrorIs(t, err, ErrUnsupported)
		assert.ErrorContains(t, err, part)
		assert.NotContains(t, Families(), name)
	}
}

func TestRotationsOfTheFamilies(t *testing.T) {
	config := func(family, extra string) Config {
		c, err := ParseConfig([]byte(strings.Replace(llamaJSON, "llama", family, 1) + extra + "}"))
		require.NoError(t, err, family+extra)
		return c
	}
	assert.Equal(t, []int{0, -1, 0}, config("smollm3", `,"no_rope_layers":[1,0,1,0]`).Rotations)
	assert.Equal(t, []int{0, -1, 0}, config("smollm3", `,"no_rope_layer_interval":2`).Rotations)
	assert.Equal(t, []int{0, 0, 0}, config("exaone4", `,"sliding_window":null`).Rotations)
	assert.Equal(t, []int{0, -1, 0}, config("exaone4", `,"sliding_window_pattern":2`).Rotations)
	assert.Equal(t, []int{-1, -1, -1}, config("cohere2", `,"sliding_window":null`).Rotations)
	olmo := config("olmo3", `,"rope_scaling":{"rope_type":"yarn","factor":8,"original_max_position_embeddings":32}`)
	assert.Equal(t, []RopeType{RopeYarn, RopeDefault}, []RopeType{olmo.Ropes[0].Type, olmo.Ropes[1].Type})
	assert.InDelta(t, 0.1*2.0794415416798357+1, olmo.Ropes[0].Scale(), 1e-12)
	hunyuan := config("hunyuan_v1_dense", `,"rope_scaling":{"type":"dynamic","alpha":1000.0,"factor":1.0}`)
	assert.InEpsilon(t, 1e4*3981.0717055349733, hunyuan.Ropes[0].Theta, 1e-9) // 1000^(12/10)
	assert.Equal(t, 6, config("glm4", `,"head_dim":12`).RotaryDim)
	both := config("llama", `,"rope_scaling":{"type":"linear","factor":4},"rope_parameters":{"rope_type":"dynamic","factor":2}`)
	assert.Equal(t, []Rope{{Type: RopeLinear, Theta: 1e4, Factor: 4}}, both.Ropes)
	for extra, original := range map[string]int{``: 4096, `,"original_max_position_embeddings":64`: 64} {
		phi := config("phi3", `,"rope_parameters":{"rope_type":"longrope","original_max_position_embeddings":16,"short_factor":[1,1,1,1,1,1],"long_factor":[1,1,1,1,1,1]}`+extra)
		assert.Equal(t, original, phi.Ropes[0].OriginalContext, "what is said within counts for nothing")
	}
	for _, extra := range []string{ // what transformers does not find for one kind of layer does not count
		`,"rope_parameters":{"rope_type":"linear","factor":4,"rope_theta":5}`, `,"rope_scaling":{"type":"linear","factor":4}`,
	} {
		assert.Equal(t, []Rope{{Type: RopeDefault, Theta: 1e4}, {Type: RopeDefault, Theta: 5e5}}, config("olmo3", extra).Ropes)
	}
	yarn := config("gemma3_text", `,"original_max_position_embeddings":8,"rope_scaling":{"rope_type":"yarn","factor":4,"original_max_position_embeddings":16,"truncate":false}`).Ropes[0]
	assert.Equal(t, 16, yarn.OriginalContext)
	assert.True(t, yarn.Truncate)
	assert.Zero(t, config("gemma3_text", `,"attn_logit_softcapping":3.0`).AttentionSoftcap, "which transformers does not compute with")
}

func TestWindowsOfTheFamilies(t *testing.T) {
	config := func(family, extra string) []int {
		c, err := ParseConfig([]byte(strings.Replace(llamaJSON, "llama", family, 1) + extra + "}"))
		require.NoError(t, err, family+extra)
		return c.Windows
	}
	assert.Equal(t, []int{0, 0, 0}, config("llama", ""))
	assert.Equal(t, []int{4096, 4096, 4096}, config("mistral", ""))
	assert.Equal(t, []int{0, 0, 0}, config("mistral", `,"sliding_window":null`))
	assert.Equal(t, []int{8, 8, 8}, config("phi3", `,"sliding_window":8`))
	assert.Equal(t, []int{0, 0, 0}, config("qwen2", `,"sliding_window":8`))
	assert.Equal(t, []int{0, 8, 8}, config("qwen2", `,"sliding_window":8,"use_sliding_window":true,"max_window_layers":1`))
	assert.Equal(t, []int{8, 0, 8}, config("exaone4", `,"sliding_window":8,"sliding_window_pattern":"LG"`))
	assert.Equal(t, []int{8, 0, 0}, config("exaone4", `,"sliding_window":8,"sliding_window_pattern":"LLLG","layer_types":["sliding_attention","full_attention","full_attention"]`))
	assert.Equal(t, []int{8, 8, 8}, config("ministral", `,"sliding_window":8`))
	assert.Equal(t, []int{0, 8, 0}, config("mistral", `,"sliding_window":8,"layer_types":["full_attention","sliding_attention","full_attention"]`))
	assert.Equal(t, []int{0, 0, 0}, config("llama", `,"sliding_window":8`))
	assert.Equal(t, []int{8, 0, 8}, config("gemma3_text", `,"head_dim":12,"sliding_window":8,"sliding_window_pattern":2`))
}

// TestExportedConfigReadsBack: a config that docent writes for a model from GGUF gives the same config.
func TestExportedConfigReadsBack(t *testing.T) {
	for family := range families {
		for _, extra := range []string{"", `,"sliding_window":8`, `,"rope_local_base_freq":12345,"use_sliding_window":true,"sliding_window":7`, `,"rope_scaling":{"rope_type":"yarn","factor":8,"original_max_position_embeddings":32,"beta_fast":16,"truncate":false,"attention_factor":1.25}`, `,"rope_scaling":{"rope_type":"longrope","short_factor":[1,1.5,2,3,4,5],"long_factor":[2,3,4,5,6,7.5],"original_max_position_embeddings":32}`, `,"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":32}`} {
			c, err := ParseConfig([]byte(strings.Replace(llamaJSON, "llama", family, 1) + extra + "}"))
			if family == "phi3" && strings.Contains(extra, "yarn") {
				require.ErrorContains(t, err, "0 short and 0 long factors") // transformers, too, takes it for that
				continue
			}
			if strings.Contains(extra, "longrope") && err != nil { // heads of another width
				require.ErrorContains(t, err, "6 short and 6 long factors")
				continue
			}
			require.NoError(t, err)
			c.Source = nil
			data, err := c.HFConfig("float32")
			require.NoError(t, err)
			back, err := ParseConfig(data)
			require.NoError(t, err, string(data))
			back.Source = nil
			assert.Equal(t, c, back, string(data))
		}
	}
}

func TestExportKeepsForeignFields(t *testing.T) {
	c, err := parse(t, `,"torch_dtype":"bfloat16","my_field":{"a":1.50}`)
	require.NoError(t, err)
	data, err := c.HFConfig("float32")
	require.NoError(t, err)
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data, &fields))
	assert.Equal(t, `"float32"`, string(fields["dtype"]))
	assert.NotContains(t, fields, "torch_dtype")
	assert.Contains(t, string(data), "1.50")

	c, err = ParseConfig([]byte(strings.Replace(llamaJSON, "llama", "lfm2", 1) + `,"tie_embedding":true}`))
	require.NoError(t, err)
	c.TieEmbeddings = false // by an adapter with a head of its own
	data, err = c.HFConfig("float32")
	require.NoError(t, err)
	c, err = ParseConfig(data)
	require.NoError(t, err)
	assert.False(t, c.TieEmbeddings)
}

func TestParamsCount(t *testing.T) {
	c, err := parse(t, `,"attention_bias":true`)
	require.NoError(t, err)
	perLayer := 48*48*2 + 24*48*2 + 3*48*96 + 2*48 + (48 + 24 + 24 + 48)
	assert.Equal(t, 2*100*48+48+3*perLayer, c.NumParams())
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(llamaJSON + "}"))
	f.Add([]byte(llamaJSON + `,"rope_parameters":{"full_attention":{"rope_type":"linear","factor":1e400}}}`))
	f.Add([]byte(`{"model_type":"gemma3_text","num_hidden_layers":99999999999}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data)
		if err == nil && c.Validate() != nil {
			t.Fatal("an invalid config was accepted")
		}
	})
}
