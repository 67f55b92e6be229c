package cpu

import "github.com/docent-ml/docent/internal/lm"

// group is the projections that have one input. Their outputs lie side by side.
type group struct {
	parts   []projection
	in, out int
	ranks   int // columns of the reduced input, of all updates
}

type projection struct {
	m      *matrix
	at     int     // first column of its output
	update *Update // nil = none
	z      int     // first column of its reduced input
	number uint64  // among all, for dropout
}

// groups are those of a layer.
type groups struct{ in, out, up, down group }

// newGroups takes the matrices of a layer, with the biases that newModel gave them.
func newGroups(c lm.Config, w *Weights, path string, updates map[string]*Update, rank int) groups {
	of := func(names ...string) (g group) {
		for _, name := range names {
			p := projection{m: w.matrices[path+"."+name+".weight"], at: g.out, update: updates[path+"."+name], z: g.ranks}
			if p.update != nil {
				p.number = uint64(p.update.A)
				g.ranks += rank
			}
			g.in = p.m.in
			g.out += p.m.out
			g.parts = append(g.parts, p)
		}
		return g
	}
	g := groups{out: of("self_attn.o_proj"), down: of("mlp.down_proj")}
	if c.Fused {
		g.in, g.up = of("self_attn.qkv_proj"), of("mlp.gate_up_proj")
	} else {
		g.in = of("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
		g.up = of("mlp.gate_proj", "mlp.up_proj")
	}
	return g
}

// project computes y = x·Wᵀ + bias + scale·(drop(x)·Aᵀ)·Bᵀ for all of the group, and keeps z = scale·drop(x)·Aᵀ.
func (t *Tuner) project(g *group, x, z, y *vectors) {
	y.resize(x.n, g.out)
	z.resize(x.n, g.ranks)
	t.crew.rows(x.n, func(r int) {
		clear(z.row(r))
		for _, p := range g.parts {
			if dst := y.row(r)[p.at:][:p.m.out]; p.m.bias != nil {
				copy(dst, p.m.bias)
			} else {
				clear(dst)
			}
		}
	})
	var sums []sum
	for i, p := range g.parts {
		if p.update != nil {
			sums = append(sums, sum{z.floats[p.z:], z.stride, x.n, t.o.Rank, []term{{
				a: t.drop(i, p, x).floats, aRow: x.stride, aStep: 1, depth: g.in, b: t.b.theta[p.update.A:], bStride: g.in, turned: true,
			}}})
		}
	}
	t.crew.add(sums...)
	t.scale(z)
	sums = sums[:0]
	for _, p := range g.parts {
		terms := []term{{a: x.floats, aRow: x.stride, aStep: 1, depth: g.in, b: p.m.floats, bStride: p.m.stride, turned: true}}
		if p.update != nil {
			terms = append(terms, term{
				a: z.floats[p.z:], aRow: z.stride, aStep: 1, depth: t.o.Rank, b: t.b.theta[p.update.B:], bStride: t.o.Rank, turned: true,
			})
		}
		sums = append(sums, sum{y.floats[p.at:], y.stride, x.n, p.m.out, terms})
	}
	t.crew.add(sums...)
}

// projectBack adds to the gradients of the group's updates, given that of its output, and adds that of its input to dx, which
// is nil where nobody needs it.
func (t *Tuner) projectBack(g *group, x, z, dy, dx *vectors, gradient []float32) {
	rank, dz := t.o.Rank, &t.dz
	dz.zero(x.n, g.ranks)
	var sums []sum
	for _, p := range g.parts {
		if p.update != nil {
			sums = append(sums, sum{dz.floats[p.z:], dz.stride, x.n, rank, []term{{
				a: dy.floats[p.at:], aRow: dy.stride, aStep: 1, depth: p.m.out, b: t.b.theta[p.update.B:], bStride: rank,
			}}})
		}
	}
	t.crew.add(sums...)
	t.scale(dz)
	var terms []term // of dx
	sums = make([]sum, 1, 1+3*len(g.parts))
	for i, p := range g.parts {
		terms = append(terms, term{a: dy.floats[p.at:], aRow: dy.stride, aStep: 1, depth: p.m.out, b: p.m.floats, bStride: p.m.stride})
		if p.update == nil {
			continue
		}
		sums = append(sums, sum{gradient[p.update.B:], rank, p.m.out, rank, []term{{
			a: dy.floats[p.at:], aRow: 1, aStep: dy.stride, depth: x.n, b: z.floats[p.z:], bStride: z.stride,
		}}}, sum{gradient[p.update.A:], g.in, rank, g.in, []term{{
			a: dz.floats[p.z:], aRow: 1, aStep: dz.stride, depth: x.n, b: t.drop(i, p, x).floats, bStride: x.stride,
		}}})
		through := term{a: dz.floats[p.z:], aRow: dz.stride, aStep: 1, depth: rank, b: t.b.theta[p.update.A:], bStride: g.in}
		switch {
		case dx == nil:
		case t.b.dropout == 0:
			terms = append(terms, through)
		default:
			v := t.dropped[i].back.zero(x.n, g.in)
			sums = append(sums, sum{v.floats, v.stride, x.n, g.in, []term{through}})
		}
	}
	if dx == nil {
		t.crew.add(sums[1:]...)
		return
	}
	sums[0] = sum{dx.floats, dx.stride, x.n, g.in, terms}
	t.crew.add(sums...)
	if t.b.dropout > 0 {
		t.crew.rows(x.n, func(r int) {
			dst := dx.row(r)
			for i, p := range g.parts {
				if p.update != nil {
					t.b.dropRow(p, r, t.dropped[i].back.row(r), func(i int, v float32) { dst[i] += v })
				}
			}
		})
	}
}

func (t *Tuner) scale(z *vectors) {
	s := float32(t.o.Scale)
	t.crew.rows(z.n, func(r int) {
		for i := range z.row(r) {
			z.row(r)[i] *= s
		}
	})
}

// drop is x with the dropout of the update of part i.
func (t *Tuner) drop(i int, p projection, x *vectors) *vectors {
	if t.b.dropout == 0 {
		return x
	}
	v := &t.dropped[i].x
	v.resize(x.n, x.width)
	t.crew.rows(x.n, func(r int) {
		dst := v.row(r)
		t.b.dropRow(p, r, x.row(r), func(i int, v float32) { dst[i] = v })
	})
	return v
}

// dropRow tells what becomes of row r: 0 with the probability of the dropout, and otherwise x/(1 − probability). The choice
// depends on nothing but seed, projection, row and column, so that the backward pass makes the same.
func (b *batch) dropRow(p projection, r int, x []float32, put func(i int, v float32)) {
	keep := float32(1 / (1 - b.dropout))
	limit := uint64(b.dropout * (1 << 32))
	state := mix(mix(b.seed^p.number) ^ uint64(r))
	for i, v := range x {
		if mix(state+uint64(i))>>32 < limit {
			put(i, 0)
		} else {
			put(i, v*keep)
		}
	}
}

// mix is the finalizer of splitmix64 (Steele, Lea and Flood 2014), after a step of its counter.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
