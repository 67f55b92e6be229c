// Package lm describes causal language models: one Config for every supported family, read from a Hugging Face
// config.json or from GGUF metadata, and the references by which users name a model.
//
// The sub-packages use it: decoder builds the graphs, cpu computes without them, weights reads and writes checkpoints,
// text turns messages into token ids. A family is one record in a file of its own, family_*.go, which says all that
// docent knows about it. What families differ in is a field of Config with one reader in decoder and one in cpu.
package lm

import (
	"errors"
	"fmt"
	"math"
)

// ErrUnsupported is wrapped by every refusal to load a model whose architecture or feature docent does not compute.
var ErrUnsupported = errors.New("unsupported model")

// Activation names the non-linearity of the gated MLP.
type Activation string

// The activations the families use, under the names of config.json.
const (
	SiLU     Activation = "silu"
	GELU     Activation = "gelu"              // exact, by the error function
	GELUTanh Activation = "gelu_pytorch_tanh" // tanh approximation
	ReLU     Activation = "relu"
	ReLU2    Activation = "relu2"   // its square
	XIELU    Activation = "xielu"   // with four numbers of each layer, its part Act
	Bounded  Activation = "bounded" // g·σ(slope·g) of a bounded gate, times the bounded up + 1: see Experts
)

// Config describes one decoder-only transformer.
type Config struct {
	Family string // the model_type of config.json: see Families

	VocabSize, HiddenSize, IntermediateSize int
	Layers, Heads, KVHeads, HeadDim         int
	MaxPositions                            int // longest context the model was made for, in tokens

	NormEps       float64
	Activation    Activation
	TieEmbeddings bool // the output projection is the embedding matrix

	Names                     Names    // of the parts of a layer
	Lacks                     [][]Part // per layer: parts that it does not have; nil = all have all
	QKVBias, OutBias, MLPBias bool

	ConvKernel int // positions that a convolution sees

	Experts Experts // that layers with a router have in place of an MLP

	LayerNorm      bool // norms subtract the mean
	NormBias       bool // and have biases
	PlainNorms     bool // norms have no weights
	UnitOffsetNorm bool // norms scale by 1 + weight
	WideQKNorm     bool // queries and keys are normed over all heads together
	LateQKNorm     bool // after they are rotated
	NormEmbeddings bool // embeddings are normed, without weights
	Parallel       bool // the MLP reads what attention reads

	// Factors on embeddings, on q·k, on what a branch adds to the residual stream, and on the final hidden states.
	EmbedScale, AttentionScale, ResidualScale, LogitScale float64
	// Queries at position p are scaled by 1 + QueryBeta·ln(1 + ⌊p/QueryContext⌋); 0 = not at all.
	QueryBeta    float64
	QueryContext int
	// Scores of attention and logits become cap·tanh(x/cap); 0 = they stay as they are.
	AttentionSoftcap, FinalSoftcap float64

	RotaryDim   int    // leading dimensions of a head that are rotated
	Interleaved bool   // dimensions 2i and 2i+1 together, not i and i + RotaryDim/2
	Ropes       []Rope // the model's rotations
	Rotations   []int  // per layer: index of its rotation; -1 = queries and keys stay as they are
	Windows     []int  // per layer: positions a query sees, itself included; 0 = all before it

	BOS, Pad int   // -1 when the model has none
	EOS      []int // any of them ends a generation

	// Wrapper is the model_type of the model of text and more that this is the text part of, "" = none.
	Wrapper string
	// Source is the config.json this was read from, of a wrapper its text_config, so that exporting a model keeps the
	// fields docent has no use for; nil for GGUF.
	Source []byte
}

// QDim is the width of all query heads together.
func (c Config) QDim() int { return c.Heads * c.HeadDim }

// KVDim is the width of all key (or value) heads together.
func (c Config) KVDim() int { return c.KVHeads * c.HeadDim }

// ConvWindows are those from 1 to ConvKernel: what two that follow each other differ in is a position that a convolution sees.
func (c Config) ConvWindows() (out []int) {
	for k := range c.ConvKernel {
		out = append(out, k+1)
	}
	return out
}

