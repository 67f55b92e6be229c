package cpu

// backward goes from t.dx, the gradient of the residual stream after all layers, down to the lowest layer with an update.
func (t *Tuner) backward(gradient []float32) {
	for i := len(t.layers) - 1; i >= t.lowest; i-- {
		if t.o.Recompute {
			t.restore(i)
		}
		t.borrow(i)
		t.layerBackward(&t.layers[i], t.tape(i), i > t.lowest || t.input != nil, gradient)
		t.borrow(i)
	}
}

// layerBackward turns t.dx from the gradient of the layer's output to that of its input, if anybody needs that.
func (t *Tuner) layerBackward(l *layer, tp *tape, deeper bool, gradient []float32) {
	rows, x, h, attended := t.cut(t, l), &tp.x, &tp.h, &tp.attended
	if rows != nil {
		x, h, attended = &tp.kept.x, &tp.kept.h, &tp.kept.attended
	}
	n := x.n
	if !t.Parallel {
		tp.preMLP.resize(n, t.HiddenSize)
		t.crew.rows(n, func(r int) { t.normalize(tp.preMLP.row(r), tp.mid.row(r), l.beforeMLP) })
	}
	dOut := t.branchBack(&t.dx, &tp.mlp, l.afterMLP)
	dh := t.mlpBack(l, tp, t.mlpInput(h, tp), dOut, gradient)
	dAttention := &t.dx // gradient of what attention adds to
	if t.Parallel {
		dAttention = &t.dBeside
		t.dBeside.resize(n, t.HiddenSize)
		copy(t.dBeside.floats, t.dx.floats)
		t.crew.rows(n, func(r int) { t.normalizeBack(t.dx.row(r), dh.row(r), x.row(r), l.before) })
	} else {
		t.crew.rows(n, func(r int) { t.normalizeBack(t.dx.row(r), dh.row(r), tp.mid.row(r), l.beforeMLP) })
	}

	dOut = t.branchBack(dAttention, &tp.out, l.afterAttention)
	t.projectBack(&l.out, attended, &tp.z[groupOut], &tp.out, dOut, t.dAttended.zero(n, l.out.in), gradient)
	if n = tp.x.n; rows != nil {
		t.dAttended.spread(n, rows)
		t.dx.spread(n, rows)
	}
	t.attendBack(l, tp)
	if !deeper {
		t.projectBack(&l.in, &tp.h, &tp.z[groupIn], &tp.qkv, &t.dQKV, nil, gradient)
		return
	}
	t.projectBack(&l.in, &tp.h, &tp.z[groupIn], &tp.qkv, &t.dQKV, t.dh.zero(n, t.HiddenSize), gradient)
	t.crew.rows(n, func(r int) { t.normalizeBack(t.dx.row(r), t.dh.row(r), tp.x.row(r), l.before) })
}

// mlpBack is the gradient of the MLP's input h, given that of its output.
func (t *Tuner) mlpBack(l *layer, tp *tape, h, dOut *vectors, gradient []float32) *vectors {
	in, out := h, &tp.mlp
	var dScores *vectors
	if l.router.parts != nil {
		in, out = &tp.routed.in, &tp.routed.out
		dOut, dScores = t.gatherBack(tp, dOut)
	}
	t.bend(l, tp, in)
	t.projectBack(&l.down, &tp.inner, &tp.z[groupDown], out, dOut, t.dInner.zero(in.n, l.down.in), gradient)
	t.dGateUp.resize(in.n, l.up.out)
	t.crew.run(in.n, func(worker, r int) {
		gate, up := l.gateUp(&tp.gateUp, r)
		dGate, dUp := l.gateUp(&t.dGateUp, r)
		t.activateBack(l, gate, up, t.dInner.row(r), dGate, dUp, &t.memory[worker])
	})
	dh := t.dh.zero(h.n, t.HiddenSize)
	if dScores == nil {
		t.projectBack(&l.up, h, &tp.z[groupUp], &tp.gateUp, &t.dGateUp, dh, gradient)
		return dh
	}
	dIn := t.dRouted.zero(in.n, t.HiddenSize)
	t.projectBack(&l.up, in, &tp.z[groupUp], &tp.gateUp, &t.dGateUp, dIn, gradient)
	t.routeBack(tp, dh, dIn)
	t.projectBack(&l.router, h, &tp.z[groupRouter], &tp.routed.shares, dScores, dh, gradient)
	return dh
}

// branchBack is, given that of the sum, the gradient of a branch's output before its norm, if there is one, and its factor.
func (t *Tuner) branchBack(dx, out *vectors, n *norm) *vectors {
	if n == nil && t.ResidualScale == 1 {
		return dx
	}
	t.dh.zero(dx.n, dx.width)
	t.crew.rows(dx.n, func(r int) {
		dh := t.dh.row(r)
		var x []float32
		if n != nil {
			x = out.row(r)
		}
		t.normalizeBack(dh, dx.row(r), x, n)
		for i := range dh {
			dh[i] *= float32(t.ResidualScale)
		}
	})
	return &t.dh
}
