package lm

import "fmt"

// Param is one weight of a model under its Hugging Face name.
type Param struct {
	Name  string
	Shape []int
	// Linear marks the [out, in] matrix of a projection inside a layer: what LoRA may target.
	Linear bool
	// Head marks the matrix [vocab, hidden] that projects onto the vocabulary, which may be the embedding. A backend
	// may prefer it and the linear ones transposed.
	Head bool
}

// Names of the weights outside the layers.
const (
	EmbedTokens = "model.embed_tokens.weight"
	FinalNorm   = "model.norm.weight"
	LMHead      = "lm_head.weight"
)

// LayerPath is the prefix of the weights of layer i, "model.layers.0" for the first.
func LayerPath(i int) string { return fmt.Sprintf("model.layers.%d", i) }

// Params lists every weight that a checkpoint of c must hold, in the order of the computation.
func (c Config) Params() []Param {
	out := []Param{{Name: EmbedTokens, Shape: []int{c.VocabSize, c.HiddenSize}, Head: c.TieEmbeddings}}
	for i := range c.Layers {
		p := layerParams{layer: LayerPath(i), out: out}
		p.norm("input_layernorm", c.HiddenSize)
		if c.Fused {
			p.linear("self_attn.qkv_proj", c.QDim()+2*c.KVDim(), c.HiddenSize, c.QKVBias)
		} else {
			p.linear("self_attn.q_proj", c.QDim(), c.HiddenSize, c.QKVBias)
			p.linear("self_attn.k_proj", c.KVDim(), c.HiddenSize, c.QKVBias)
			p.linear("self_attn.v_proj", c.KVDim(), c.HiddenSize, c.QKVBias)
		}
		if c.QKNorm {
			p.norm("self_attn.q_norm", c.HeadDim)
			p.norm("self_attn.k_norm", c.HeadDim)
		}
		p.linear("self_attn.o_proj", c.HiddenSize, c.QDim(), c.OutBias)
		p.norm("post_attention_layernorm", c.HiddenSize)
		if c.SandwichNorms {
			p.norm("pre_feedforward_layernorm", c.HiddenSize)
		}
		if c.Fused {
			p.linear("mlp.gate_up_proj", 2*c.IntermediateSize, c.HiddenSize, c.MLPBias)
		} else {
			p.linear("mlp.gate_proj", c.IntermediateSize, c.HiddenSize, c.MLPBias)
			p.linear("mlp.up_proj", c.IntermediateSize, c.HiddenSize, c.MLPBias)
		}
		p.linear("mlp.down_proj", c.HiddenSize, c.IntermediateSize, c.MLPBias)
		if c.SandwichNorms {
			p.norm("post_feedforward_layernorm", c.HiddenSize)
		}
		out = p.out
	}
	out = append(out, Param{Name: FinalNorm, Shape: []int{c.HiddenSize}})
	if !c.TieEmbeddings {
		out = append(out, Param{Name: LMHead, Shape: []int{c.VocabSize, c.HiddenSize}, Head: true})
	}
	return out
}

// NumParams is the number of weights of the model; a tied output projection counts once.
func (c Config) NumParams() int {
	n := 0
	for _, p := range c.Params() {
		size := 1
		for _, d := range p.Shape {
			size *= d
		}
		n += size
	}
	return n
}

// layerParams collects the weights of one layer.
type layerParams struct {
	layer string
	out   []Param
}

func (p *layerParams) norm(name string, dim int) {
	p.out = append(p.out, Param{Name: p.layer + "." + name + ".weight", Shape: []int{dim}})
}

func (p *layerParams) linear(name string, out, in int, bias bool) {
	path := p.layer + "." + name
	p.out = append(p.out, Param{Name: path + ".weight", Shape: []int{out, in}, Linear: true})
	if bias {
		p.out = append(p.out, Param{Name: path + ".bias", Shape: []int{out}})
	}
}
