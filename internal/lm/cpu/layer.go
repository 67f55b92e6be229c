package cpu

import "slices"

// runner computes the layers of a model for rows, each a token at a position. What inference over pages and training with
// gradients do differently is a pass.
type runner struct {
	*model
	crew *crew

	angles angles
}

// pass is a forward pass: how it multiplies, what its rows attend to, and what it keeps.
type pass interface {
	// project sets y to the projections of x by all matrices of a group, with biases and low-rank updates. z keeps what the
	// updates make of x on the way.
	project(g *group, x, z, y *vectors)
	// attend fills tp.attended from tp.qkv.
	attend(l *layer, tp *tape)
	// tape of layer i, or of the end behind the last layer. Layers may have one together.
	tape(i int) *tape
	// ends are the rows, in order, that the end is needed of; nil = all. Behind the last layer's attention only they go on.
	ends() []int32
}

// tape is what a layer computes on the way: all that its backward pass needs. The end has x and h alone.
type tape struct {
	x, mid        vectors   // residual stream before the layer, and after attention
	h, preMLP     vectors   // inputs of the branches: the stream, normed
	qkv           vectors   // as projected; inference norms and rotates them here
	q, k, v       []float32 // of training: [heads, rows, dim]: normed, rotated, q scaled
	logSums       []float32 // of training: [heads, rows]: log Σ exp(score)
	attended      vectors
	out, mlp      vectors // outputs of the branches, before a norm of theirs
	gateUp, inner vectors
	routed        routed
	z             [groupKinds]vectors
	kept          struct{ x, h, attended vectors } // of the last layer: the rows that go on, if not all do
}

// lend gives the memory of a tape to another, all but what went into its layer.
func (tp *tape) lend(to *tape) {
	x, h, toX, toH := tp.x, tp.h, to.x, to.h
	*to, *tp = *tp, tape{x: x, h: h}
	to.x, to.h = toX, toH
}

// lengths tells of a row how many tokens its text has.
type lengths func(row int) int

// forward computes all layers, and leaves the residual stream and its norm in the tape of the end.
func (m *runner) forward(p pass, tokens []int32, positions []int, n lengths) {
	m.embed(p, tokens, positions, n)
	m.climb(p, 0, len(m.layers))
}

// turn makes the angles of all rows.
func (m *runner) turn(positions []int, n lengths) {
	m.angles.resize(m.model, len(positions))
	m.crew.rows(len(positions), func(r int) { m.angles.turn(m.model, r, positions[r], n(r)) })
}

// embed begins the residual stream.
func (m *runner) embed(p pass, tokens []int32, positions []int, n lengths) {
	m.turn(positions, n)
	tp := p.tape(0)
	tp.x.resize(len(tokens), m.HiddenSize)
	m.crew.rows(len(tokens), func(r int) { m.lookup(tokens[r], tp.x.row(r)) })
	m.enter(tp, 0)
}

// enter norms the residual stream in a tape for layer i.
func (m *runner) enter(tp *tape, i int) {
	tp.h.resize(tp.x.n, m.HiddenSize)
	m.crew.rows(tp.x.n, func(r int) { m.normalize(tp.h.row(r), tp.x.row(r), m.layers[i].before) })
}

// climb computes layers from to to.
func (m *runner) climb(p pass, from, to int) {
	for i := from; i < to; i++ {
		l, tp, next, norm := &m.layers[i], p.tape(i), p.tape(i+1), m.final
		if i+1 < len(m.layers) {
			norm = m.layers[i+1].before
		}
		p.project(&l.in, &tp.h, &tp.z[groupIn], &tp.qkv)
		p.attend(l, tp)
		x, h, attended := m.goOn(p, l, tp)
		if x.n == 0 { // what was wanted are keys and values
			return
		}
		p.project(&l.out, attended, &tp.z[groupOut], &tp.out)
		m.residual(&tp.mid, x, &tp.out, l.afterAttention, &tp.preMLP, l.beforeMLP)
		m.mlp(p, l, tp, m.mlpInput(h, tp))
		m.residual(&next.x, &tp.mid, &tp.mlp, l.afterMLP, &next.h, norm)
	}
}

