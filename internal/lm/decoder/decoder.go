// Package decoder builds the computation graph of every decoder-only family that lm.Config describes: one block,
// with each difference between families behind a field of the config. The training graph (whole sequences, loss on
// top) and the serving graph (KV cache, last position only) are made of the same functions.
//
// The words for dimensions, used in every shape comment:
//
//	batch seq      sequences and positions of one call; rows = batch·seq
//	hidden inner   widths of the residual stream and of the MLP
//	heads kvHeads  query heads and key/value heads; group = heads/kvHeads
//	headDim        width of one head
//	vocab rank     as in Config and in LoRA
//	past           positions held by the KV cache
//
// Activations between layers are two-dimensional, [rows, hidden]: XLA's CPU code for a matrix product is half as
// fast again on two axes as on three.
package decoder

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm"
)

// Decoder holds the nodes of one graph. The zero value of the optional fields is a plain forward pass.
type Decoder struct {
	Config  lm.Config
	Weights map[string]*Node // by Hugging Face name
	// Transposed says that linear weights are stored [in, out] and the head [hidden, vocab], the other way round than in
	// the checkpoint.
	Transposed bool

	Adapter map[string]LoRA     // by module path, "model.layers.0.self_attn.q_proj"
	Dropout func(x *Node) *Node // applied to the input of every adapter; nil = none
	// Head says that the head is trained too: the surrogate of CrossEntropy has its gradient.
	Head bool
	// Packed says that weights are marked to be unpacked again on the way back. The mark is taken off behind their products, or else all
	// that follows would be computed again too.
	Packed bool
	// Recompute keeps of each layer only what went into it, and computes the rest again on the way back.
	Recompute bool
	Adapted   *Node // of adapters that differ from row to row: [rows, 1] float32, 1 for a row that has one and 0 for others
}

// Hidden returns the final, normed hidden states of whole sequences: [rows, hidden].
//
// All inputs are [batch, seq] int32; segments and parents are [batch, 1] where each row is one text. A position attends to earlier positions of its row in its own segment or in the
// parent of that segment. So several examples can be packed in one row, and those that begin alike can share the
// beginning: it is a segment, and the parent of the rest of each. A segment without a parent is its own. positions
// counts within each example.
func (d *Decoder) Hidden(tokens, positions, segments, parents *Node) *Node {
	x := d.Embed(tokens) // [rows, hidden]
	at := d.sequences(positions, segments, parents)
	for i := range d.Config.Layers {
		if d.Recompute {
			x = x.Checkpoint()
		}
		x = d.block(i, x, at)
	}
	if d.Recompute {
		x = x.StopCheckpoint()
	}
	return d.finalNorm(x)
}

// Embed looks the tokens (any shape, n of them) up: [n, hidden].
func (d *Decoder) Embed(tokens *Node) *Node {
	x := d.lookup(lm.EmbedTokens, Reshape(tokens, tokens.Shape().Size()))
	x = scaled(x, d.Config.EmbedScale) // in the dtype of the weights, as transformers rounds it
	if d.Config.NormEmbeddings {
		x = d.normalize("", x)
	}
	return x
}

// lookup returns the vectors of tokens [n] in the embedding or in the head: [n, hidden].
func (d *Decoder) lookup(name string, tokens *Node) *Node {
	w, at := d.Weights[name], InsertAxes(tokens, -1)
	if d.Transposed && name == d.headName() {
		x := GatherSlices(w, []int{1}, at, []int{1}, false) // [tokens…, hidden, 1]
		return Squeeze(x, -1)
	}
	return Gather(w, at)
}

// Logits projects hidden states [n, hidden] onto the vocabulary: [n, vocab], in float32.
func (d *Decoder) Logits(h *Node) *Node {
	return softcap(f32(contract(h, d.Weights[d.headName()], d.inAxis())), d.Config.FinalSoftcap) // [n, vocab]
}

// headName is the output projection, which may be the embedding matrix.
func (d *Decoder) headName() string {
	if d.Config.TieEmbeddings {
		return lm.EmbedTokens
	}
	return lm.LMHead
}

// inAxis is the axis of the inputs in the matrices of the layers and of the head.
func (d *Decoder) inAxis() int {
	if d.Transposed {
		return 0
	}
	return 1
}

// softcap is limit·tanh(x/limit), bounding scores and logits smoothly; without a limit it is x.
func softcap(x *Node, limit float64) *Node {
	if limit == 0 {
		return x
	}
	return MulScalar(Tanh(DivScalar(x, limit)), limit)
}
