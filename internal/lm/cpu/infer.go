package cpu

import "slices"

// inference is a pass of few tokens, which attend over pages. It keeps nothing of a layer for later.
type inference struct {
	runner
	shape     shape
	memory    tape      // of all layers
	scratches []scratch // of each worker

	// Of the call:
	prompt    bool // its products with weights in bfloat16 are in tiles, where there are any
	positions []int
	rows      []*sequence // of each row
	pieces    []span
	runs      []run
	needed    []int32 // rows whose hidden states are; nil = all
}

func newInference(m *model, workers int) *inference {
	return &inference{runner: runner{model: m, crew: newCrew(workers, m.k)}, shape: m.pageShape(), scratches: make([]scratch, workers)}
}

// compute computes tokens, which lie in spans, and returns the final hidden states of the needed rows, normed: nil is all, and
// others are of a single span. The pages have room for the tokens; the lengths of the sequences are the caller's to advance.
func (w *inference) compute(tokens []int32, spans []span, needed []int32) *vectors {
	w.needed = needed
	w.positions, w.rows = w.positions[:0], w.rows[:0]
	for _, sp := range spans {
		for r := range sp.to - sp.from {
			w.positions, w.rows = append(w.positions, sp.position+r), append(w.rows, sp.q)
		}
	}
	w.pieces, w.runs = split(spans), runs(spans)
	w.forward(w, tokens, w.positions, func(r int) int { return w.rows[r].whole })
	return &w.memory.h
}

func (w *inference) tape(int) *tape { return &w.memory }

func (w *inference) ends() []int32 { return w.needed }

func (w *inference) project(g *group, x, z, y *vectors) {
	y.resize(x.n, g.out)
	products := make([]product, 0, 8)
	for i, p := range g.parts {
		if from, to := x.taken(i, 0, x.n); from < to {
			products = append(products, product{p.m, p.bias, from, to, y.floats[p.at:], y.stride})
		}
	}
	if len(w.runs) == 0 {
		w.multiply(x, products)
		return
	}
	width := 0
	for _, r := range w.runs {
		for _, m := range r.adapter.groups[g.layer][g.kind].down {
			width = max(width, m.out)
		}
	}
	z.resize(x.n, width)
	var sums []sum
	for _, r := range w.runs {
		a := &r.adapter.groups[g.layer][g.kind]
		for i, down := range a.down {
			from, to := x.taken(i, r.from, r.to) // where not all rows go on, they are one run
			if from >= to {
				continue
			}
			products = append(products, product{down, nil, from, to, z.floats, z.stride})
			for _, p := range a.parts[i] {
				sums = append(sums, sum{y.from(from, p.at), y.stride, to - from, p.out, []term{{
					a: z.from(from, p.z), aRow: z.stride, aStep: 1, depth: p.rank, b: p.up,
				}}})
			}
		}
	}
	w.multiply(x, products)
	w.crew.add(sums...)
}

// multiply computes products of x. In tiles the vectors are rounded to bfloat16, those of a prompt always, however few are left of it: its
// numbers do not depend on where it is cut. Steps are of few rows, of which tiles would be mostly empty.
func (w *inference) multiply(x *vectors, products []product) {
	if w.prompt && w.k.outerHalves != nil {
		var sums []sum
		products = slices.DeleteFunc(products, func(p product) bool {
			if halvesOf(p.m) == nil {
				return false
			}
			w.crew.rows(p.to-p.from, func(r int) {
				dst := p.dst[(p.from+r)*p.stride:][:p.m.out]
				clear(dst[copy(dst, p.bias):])
			})
			sums = append(sums, sum{p.dst[p.from*p.stride:], p.stride, p.to - p.from, p.m.out, []term{{
				a: x.from(p.from, 0), aRow: x.stride, aStep: 1, depth: x.width, b: p.m, turned: true,
			}}})
			return true
		})
		w.crew.add(sums...)
	}
	w.crew.multiply(x, products...)
}

func (w *inference) attend(l *layer, tp *tape) {
	if l.taps != nil {
		w.convolve(l, tp)
		return
	}
	tp.attended.resize(len(w.rows), w.QDim())
	w.crew.rows(len(w.rows), func(r int) {
		w.place(l, r, tp.qkv.row(r))
		w.put(l.number, w.rows[r], w.positions[r], tp.qkv.row(r)[w.QDim():])
	})
	w.crew.run(len(w.pieces)*w.KVHeads, func(worker, task int) {
		w.attendPiece(l, tp, w.pieces[task/w.KVHeads], task%w.KVHeads, &w.scratches[worker])
	})
}

// split cuts spans into what one task attends for.
func split(spans []span) (out []span) {
	for _, sp := range spans {
		for from := sp.from; from < sp.to; from += queryTile {
			out = append(out, span{sp.q, from, min(from+queryTile, sp.to), sp.position + from - sp.from})
		}
	}
	return out
}

// logits projects the n rows of h onto the vocabulary: dst is [n, vocab].
func (w *inference) logits(h *vectors, dst []float32) {
	w.crew.multiply(h, product{w.head, nil, 0, h.n, dst, w.VocabSize})
	softcap(dst, w.FinalSoftcap)
}
