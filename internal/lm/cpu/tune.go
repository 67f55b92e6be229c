package cpu

import (
	"runtime"
	"slices"

	"github.com/docent-ml/docent/internal/lm"
)

// Tuner computes losses of a decoder with low-rank updates, and the gradients of the updates. The weights themselves are
// frozen. A step has some hundred positions, so unlike in inference the time goes into multiplications, and what the backward
// pass needs of the forward pass is kept.
type Tuner struct {
	runner
	o       TunerOptions
	updates [][groupKinds]updated // of each layer
	lowest  int                   // first layer with an update; no gradient is needed below
	input   *table                // the embedding and the head, where they are trained; nil = not
	output  *table                // the same where they are one matrix
	memory  []memory              // of each worker
	tapes   []tape                // of the layers from lowest on, and of the end
	shared  tape                  // of those below
	turns   tape                  // memory of parts that layers have in turn: see borrow
	b       *batch
	kept    *kept // nil = nothing is
	most    int   // tokens of a call so far

	dx, dh, dAttended, dQKV, dGateUp, dInner vectors
	dBeside                                  vectors // dx before the MLP's, of branches side by side
	dz                                       vectors
	dRouted, dScores                         vectors                      // of layers with experts
	scaled                                   vectors                      // gradients before DoRA's factors
	dq, dk, dv                               []float32                    // [heads, rows, dim], keys and values apart for each query head
	dropped                                  [3]struct{ x, back vectors } // of the parts of a group
	loss                                     lossMemory
}

// TunerOptions say what is tuned.
type TunerOptions struct {
	Updates []Update
	Weights map[string]int // parameters that are trained whole, by name: biases of projections, the embedding, the head; where they begin
	Rows    []Rows
	Dropout float64 // of the inputs of the updates, while gradients are computed
	// Recompute keeps of each layer only what went into it, and computes the rest again for the backward pass: the same
	// numbers, in a fraction of the memory.
	Recompute bool
}

// Update is the low-rank update of the matrix at a path, "model.layers.0.self_attn.q_proj", "model.embed_tokens" or "lm_head":
// where its matrices A [rank, in] and B [out, rank] begin in the vector of all parameters. Of projections there may be DoRA's
// magnitudes [out] and a bias [out], which counts as often as the product.
// The update of experts has matrices for each, [experts, rank, in] and [experts, out, rank].
type Update struct {
	Path            string
	Rank            int
	Scale           float64 // alpha/rank
	A, B            int
	Magnitude, Bias int // 0 = none: A or B are before them
}

// Rows are rows of the embedding or of the head that are trained: where those of the tokens [tokens, hidden] begin.
type Rows struct {
	Name   string
	Tokens []int32
	At     int
}

// Batch is what one call computes: tokens in segments. Rows are the tokens whose successors are trained on, and Labels those:
// one a row or, for soft targets, as many a row as there are choices. The loss of a row is −Σ weight·log p(label) over its
// choices; Weights need not add up to 1, and nil is 1 each.
type Batch struct {
	Tokens   []int32
	Segments []Segment
	Rows     []int32
	Labels   []int32   // [rows, choices]
	Weights  []float32 // [rows, choices]
}

// Segment is tokens that follow each other. Each sees what is before it in the segment, and all of the parent. A parent stands
// before its children, which follow it immediately, and has no parent itself.
type Segment struct {
	From, To int
	Position int // of the first token in its example
	Parent   int // index of a segment; its own = none
}

// memory is what a worker needs for itself.
type memory struct {
	tile attentionTile
	row  []float32
}

// NewTuner prepares a model of which w took all weights. It only reads them, so several may share w.
func NewTuner(c lm.Config, w *Weights, o TunerOptions) *Tuner {
	workers := runtime.GOMAXPROCS(0)
	t := &Tuner{runner: runner{model: newModel(c, w), crew: newCrew(workers, w.k)}, o: o, lowest: c.Layers, memory: make([]memory, workers)}
	updates := map[string]*Update{}
	for i := range o.Updates {
		updates[o.Updates[i].Path] = &o.Updates[i]
	}
	for i := range t.layers {
		var x [groupKinds]updated
		for _, g := range t.layers[i].groups() {
			x[g.kind] = t.newUpdated(g, updates)
			if x[g.kind].trained {
				t.lowest = min(t.lowest, i)
			}
		}
		t.updates = append(t.updates, x)
	}
	t.newTables(updates)
	if t.input != nil {
		t.lowest = 0
	}
	t.tapes = make([]tape, c.Layers-t.lowest+1)
	return t
}

// Close ends the workers. It may be called more than once.
func (t *Tuner) Close() { t.crew.close() }

// Each calls do for parts of n elements, in parallel.
func (t *Tuner) Each(n int, do func(from, to int)) {
	const part = 1 << 14
	t.crew.run(pieces(n, part), func(_, task int) { do(task*part, min(task*part+part, n)) })
}

// Loss is the sum over the rows of the batch, with the parameters theta.
func (t *Tuner) Loss(b Batch, theta []float32) float64 {
	t.begin(b, theta, len(t.layers))
	t.b.dropout = 0
	t.compute()
	return t.crossEntropy(nil)
}

// Gradient is Loss, and adds the gradient with respect to theta to gradient. The seed is that of the dropout.
func (t *Tuner) Gradient(b Batch, theta, gradient []float32, seed uint64) float64 {
	t.begin(b, theta, t.lowest)
	t.b.dropout, t.b.seed = t.o.Dropout, seed
	t.compute()
	loss := t.crossEntropy(t.dx.zero(len(t.b.needed), t.HiddenSize))
	if len(t.b.needed) > 0 {
		t.backward(gradient)
		if t.input != nil {
			t.embedBack()
		}
	}
	for _, x := range t.tables() {
		t.tableBack(x, gradient)
	}
	return loss
}