// CacheDims are the widths of a head's keys in a layer, and of its values: of a convolution, which needs no keys, a share of the
// channels.
func (c Config) CacheDims(layer int) (key, value int) {
	if c.Has(layer, Conv) {
		return 1, c.HiddenSize / c.KVHeads
	}
	return c.HeadDim, c.HeadDim
}

// Border is the most tokens of a text that is rotated like all shorter ones; 0 = all lengths are rotated alike.
func (c Config) Border() (border int) {
	for _, r := range c.Ropes {
		if b := r.Border(); border == 0 || b > 0 && b < border {
			border = b
		}
	}
	return border
}

// RotatesAlike tells whether texts of a and of b tokens are rotated alike, so that they can share what they begin with.
func (c Config) RotatesAlike(a, b int) bool {
	for _, r := range c.Ropes {
		if n := r.Border(); n > 0 && a != b && max(a, b) > n && (min(a, b) <= n || r.Type == RopeDynamic) {
			return false
		}
	}
	return true
}

// Validate reports every size that cannot describe a model, so that shape errors surface at load and not in a graph.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, f := range []struct {
		name string
		n    int
	}{
		{"vocab_size", c.VocabSize}, {"hidden_size", c.HiddenSize}, {"intermediate_size", c.IntermediateSize},
		{"num_hidden_layers", c.Layers}, {"num_attention_heads", c.Heads}, {"num_key_value_heads", c.KVHeads},
		{"head_dim", c.HeadDim}, {"max_position_embeddings", c.MaxPositions},
	} {
		if f.n <= 0 || f.n > 1<<27 {
			bad("%s: %d is not a usable size", f.name, f.n)
		}
	}
	if c.KVHeads > 0 && c.Heads%c.KVHeads != 0 {
		bad("num_attention_heads: %d is not a multiple of num_key_value_heads %d", c.Heads, c.KVHeads)
	}
	if c.RotaryDim <= 0 || c.RotaryDim > c.HeadDim || c.RotaryDim%2 != 0 {
		bad("rotary dimension: %d must be even and within head_dim %d", c.RotaryDim, c.HeadDim)
	}
	if c.NormEps <= 0 || c.NormEps > 1 {
		bad("rms_norm_eps: %g must be in (0, 1]", c.NormEps)
	}
	for name, factor := range map[string]float64{
		"embedding": c.EmbedScale, "attention": c.AttentionScale, "residual": c.ResidualScale, "logit": c.LogitScale,
	} {
		if !(factor > 0) || math.IsInf(factor, 0) {
			bad("%s scale: %g must be positive", name, factor)
		}
	}
	if c.Names[Conv] != "" && (c.ConvKernel < 2 || c.ConvKernel > c.MaxPositions || c.KVHeads > 0 && c.HiddenSize%c.KVHeads != 0) {
		bad("conv_L_cache: %d positions of %d channels, which must be a multiple of the key heads", c.ConvKernel, c.HiddenSize)
	}
	if c.Names[Router] != "" {
		errs = append(errs, c.Experts.validate())
	}
	if c.QueryBeta != 0 && c.QueryContext <= 0 {
		bad("llama_4_scaling_beta: needs original_max_position_embeddings > 0")
	}
	if len(c.Windows) != c.Layers {
		bad("layer_types: %d entries for %d layers", len(c.Windows), c.Layers)
	}
	if len(c.Rotations) != c.Layers {
		bad("rotations: %d entries for %d layers", len(c.Rotations), c.Layers)
	}
	for _, r := range c.Rotations {
		if r < -1 || r >= len(c.Ropes) {
			bad("rotations: there is none of number %d", r)
		}
	}
	for _, r := range c.Ropes {
		if err := r.validate(); err != nil {
			errs = append(errs, err)
		}
		if n := c.RotaryDim / 2; r.Type == RopeLong && (len(r.Short) != n || len(r.Long) != n) {
			bad("longrope: %d short and %d long factors for %d wavelengths", len(r.Short), len(r.Long), n)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("model config: %w", err)
	}
	return nil
}
