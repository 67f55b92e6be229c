package weights

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm"
)

// TestMXFP4AsTransformersReadsIt: values of transformers' convert_moe_packed_tensors.
func TestMXFP4AsTransformersReadsIt(t *testing.T) {
	blocks := make([]byte, 32)
	for i := range blocks {
		blocks[i] = byte(i*37 + 11)
	}
	header := `{"x_blocks":{"dtype":"U8","shape":[1,2,16],"data_offsets":[0,32]},"x_scales":{"dtype":"U8","shape":[1,2],"data_offsets":[32,34]}}`
	s, err := OpenSafetensors(folder(map[string][]byte{"x": safetensorsFile(header, append(blocks, 126, 130))}), "x")
	require.NoError(t, err)
	defer s.Close()
	assert.Equal(t, []Tensor{{"x", []int{1, 64}, "MXFP4"}}, s.Tensors())
	got := make([]float32, 64)
	require.NoError(t, s.Read("x", got))
	assert.Equal(t, []float32{-0.75, 0, 0, 0.75, 1.5, 1.5, -0.5, 3, -3, -0.25, 1, -1, -0.25, -2, -2, 0, 0.75, 0.75, 0, 1.5, -1.5, 3, 0.5, -0.5, 3, -1, -1, -2, 0.25, 0.25, 2, 0.75, -12, 24, 0, 0, 24, -8, -8, -16, -48, -32, 16, 4, -4, 12, -32, 24, 12, 0, 0, -8, -24, -16, 8, -48, 48, 4, -16, 12, 4, 32, 32, 0}, got)
}

// TestExpertsInMXFP4: a checkpoint of gpt_oss and the same one with the experts as OpenAI has them give the same parameters, all at once
// and row by row.
func TestExpertsInMXFP4(t *testing.T) {
	config := `{"model_type":"gpt_oss","vocab_size":8,"hidden_size":32,"intermediate_size":64,"num_hidden_layers":1,"num_attention_heads":2,
"num_key_value_heads":1,"head_dim":8,"num_local_experts":3,"num_experts_per_tok":2%s}`
	plain, err := lm.ParseConfig(fmt.Appendf(nil, config, ""))
	require.NoError(t, err)
	packed, err := lm.ParseConfig(fmt.Appendf(nil, config, `,"quantization_config":{"quant_method":"mxfp4"}`))
	require.NoError(t, err)

	r := rand.New(rand.NewPCG(1, 2))
	const experts, hidden, inner = 3, 32, 64
	type entry struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	header, data := map[string]entry{}, []byte{}
	add := func(name, dtype string, raw []byte, shape ...int) {
		header["model.layers.0.mlp.experts."+name] = entry{dtype, shape, [2]int{len(data), len(data) + len(raw)}}
		data = append(data, raw...)
	}
	values := map[string][]float32{}
	for name, size := range map[string][2]int{"gate_up_proj": {2 * inner, hidden}, "down_proj": {hidden, inner}} {
		out, in := size[0], size[1]
		blocks, scales := make([]byte, experts*out*in/2), make([]byte, experts*out*in/32)
		for i := range blocks {
			blocks[i] = byte(r.IntN(256))
		}
		for i := range scales {
			scales[i] = byte(120 + r.IntN(8))
		}
		add(name+"_blocks", "U8", blocks, experts, out, in/32, 16)
		add(name+"_scales", "U8", scales, experts, out, in/32)
		bias := make([]float32, experts*out)
		for i := range bias {
			bias[i] = r.Float32()
		}
		add(name+"_bias", "F32", floatBytes(bias), experts, out)
		values[name+"_bias"] = bias
	}
	text, err := json.Marshal(header)
	require.NoError(t, err)
	x, err := OpenSafetensors(folder(map[string][]byte{"x": safetensorsFile(string(text), data)}), "x")
	require.NoError(t, err)
	defer x.Close()

	dir := t.TempDir() // what transformers saves: matrices turned
	var tensors []Tensor
	for name, shape := range map[string][]int{"gate_up_proj": {experts, hidden, 2 * inner}, "down_proj": {experts, inner, hidden}} {
		in, out := shape[1], shape[2]
		stored, turned := make([]float32, experts*in*out), make([]float32, experts*in*out)
		require.NoError(t, x.Read("model.layers.0.mlp.experts."+name, stored))
		for i, v := range stored {
			e, o, k := i/(in*out), i/in%out, i%in
			turned[(e*in+k)*out+o] = v
		}
		values[name] = turned
		tensors = append(tensors, Tensor{"model.layers.0.mlp.experts." + name, shape, F32}, Tensor{"model.layers.0.mlp.experts." + name + "_bias", []int{experts, out}, F32})
	}
	require.NoError(t, Write(t.Context(), dir, tensors, func(name string, dst []float32) error {
		copy(dst, values[name[len("model.layers.0.mlp.experts."):]])
		return nil
	}, WriteOptions{}))
	y, err := OpenFolder(os.DirFS(dir))
	require.NoError(t, err)
	defer y.Close()

	require.NoError(t, x.Join(packed.Params(), func(p lm.Param) ([]lm.Piece, error) { return packed.Pieces(p), nil }))
	require.NoError(t, y.Join(plain.Params(), func(p lm.Param) ([]lm.Piece, error) { return plain.Pieces(p), nil }))
	seen := 0
	for _, p := range plain.Params() {
		if p.Experts == 0 {
			continue
		}
		seen++
		want, got := make([]float32, p.Size()), make([]float32, p.Size())
		require.NoError(t, x.Read(p.Name, want))
		require.NoError(t, y.Read(p.Name, got))
		assert.Equal(t, want, got, p.Name)
		row := 1
		if len(p.Shape) == 2 {
			row = p.Shape[1]
		}
		for _, s := range []Source{x, y} {
			clear(got)
			for at := 0; at < len(got); at += row {
				require.NoError(t, s.ReadFrom(p.Name, at, got[at:at+row]))
			}
			assert.Equal(t, want, got, p.Name)
		}
	}
	assert.Equal(t, 4, seen)
	// The first row is the first gate, and the gates are followed by the ups, which lie between them in the file.
	first, second := make([]float32, hidden), make([]float32, hidden)
	require.NoError(t, x.ReadFrom("model.layers.0.mlp.experts.gate_up_proj.weight", inner*hidden, first))
	for k := range second {
		second[k] = values["gate_up_proj"][k*2*inner+1]
	}
	assert.Equal(t, second, first)
}