// batch is a Batch with what follows from it.
type batch struct {
	Batch
	theta     []float32
	families  []family
	positions []int
	previous  []int   // of each row: the one before it in its text; -1 = none
	needed    []int32 // Rows, each once and in order
	row       []int32 // of each of Rows: its index in them
	longest   int     // text, in tokens
	lowest    int     // layer that a gradient will go through
	dropout   float64
	seed      uint64
}

// family is a parent with its children, or a segment alone: indices of segments.
type family struct{ from, to int }

// length is that of the longest text, by which transformers rotates a batch.
func (b *batch) length(int) int { return b.longest }

func (t *Tuner) begin(b Batch, theta []float32, lowest int) {
	if t.b == nil {
		t.b = &batch{}
	}
	t.room(len(b.Tokens))
	t.b.set(b)
	t.b.theta, t.b.lowest = theta, lowest
	for _, x := range t.tables() {
		t.fill(x)
	}
	for i := range t.updates {
		for k, g := range t.layers[i].groups() {
			t.magnify(g, &t.updates[i][k])
		}
	}
}

// set derives from a batch what follows from it.
func (b *batch) set(in Batch) {
	b.Batch, b.families = in, b.families[:0]
	b.positions, b.previous = resized(b.positions, len(in.Tokens)), resized(b.previous, len(in.Tokens))
	b.longest = 0
	for i, s := range in.Segments {
		b.longest = max(b.longest, s.Position+s.To-s.From)
		if s.Parent == i {
			b.families = append(b.families, family{i, i})
		}
		b.families[len(b.families)-1].to = i + 1
		for r := s.From; r < s.To; r++ {
			b.positions[r], b.previous[r] = s.Position+r-s.From, r-1
		}
		if s.From < s.To {
			b.previous[s.From] = -1
			if s.Parent != i {
				b.previous[s.From] = in.Segments[s.Parent].To - 1
			}
		}
	}
	b.needed = append(make([]int32, 0, len(in.Rows)), in.Rows...)
	slices.Sort(b.needed)
	b.needed = slices.Compact(b.needed)
	b.row = resized(b.row, len(in.Rows))
	for i, r := range in.Rows {
		at, _ := slices.BinarySearch(b.needed, r)
		b.row[i] = int32(at)
	}
}

// compute is the forward pass.
func (t *Tuner) compute() {
	if t.kept == nil {
		t.embed(t, t.b.Tokens, t.b.positions, t.b.length)
		t.climb(t, 0, t.lowest)
	} else {
		t.recall()
	}
	for i := t.lowest; i < len(t.layers); i++ {
		t.climbOne(i)
		if t.o.Recompute && t.b.lowest < len(t.layers) {
			t.tape(i).lend(t.tape(i + 1))
		}
	}
}

// climbOne computes a layer.
func (t *Tuner) climbOne(i int) {
	t.borrow(i)
	t.climb(t, i, i+1)
	t.borrow(i)
}

// borrow exchanges the parts of layer i's tape that its backward pass makes again at little cost, or never looks at, for memory that
// all layers use in turn: before the layer is computed, in either direction, and back afterwards.
func (t *Tuner) borrow(i int) {
	tp, turns := t.tape(i), &t.turns
	qkv, out, mlp := t.looksAt(i)
	for _, x := range []struct {
		part, turn *vectors
		own        bool
	}{{&tp.preMLP, &turns.preMLP, false}, {&tp.inner, &turns.inner, false}, {&tp.qkv, &turns.qkv, qkv}, {&tp.out, &turns.out, out}, {&tp.mlp, &turns.mlp, mlp}} {
		if !x.own {
			*x.part, *x.turn = *x.turn, *x.part
		}
	}
}

// looksAt tells which outputs of layer i its backward pass needs: those that are normed, or scaled by DoRA.
func (t *Tuner) looksAt(i int) (qkv, out, mlp bool) {
	l, u := &t.layers[i], &t.updates[i]
	return l.taps != nil || l.qNorm != nil || l.kNorm != nil || u[groupIn].scaled(), l.afterAttention != nil || u[groupOut].scaled(), l.afterMLP != nil || u[groupDown].scaled()
}

// restore is, with Recompute, what layer i computed on the way. The layer above is done with.
func (t *Tuner) restore(i int) {
	t.tape(i + 1).lend(t.tape(i))
	if i+1 < len(t.layers) { // the last layer's is still there
		t.climbOne(i)
	}
}

// ends implements pass: the loss is that of some rows.
func (t *Tuner) ends() []int32 { return t.b.needed }

// tape of layer i. Layers that no gradient will go through overwrite each other's: a loss alone that of a gradient too, if there is one.
func (t *Tuner) tape(i int) *tape {
	switch {
	case i >= t.b.lowest:
		return &t.tapes[i-t.lowest]
	case t.lowest == 0:
		return &t.tapes[0]
	}
	return &t.shared
}

// room lets go of the memory of smaller calls before that of a larger one is made, so that there is never both.
func (t *Tuner) room(tokens int) {
	if tokens <= t.most {
		return
	}
	if t.most > 0 {
		*t = Tuner{
			runner: t.runner, o: t.o, updates: t.updates, lowest: t.lowest, input: t.input, output: t.output, memory: t.memory,
			tapes: make([]tape, len(t.tapes)), b: t.b, kept: t.kept,
		}
		runtime.GC()
	}
	t.most = tokens
}

// resized is s with n elements of any value.
func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
