package lm

import (
	"fmt"
	"slices"
)

// Part is a norm or a projection of a layer. Not every family has all of them.
type Part int

// The parts in the order of the computation, which is also that of Config.Params.
const (
	AttentionNorm Part = iota // of what attention reads
	Sinks                     // of each head: a score that takes a share of the weights, of no position
	Q
	K
	V
	QKV // one matrix in place of Q, K and V
	QNorm
	KNorm
	O
	ConvIn // in place of attention: two gates and what is convolved
	Conv   // of each channel: factors on its last positions
	ConvOut
	AttentionOutNorm // of what attention gives, before it is added to the residual stream
	MLPNorm          // of what the MLP reads
	Router           // scores of the experts
	ExpertsGateUp    // GateUp of all experts, one below the other
	ExpertsDown
	Gate
	Up
	GateUp // one matrix in place of Gate and Up
	Act    // numbers of the activation
	Down
	MLPOutNorm
	parts
)

// Names are those of a layer's parts below "model.layers.N."; a family has no part without a name.
type Names [parts]string

// with is n with other or further names.
func (n Names) with(more Names) Names {
	for part, name := range more {
		if name != "" {
			n[part] = name
		}
	}
	return n
}

// without is n with some parts taken out.
func (n Names) without(parts ...Part) Names {
	for _, part := range parts {
		n[part] = ""
	}
	return n
}

// Has tells whether layer i has a part.
func (c Config) Has(i int, part Part) bool {
	return c.Names[part] != "" && (c.Lacks == nil || !slices.Contains(c.Lacks[i], part))
}

// Path is the module of a part in layer i, "model.layers.0.self_attn.q_proj".
func (c Config) Path(i int, part Part) string { return LayerPath(i) + "." + c.Names[part] }

// LayerPath is the prefix of the weights of layer i, "model.layers.0" for the first.
func LayerPath(i int) string { return fmt.Sprintf("model.layers.%d", i) }

// Names of the weights outside the layers.
const (
	EmbedTokens = "model.embed_tokens.weight"
	FinalNorm   = "model.norm.weight"
	LMHead      = "lm_head.weight"
)
