package cpu

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// Weights takes the weights of a model while it is opened: give Take to model.Options.
type Weights struct {
	k        *kernels
	storage  Storage
	matrices map[string]*matrix
	experts  map[string][]*matrix
	vectors  map[string][]float32
	root     fs.FS     // where the system tells of its memory
	buffer   []float32 // one for all matrices: garbage would count as memory until it is collected
}

// NewWeights prepares to hold matrices in a storage, for the best kernels that the processor has.
func NewWeights(s Storage) *Weights {
	k := best
	if s != F32 {
		if x, err := tiled(); err == nil {
			k = x
		}
	}
	return &Weights{k: k, storage: s, matrices: map[string]*matrix{}, experts: map[string][]*matrix{}, vectors: map[string][]float32{}, root: os.DirFS("/")}
}

// Storage is the form in which the matrices are held.
func (w *Weights) Storage() Storage { return w.storage }

// Kernels is the name of the set that computes with the weights: "amx", "avx512vnni", "avx512", "avx2", "neon" or "go".
func (w *Weights) Kernels() string { return w.k.name }

// Use makes the weights ready for another set of kernels, such as "go", before the first of them is taken. Tests hold lesser sets
// against the best.
func (w *Weights) Use(set string) error {
	for _, k := range sets() {
		if k.name == set && k.has {
			w.k = k
			return nil
		}
	}
	return fmt.Errorf("kernels %q: this processor has no such set", set)
}

// Take keeps one weight. read writes its values, row by row.
func (w *Weights) Take(p lm.Param, read func(dst []float32) error) (err error) {
	if len(p.Shape) == 2 && !p.Small {
		s := w.storage
		if s == Int4 && !p.Linear { // every answer reads them whole, and they round worst
			s = Int8
		}
		if s == Stored || p.Router {
			s = F32
		}
		for range p.Experts {
			m, err := newMatrix(w.k, s, p.Shape[0]/p.Experts, p.Shape[1], &w.buffer, read)
			if err != nil {
				return err
			}
			w.experts[p.Name] = append(w.experts[p.Name], m)
		}
		if p.Experts > 0 {
			return nil
		}
		w.matrices[p.Name], err = newMatrix(w.k, s, p.Shape[0], p.Shape[1], &w.buffer, read)
		return err
	}
	v := make([]float32, p.Size())
	w.vectors[p.Name] = v
	return read(v)
}

// TakeBlocks keeps a weight as it lies in a file, if this is how they are held, and tells whether it has.
func (w *Weights) TakeBlocks(p lm.Param, b weights.Blocks) (taken bool, err error) {
	if w.storage != Stored || b.Format == nil {
		return false, nil
	}
	for e := range p.Experts {
		one, out := b, p.Shape[0]/p.Experts
		one.Read = func(first int, dst []byte) error { return b.Read(e*out+first, dst) }
		m, err := readBlocks(w.k, one, out, p.Shape[1])
		if err != nil {
			return true, err
		}
		w.experts[p.Name] = append(w.experts[p.Name], m)
	}
	if p.Experts == 0 {
		w.matrices[p.Name], err = readBlocks(w.k, b, p.Shape[0], p.Shape[1])
	}
	return true, err
}

// Bytes is the memory they take.
func (w *Weights) Bytes() (n int64) {
	for _, m := range w.matrices {
		n += m.bytes()
	}
	for _, all := range w.experts {
		for _, m := range all {
			n += m.bytes()
		}
	}
	for _, v := range w.vectors {
		n += int64(4 * len(v))
	}
	return n
}

// model is a decoder with its weights where they are used.
type model struct {
	lm.Config
	k           *kernels
	embed, head *matrix
	layers      []layer
	final       *norm
	frequencies [][]float32 // angular, of the rotations in short texts
	plain       *norm       // of the width of the embeddings, without weights
}

type layer struct {
	number   int
	window   int // positions that a query sees, itself included; 0 = all before it
	rotation int // index of its frequencies; -1 = none
	// Norms of what goes into the branches and of what comes out of them; nil = none.
	before, afterAttention, beforeMLP, afterMLP *norm
	qNorm, kNorm                                *norm     // of each head or of all together, by their length; nil = none
	sinks                                       []float32 // of each head: the score of a position without a value; nil = none
	in, out, up, down                           group
	router                                      group // of nothing, without experts
	xielu                                       xielu
	taps                                        [][]float32 // of a convolution in place of attention; nil = none
}

// first is the first position that a query of the layer at a position sees.
func (l *layer) first(position int) int {
	if l.window == 0 {
		return 0
	}
	return max(0, position-l.window+1)
}

// sink is the score of a head that takes a share of the weights and gives nothing; −∞ = there is none.
func (l *layer) sink(head int) float32 {
	if l.sinks == nil {
		return float32(math.Inf(-1))
	}
	return l.sinks[head]
}

func newModel(c lm.Config, w *Weights) *model {
	m := &model{
		Config: c, k: w.k, embed: w.matrices[lm.EmbedTokens], head: w.matrices[lm.LMHead],
		final: w.norm(c, strings.TrimSuffix(lm.FinalNorm, ".weight"), c.HiddenSize, c.LogitScale),
	}
	for _, r := range c.Ropes {
		m.frequencies = append(m.frequencies, r.Frequencies(c.RotaryDim, 1))
	}
	if c.TieEmbeddings {
		m.head = m.embed
	}
	if c.NormEmbeddings {
		m.plain = w.norm(c, "", c.HiddenSize, 1)
	}
	for i := range c.Layers {
		norm := func(part lm.Part) *norm {
			if !c.Has(i, part) {
				return nil
			}
			width := c.HiddenSize
			if part == lm.QNorm || part == lm.KNorm {
				width = c.HeadDim
			}
			return w.norm(c, c.Path(i, part), width, 1)
		}
		l := layer{
			number: i, window: c.Windows[i], rotation: c.Rotations[i],
			before: norm(lm.AttentionNorm), afterAttention: norm(lm.AttentionOutNorm),
			beforeMLP: norm(lm.MLPNorm), afterMLP: norm(lm.MLPOutNorm), qNorm: norm(lm.QNorm), kNorm: norm(lm.KNorm),
		}
		if c.Has(i, lm.Sinks) {
			l.sinks = w.vectors[c.Path(i, lm.Sinks)+".weight"]
		}
		l.newGroups(c, w, i)
		if c.Has(i, lm.Act) {
			l.xielu = w.xielu(c.Path(i, lm.Act))
		}
		if c.Has(i, lm.Conv) {
			l.taps = w.taps(c, i)
		}
		m.layers = append(m.layers, l)
	}
	return m
}

// lookup writes the embedding of a token.
func (m *model) lookup(token int32, dst []float32) {
	m.embed.row(int(token), dst)
	if s := float32(m.EmbedScale); s != 1 {
		for i := range dst {
			dst[i] *= s
		}
	}
	if m.NormEmbeddings {
		m.normalize(dst, dst, m.plain)
	}
}

// softcap bounds scores or logits, where there is a limit.
func softcap(x []float32, limit float64) {
	if limit == 0 {
		return
	}
	for i, v := range x {
		x[i] = float32(limit * math.Tanh(float64(v)/limit))
	}
}

// capSlope is the derivative of limit·tanh(x/limit) where it has the value y.
func capSlope(y float32, limit float64) float32 {
	if limit == 0 {
		return 1
	}
	x := float64(y) / limit
	return float32(1 - x*x)
}
