package cpu

import "math"

// tape is what the backward pass of a layer needs of its forward pass.
type tape struct {
	x, mid        vectors   // residual stream before the layer, and after attention
	h, preMLP     vectors   // normed inputs of the branches
	qkv           vectors   // as projected
	q, k, v       []float32 // [heads, rows, dim]: normed, rotated, q scaled
	logSums       []float32 // [heads, rows]: log Σ exp(score)
	attended      vectors
	out, mlp      vectors // outputs of the branches, before a norm of theirs
	gateUp, inner vectors
	zIn, zOut     vectors
	zUp, zDown    vectors
}

// tape of layer i. Layers that no gradient will go through overwrite each other's.
func (t *Tuner) tape(i int) *tape {
	if i < t.b.lowest {
		return &t.tapes[len(t.tapes)-1]
	}
	return &t.tapes[i-t.lowest]
}

// forward computes all layers.
func (t *Tuner) forward() {
	first := t.tape(0)
	first.x.resize(len(t.b.Tokens), t.HiddenSize)
	t.crew.rows(first.x.n, func(r int) { t.lookup(t.b.Tokens[r], first.x.row(r)) })
	for i := range t.layers {
		end := &t.end
		if i+1 < len(t.layers) {
			end = &t.tape(i + 1).x
		}
		t.layerForward(&t.layers[i], &t.groups[i], t.tape(i), end)
	}
}

// layerForward writes what becomes of tp.x to end, which may be tp.x.
func (t *Tuner) layerForward(l *layer, g *groups, tp *tape, end *vectors) {
	n := tp.x.n
	tp.h.resize(n, t.HiddenSize)
	t.crew.rows(n, func(r int) { t.normalize(tp.h.row(r), tp.x.row(r), l.before) })
	t.project(&g.in, &tp.h, &tp.zIn, &tp.qkv)
	t.attend(l, tp)
	t.project(&g.out, &tp.attended, &tp.zOut, &tp.out)
	next := l.after
	var scale []float32
	if t.SandwichNorms {
		scale, next = l.after, l.preMLP
	}
	t.residual(&tp.mid, &tp.x, &tp.out, scale)
	tp.preMLP.resize(n, t.HiddenSize)
	t.crew.rows(n, func(r int) { t.normalize(tp.preMLP.row(r), tp.mid.row(r), next) })
	t.project(&g.up, &tp.preMLP, &tp.zUp, &tp.gateUp)
	tp.inner.resize(n, t.IntermediateSize)
	t.crew.rows(n, func(r int) {
		gate, up := t.gateUp(&tp.gateUp, r)
		copy(tp.inner.row(r), gate)
		t.activate(tp.inner.row(r), up)
	})
	t.project(&g.down, &tp.inner, &tp.zDown, &tp.mlp)
	t.residual(end, &tp.mid, &tp.mlp, l.afterMLP)
}

// gateUp are the two halves of a row.
func (t *Tuner) gateUp(v *vectors, r int) (gate, up []float32) {
	n := t.IntermediateSize
	return v.row(r)[:n:n], v.row(r)[n:]
}

// residual sets dst to x plus the output of a branch, normed if there is a scale.
func (t *Tuner) residual(dst, x, out *vectors, scale []float32) {
	dst.resize(x.n, x.width)
	t.crew.rows(x.n, func(r int) {
		y, x, out := dst.row(r), x.row(r), out.row(r)
		if scale == nil {
			for i, v := range out {
				y[i] = x[i] + v
			}
			return
		}
		t.normalize(y, out, scale)
		for i, v := range x {
			y[i] += v
		}
	})
}

// backward goes from t.dx, the gradient of the residual stream after all layers, down to the lowest layer with an update.
func (t *Tuner) backward(gradient []float32) {
	for i := len(t.layers) - 1; i >= t.lowest; i-- {
		t.layerBackward(&t.layers[i], &t.groups[i], t.tape(i), i > t.lowest, gradient)
	}
}

// layerBackward turns t.dx from the gradient of the layer's output to that of its input, if anybody needs that.
func (t *Tuner) layerBackward(l *layer, g *groups, tp *tape, deeper bool, gradient []float32) {
	n := tp.x.n
	dOut := t.branchBack(&tp.mlp, l.afterMLP)
	t.projectBack(&g.down, &tp.inner, &tp.zDown, dOut, t.dInner.zero(n, t.IntermediateSize), gradient)
	t.dGateUp.resize(n, 2*t.IntermediateSize)
	t.crew.run(n, func(worker, r int) {
		gate, up := t.gateUp(&tp.gateUp, r)
		dGate, dUp := t.gateUp(&t.dGateUp, r)
		t.activateBack(gate, up, t.dInner.row(r), dGate, dUp, &t.memory[worker])
	})
	dh := t.dh.zero(n, t.HiddenSize)
	t.projectBack(&g.up, &tp.preMLP, &tp.zUp, &t.dGateUp, dh, gradient)
	next := l.after
	var scale []float32
	if t.SandwichNorms {
		scale, next = l.after, l.preMLP
	}
	t.crew.rows(n, func(r int) { t.normalizeBack(t.dx.row(r), dh.row(r), tp.mid.row(r), next) })

	dOut = t.branchBack(&tp.out, scale)
	t.projectBack(&g.out, &tp.attended, &tp.zOut, dOut, t.dAttended.zero(n, t.QDim()), gradient)
	t.attendBack(l, tp)
	if !deeper {
		t.projectBack(&g.in, &tp.h, &tp.zIn, &t.dQKV, nil, gradient)
		return
	}
	t.projectBack(&g.in, &tp.h, &tp.zIn, &t.dQKV, t.dh.zero(n, t.HiddenSize), gradient)
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
func (m *model) normalizeBack(dx, dy, x, scale []float32) {
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
