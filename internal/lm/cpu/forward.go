package cpu

import "math"

// work is a model with the memory of a call.
type work struct {
	*model
	shape shape
	crew  *crew

	x                  vectors // residual stream
	h, out             vectors // input and output of a branch
	q, k, v, attended  vectors
	gate, up           vectors
	cos, sin           vectors // of the rotations of each row
	localCos, localSin vectors
	scratches          []scratch // of each worker
}

func newWork(m *model, workers int) *work {
	return &work{model: m, shape: m.pageShape(), crew: newCrew(workers), scratches: make([]scratch, workers)}
}

// forward computes tokens, which lie in spans, and leaves their final hidden states in w.h, normed. The pages have room for
// them; the lengths of the sequences are the caller's to advance.
func (w *work) forward(tokens []int32, spans []span) {
	c, n := w.Config, len(tokens)
	resize := func(width int, vs ...*vectors) {
		for _, v := range vs {
			v.resize(n, width)
		}
	}
	resize(c.HiddenSize, &w.x, &w.h, &w.out)
	resize(c.QDim(), &w.q, &w.attended)
	resize(c.KVDim(), &w.k, &w.v)
	resize(c.IntermediateSize, &w.gate, &w.up)
	resize(c.RotaryDim/2, &w.cos, &w.sin, &w.localCos, &w.localSin)
	for i, id := range tokens {
		w.lookup(id, w.x.row(i))
	}
	w.angles(spans)
	pieces := split(spans)
	w.crew.rows(n, func(r int) { w.normalize(w.h.row(r), w.x.row(r), w.layers[0].before) })
	for i := range w.layers {
		l := &w.layers[i]
		w.crew.multiply(&w.h, into(&w.q, l.q), into(&w.k, l.k), into(&w.v, l.v))
		w.crew.rows(n, func(r int) { w.place(l, r) })
		for _, sp := range spans {
			w.crew.rows(sp.to-sp.from, func(r int) { w.put(i, sp.q, sp.position+r, sp.from+r) })
		}
		w.crew.run(len(pieces)*c.KVHeads, func(worker, task int) {
			w.attend(i, pieces[task/c.KVHeads], task%c.KVHeads, &w.scratches[worker])
		})
		w.crew.multiply(&w.attended, into(&w.out, l.o))
		w.crew.rows(n, func(r int) {
			if c.SandwichNorms {
				w.residual(r, l.after, l.preMLP)
			} else {
				w.residual(r, nil, l.after)
			}
		})
		w.crew.multiply(&w.h, into(&w.gate, l.gate), into(&w.up, l.up))
		w.crew.rows(n, func(r int) { w.activate(w.gate.padded(r), w.up.padded(r)) })
		w.crew.multiply(&w.gate, into(&w.out, l.down))
		next := w.final
		if i+1 < len(w.layers) {
			next = w.layers[i+1].before
		}
		w.crew.rows(n, func(r int) { w.residual(r, l.afterMLP, next) })
	}
}

// residual adds the output of a branch, normed if there is a scale, to the stream, and norms that for the next branch.
func (w *work) residual(r int, scale, next []float32) {
	x, out := w.x.row(r), w.out.row(r)
	if scale != nil {
		w.normalize(out, out, scale)
	}
	for i, v := range out {
		x[i] += v
	}
	w.normalize(w.h.row(r), x, next)
}

// place norms, rotates and scales the heads of row r.
func (w *work) place(l *layer, r int) {
	cos, sin := w.cos.row(r), w.sin.row(r)
	if l.window > 0 && w.LocalRope != w.Rope {
		cos, sin = w.localCos.row(r), w.localSin.row(r)
	}
	q, k := w.q.row(r), w.k.row(r)
	for head := 0; head < len(q); head += w.HeadDim {
		x := q[head : head+w.HeadDim]
		if l.qNorm != nil {
			w.normalize(x, x, l.qNorm)
		}
		rotate(x, cos, sin)
		for i := range x {
			x[i] *= float32(w.AttentionScale)
		}
	}
	for head := 0; head < len(k); head += w.HeadDim {
		x := k[head : head+w.HeadDim]
		if l.kNorm != nil {
			w.normalize(x, x, l.kNorm)
		}
		rotate(x, cos, sin)
	}
}

// angles fills the cosines and sines of all rows.
func (w *work) angles(spans []span) {
	for _, sp := range spans {
		for r := sp.from; r < sp.to; r++ {
			position := sp.position + r - sp.from
			turns(w.cos.row(r), w.sin.row(r), w.full, position)
			if w.LocalRope != w.Rope {
				turns(w.localCos.row(r), w.localSin.row(r), w.local, position)
			}
		}
	}
}

// turns fills the cosines and sines of a position. The angle is rounded to float32 as in transformers.
func turns(cos, sin, frequencies []float32, position int) {
	for i, f := range frequencies {
		s, c := math.Sincos(float64(float32(position) * f))
		cos[i], sin[i] = float32(c), float32(s)
	}
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
func (w *work) logits(h *vectors, dst []float32) {
	w.crew.multiply(h, product{m: w.head, dst: dst, stride: w.VocabSize})
	w.softcap(dst)
}
