package cpu

import "math"

// backward goes from t.dx, the gradient of the residual stream after all layers, down to the lowest layer with an update.
func (t *Tuner) backward(gradient []float32) {
	for i := len(t.layers) - 1; i >= t.lowest; i-- {
		t.layerBackward(&t.layers[i], t.tape(i), i > t.lowest, gradient)
	}
}

// layerBackward turns t.dx from the gradient of the layer's output to that of its input, if anybody needs that.
func (t *Tuner) layerBackward(l *layer, tp *tape, deeper bool, gradient []float32) {
	n := tp.x.n
	dOut := t.branchBack(&tp.mlp, l.afterMLP)
	t.projectBack(&l.down, &tp.inner, &tp.z[groupDown], dOut, t.dInner.zero(n, t.IntermediateSize), gradient)
	t.dGateUp.resize(n, 2*t.IntermediateSize)
	t.crew.run(n, func(worker, r int) {
		gate, up := t.gateUp(&tp.gateUp, r)
		dGate, dUp := t.gateUp(&t.dGateUp, r)
		t.activateBack(gate, up, t.dInner.row(r), dGate, dUp, &t.memory[worker])
	})
	dh := t.dh.zero(n, t.HiddenSize)
	t.projectBack(&l.up, &tp.preMLP, &tp.z[groupUp], &t.dGateUp, dh, gradient)
	t.crew.rows(n, func(r int) { t.normalizeBack(t.dx.row(r), dh.row(r), tp.mid.row(r), l.beforeMLP) })

	dOut = t.branchBack(&tp.out, l.afterAttention)
	t.projectBack(&l.out, &tp.attended, &tp.z[groupOut], dOut, t.dAttended.zero(n, t.QDim()), gradient)
	t.attendBack(l, tp)
	if !deeper {
		t.projectBack(&l.in, &tp.h, &tp.z[groupIn], &t.dQKV, nil, gradient)
		return
	}
	t.projectBack(&l.in, &tp.h, &tp.z[groupIn], &t.dQKV, t.dh.zero(n, t.HiddenSize), gradient)
	t.crew.rows(n, func(r int) { t.normalizeBack(t.dx.row(r), t.dh.row(r), tp.x.row(r), l.before) })
}

// branchBack is the gradient of a branch's output before its norm, which has the given scale, or none.
func (t *Tuner) branchBack(out *vectors, scale []float32) *vectors {
	if scale == nil {
		return &t.dx
	}
	t.dh.zero(out.n, out.width)
	t.crew.rows(out.n, func(r int) { t.normalizeBack(t.dh.row(r), t.dx.row(r), out.row(r), scale) })
	return &t.dh
}

// normalizeBack adds the gradient of the norm's input x to dx, given that of its output:
//
//	y = f·x·scale, f = (mean(x²) + ε)^-½      ∂x = f·∂y·scale − x·f³·Σ(∂y·scale·x)/len(x)
//
// Without a scale, y is x.
func (m *model) normalizeBack(dx, dy, x, scale []float32) {
	if scale == nil {
		for i, v := range dy {
			dx[i] += v
		}
		return
	}
	var square, along float64
	for i, v := range x {
		square += float64(v) * float64(v)
		along += float64(dy[i]) * float64(scale[i]) * float64(v)
	}
	n := float64(len(x))
	f := 1 / math.Sqrt(square/n+m.NormEps)
	a, b := float32(f), float32(f*f*f*along/n)
	for i, v := range x {
		dx[i] += a*dy[i]*scale[i] - b*v
	}
}

// normalizePartsBack sets dx to the gradient of normalizeParts.
func (m *model) normalizePartsBack(dx, dy, x, scale []float32) {
	if scale == nil {
		copy(dx, dy)
		return
	}
	clear(dx)
	for i := 0; i < len(x); i += len(scale) {
		m.normalizeBack(dx[i:][:len(scale)], dy[i:][:len(scale)], x[i:][:len(scale)], scale)
	}
}