// mlp computes what the MLP, or the experts of each row, make of h.
func (m *runner) mlp(p pass, l *layer, tp *tape, h *vectors) {
	in, out := h, &tp.mlp
	if l.router.parts != nil {
		in, out = m.route(p, l, tp, h), &tp.routed.out
	}
	p.project(&l.up, in, &tp.z[groupUp], &tp.gateUp)
	m.bend(l, tp, in)
	p.project(&l.down, &tp.inner, &tp.z[groupDown], out)
	if l.router.parts != nil {
		m.gather(tp, h.n)
	}
}

// bend fills tp.inner with the activations of tp.gateUp, whose rows are those of in.
func (m *runner) bend(l *layer, tp *tape, in *vectors) {
	tp.inner.resize(in.n, l.down.in)
	tp.inner.routing = in.routing
	m.crew.rows(in.n, func(r int) {
		gate, up := l.gateUp(&tp.gateUp, r)
		copy(tp.inner.row(r), gate)
		m.activate(l, tp.inner.row(r), up)
	})
}

// cut is which rows go on behind the attention of a layer, nil for all.
func (m *model) cut(p pass, l *layer) []int32 {
	if l.number+1 < m.Layers {
		return nil
	}
	return p.ends()
}

// goOn are the rows of the residual stream, its norm, and what was attended to, that go on behind the attention of a layer.
func (m *runner) goOn(p pass, l *layer, tp *tape) (x, h, attended *vectors) {
	rows := m.cut(p, l)
	if rows == nil {
		return &tp.x, &tp.h, &tp.attended
	}
	k := &tp.kept
	k.x.pick(&tp.x, rows)
	k.attended.pick(&tp.attended, rows)
	if m.Parallel {
		k.h.pick(&tp.h, rows)
	}
	return &k.x, &k.h, &k.attended
}

// mlpInput is what the MLP reads: the norm of the stream before attention, or after it.
func (m *model) mlpInput(h *vectors, tp *tape) *vectors {
	if m.Parallel {
		return h
	}
	return &tp.preMLP
}

// gateUp are the two halves of a row; without a gate, the second is empty.
func (l *layer) gateUp(v *vectors, r int) (gate, up []float32) {
	n := l.down.in
	return v.row(r)[:n:n], v.row(r)[n:]
}

// residual sets dst to x plus the output of a branch, normed by after and scaled, and h to the norm of that by next. dst is
// not x.
func (m *runner) residual(dst, x, out *vectors, after *norm, h *vectors, next *norm) {
	dst.resize(x.n, x.width)
	h.resize(x.n, x.width)
	m.crew.rows(x.n, func(r int) {
		y := dst.row(r)
		m.normalize(y, out.row(r), after)
		for i, v := range x.row(r) {
			y[i] = v + y[i]*float32(m.ResidualScale)
		}
		m.normalize(h.row(r), y, next)
	})
}

// place norms and rotates the heads of q and k in a row of projections, and scales q.
func (m *runner) place(l *layer, r int, qkv []float32) {
	q, k := qkv[:m.QDim()], qkv[m.QDim():][:m.KVDim()]
	if !m.LateQKNorm {
		m.normalizeParts(q, l.qNorm)
		m.normalizeParts(k, l.kNorm)
	}
	m.rotateHeads(l, r, qkv[:len(q)+len(k)], 1)
	if m.LateQKNorm {
		m.normalizeParts(q, l.qNorm)
		m.normalizeParts(k, l.kNorm)
	}
	for i := range q {
		q[i] *= m.angles.scale[r]
	}
}

// placeBack sets dst to the gradient of the projections src, given that of what place makes of them, which it uses up.
func (m *runner) placeBack(l *layer, r int, dst, src, placed []float32) {
	q, k := m.QDim(), m.QDim()+m.KVDim()
	for i := range placed[:q] {
		placed[i] *= m.angles.scale[r]
	}
	if m.LateQKNorm {
		src = slices.Clone(src)
		m.rotateHeads(l, r, src[:k], 1)
	} else {
		m.rotateHeads(l, r, placed[:k], -1)
	}
	m.normalizePartsBack(dst[:q], placed[:q], src[:q], l.qNorm)
	m.normalizePartsBack(dst[q:k], placed[q:k], src[q:k], l.kNorm)
	if m.LateQKNorm {
		m.rotateHeads(l, r, dst[:k], -1)
	}
	copy(dst[k:], placed[k:])
}
