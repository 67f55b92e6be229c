package cpu

import "github.com/docent-ml/docent/internal/lm"

// A layer of convolutions has, in place of queries, keys and values, two gates B and C and what lies between them, X, each as wide
// as the stream: its output is C ∘ Σₖ tapsₖ·(B ∘ X)[t−k].

// taps are the factors of a layer's convolution on what is k positions back: [k][channel].
func (w *Weights) taps(c lm.Config, layer int) [][]float32 {
	values := w.vectors[c.Path(layer, lm.Conv)+".weight"]
	taps := make([][]float32, c.ConvKernel)
	for i, v := range values {
		k := c.ConvKernel - 1 - i%c.ConvKernel
		taps[k] = append(taps[k], v)
	}
	return taps
}

// convolve fills tp.attended of a layer from tp.qkv. What is convolved lies in the pages, where keys are in other layers.
func (w *inference) convolve(l *layer, tp *tape) {
	n, at := w.HiddenSize, w.shape.keys[l.number]
	place := func(r, back int) (heads, int) {
		position := w.positions[r] - back
		return w.rows[r].pages[position/pagePositions].keys, at + position%pagePositions*n
	}
	w.crew.rows(len(w.rows), func(r int) {
		in := tp.qkv.row(r)
		inputs, from := place(r, 0)
		for j, b := range in[:n] {
			inputs.set(from+j, b*in[2*n+j])
		}
	})
	tp.attended.resize(len(w.rows), n)
	w.crew.rows(len(w.rows), func(r int) {
		dst := tp.attended.row(r)
		clear(dst)
		for k := range min(len(l.taps), w.positions[r]+1) {
			inputs, from := place(r, k)
			for j, tap := range l.taps[k] {
				dst[j] += tap * inputs.get(from+j)
			}
		}
		for j, c := range tp.qkv.row(r)[n:][:n] {
			dst[j] *= c
		}
	})
}

// convolve fills tp.attended of a layer from tp.qkv.
func (t *Tuner) convolve(l *layer, tp *tape) {
	n := t.HiddenSize
	tp.attended.resize(tp.qkv.n, n)
	t.crew.rows(tp.qkv.n, func(r int) {
		dst := tp.attended.row(r)
		clear(dst)
		s := r
		for k := 0; k < len(l.taps) && s >= 0; k, s = k+1, t.b.previous[s] {
			in := tp.qkv.row(s)
			for j, tap := range l.taps[k] {
				dst[j] += tap * in[j] * in[2*n+j]
			}
		}
		for j, c := range tp.qkv.row(r)[n:][:n] {
			dst[j] *= c
		}
	})
}

// convolveBack fills t.dQKV from t.dAttended. Channels are apart, so workers take some of each.
func (t *Tuner) convolveBack(l *layer, tp *tape) {
	n := t.HiddenSize
	t.dQKV.zero(tp.qkv.n, 3*n)
	t.crew.run(pieces(n, block), func(_, task int) {
		from, to := task*block, min((task+1)*block, n)
		for r := range tp.qkv.n {
			gates, dGates, dy := tp.qkv.row(r), t.dQKV.row(r), t.dAttended.row(r)
			s := r
			for k := 0; k < len(l.taps) && s >= 0; k, s = k+1, t.b.previous[s] {
				in, dIn := tp.qkv.row(s), t.dQKV.row(s)
				for j := from; j < to; j++ {
					d := dy[j] * l.taps[k][j]
					dGates[n+j] += d * in[j] * in[2*n+j]
					d *= gates[n+j]
					dIn[j] += d * in[2*n+j]
					dIn[2*n+j] += d * in[j]
				}
			}
		}
	})
}
