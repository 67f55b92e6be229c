package lm

import "strings"

// Param is one weight of a model under its Hugging Face name.
type Param struct {
	Name  string
	Shape []int
	// Linear marks the [out, in] matrix of a projection inside a layer: what LoRA may target.
	Linear bool
	// Head marks the matrix [vocab, hidden] that projects onto the vocabulary, which may be the embedding. A backend
	// may prefer it and the linear ones transposed.
	Head bool
	// Experts is how many matrices lie one below the other, each for other rows of the input; 0 = it is one matrix.
	Experts int
	// Router marks the matrix that chooses experts, which a little error makes choose others: it is always held in float32.
	Router bool
	// Small marks a matrix of a few columns, of which no product is made.
	Small bool
}

// Params lists every weight that a checkpoint of c must hold, in the order of the computation.
func (c Config) Params() []Param {
	out := []Param{{Name: EmbedTokens, Shape: []int{c.VocabSize, c.HiddenSize}, Head: c.TieEmbeddings}}
	for i := range c.Layers {
		for part, name := range c.Names {
			if name != "" && c.Has(i, Part(part)) {
				out = append(out, c.partParams(c.Path(i, Part(part)), Part(part))...)
			}
		}
	}
	out = append(out, c.normParams(strings.TrimSuffix(FinalNorm, ".weight"), c.HiddenSize)...)
	if !c.TieEmbeddings {
		out = append(out, Param{Name: LMHead, Shape: []int{c.VocabSize, c.HiddenSize}, Head: true})
	}
	return out
}

// partParams are the weights of a part at a path.
func (c Config) partParams(path string, part Part) []Param {
	var out, in int
	var bias bool
	switch part {
	case Sinks:
		return []Param{{Name: path + ".weight", Shape: []int{c.Heads}}}
	case QNorm, KNorm:
		width := c.HeadDim
		if c.WideQKNorm {
			width = map[Part]int{QNorm: c.QDim(), KNorm: c.KVDim()}[part]
		}
		return c.normParams(path, width)
	case Q:
		out, in, bias = c.QDim(), c.HiddenSize, c.QKVBias
	case K, V:
		out, in, bias = c.KVDim(), c.HiddenSize, c.QKVBias
	case QKV:
		out, in, bias = c.QDim()+2*c.KVDim(), c.HiddenSize, c.QKVBias
	case O:
		out, in, bias = c.HiddenSize, c.QDim(), c.OutBias
	case ConvIn:
		out, in = 3*c.HiddenSize, c.HiddenSize
	case Conv:
		return []Param{{Name: path + ".weight", Shape: []int{c.HiddenSize, c.ConvKernel}, Small: true}}
	case ConvOut:
		out, in = c.HiddenSize, c.HiddenSize
	case Gate, Up:
		out, in, bias = c.IntermediateSize, c.HiddenSize, c.MLPBias
	case Router:
		params := []Param{{Name: path + ".weight", Shape: []int{c.Experts.Count, c.HiddenSize}, Linear: true, Router: true}}
		if c.Experts.Bias {
			params = append(params, Param{Name: path + ".bias", Shape: []int{c.Experts.Count}})
		}
		return params
	case ExpertsGateUp:
		return c.Experts.params(path, 2*c.Experts.Size, c.HiddenSize)
	case ExpertsDown:
		return c.Experts.params(path, c.HiddenSize, c.Experts.Size)
	case GateUp:
		out, in, bias = 2*c.IntermediateSize, c.HiddenSize, c.MLPBias
	case Act:
		return []Param{
			{Name: path + ".alpha_p", Shape: []int{1}}, {Name: path + ".alpha_n", Shape: []int{1}},
			{Name: path + ".beta", Shape: []int{}}, {Name: path + ".eps", Shape: []int{}},
		}
	case Down:
		out, in, bias = c.HiddenSize, c.IntermediateSize, c.MLPBias
	default:
		return c.normParams(path, c.HiddenSize)
	}
	params := []Param{{Name: path + ".weight", Shape: []int{out, in}, Linear: true}}
	if bias {
		params = append(params, Param{Name: path + ".bias", Shape: []int{out}})
	}
	return params
}

func (c Config) normParams(path string, width int) (out []Param) {
	if !c.PlainNorms {
		out = append(out, Param{Name: path + ".weight", Shape: []int{width}})
	}
	if c.NormBias {
		out = append(out, Param{Name: path + ".bias", Shape: []int{width}})
	}
	return out
}

// Size is the number of elements.
func (p Param) Size() int { return size(p.Shape) }

// NumParams is the number of weights of the model; a tied output projection counts once.
func (c Config) NumParams() (n int) {
	for _, p := range c.Params() {
		n += p.Size()
	}
	return n
}
