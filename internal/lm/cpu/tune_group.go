package cpu

// updated is the updates of a group.
type updated struct {
	parts []update
	ranks int // columns of the reduced input, of all updates
}

// update is that of a part of a group.
type update struct {
	*Update        // nil = none
	z       int    // first column of its reduced input
	number  uint64 // among all, for dropout
}

func newUpdated(g *group, updates map[string]*Update, rank int) (x updated) {
	for _, p := range g.parts {
		u := update{Update: updates[p.path], z: x.ranks}
		if u.Update != nil {
			u.number = uint64(u.A)
			x.ranks += rank
		}
		x.parts = append(x.parts, u)
	}
	return x
}

// project computes y = x·Wᵀ + bias + scale·(drop(x)·Aᵀ)·Bᵀ for all of the group, and keeps z = scale·drop(x)·Aᵀ.
func (t *Tuner) project(g *group, x, z, y *vectors) {
	updates := &t.updates[g.layer][g.kind]
	y.resize(x.n, g.out)
	z.resize(x.n, updates.ranks)
	t.crew.rows(x.n, func(r int) {
		clear(z.row(r))
		for _, p := range g.parts {
			if dst := y.row(r)[p.at:][:p.m.out]; p.bias != nil {
				copy(dst, p.bias)
			} else {
				clear(dst)
			}
		}
	})
	var sums []sum
	for i, u := range updates.parts {
		if u.Update != nil {
			sums = append(sums, sum{z.floats[u.z:], z.stride, x.n, t.o.Rank, []term{{
				a: t.drop(i, u, x).floats, aRow: x.stride, aStep: 1, depth: g.in, b: dense{t.b.theta[u.A:], g.in}, turned: true,
			}}})
		}
	}
	t.crew.add(sums...)
	t.scale(z)
	sums = sums[:0]
	for i, p := range g.parts {
		terms := []term{{a: x.floats, aRow: x.stride, aStep: 1, depth: g.in, b: p.m, turned: true}}
		if u := updates.parts[i]; u.Update != nil {
			terms = append(terms, term{
				a: z.floats[u.z:], aRow: z.stride, aStep: 1, depth: t.o.Rank, b: dense{t.b.theta[u.B:], t.o.Rank}, turned: true,
			})
		}
		sums = append(sums, sum{y.floats[p.at:], y.stride, x.n, p.m.out, terms})
	}
	t.crew.add(sums...)
}

// projectBack adds to the gradients of the group's updates, given that of its output, and adds that of its input to dx, which
// is nil where nobody needs it.
func (t *Tuner) projectBack(g *group, x, z, dy, dx *vectors, gradient []float32) {
	updates, rank, dz := &t.updates[g.layer][g.kind], t.o.Rank, &t.dz
	dz.zero(x.n, updates.ranks)
	var sums []sum
	for i, p := range g.parts {
		if u := updates.parts[i]; u.Update != nil {
			sums = append(sums, sum{dz.floats[u.z:], dz.stride, x.n, rank, []term{{
				a: dy.floats[p.at:], aRow: dy.stride, aStep: 1, depth: p.m.out, b: dense{t.b.theta[u.B:], rank},
			}}})
		}
	}
	t.crew.add(sums...)
	t.scale(dz)
	var terms []term // of dx
	sums = make([]sum, 1, 1+3*len(g.parts))
	for i, p := range g.parts {
		terms = append(terms, term{a: dy.floats[p.at:], aRow: dy.stride, aStep: 1, depth: p.m.out, b: p.m})
		u := updates.parts[i]
		if u.Update == nil {
			continue
		}
		sums = append(sums, sum{gradient[u.B:], rank, p.m.out, rank, []term{{
			a: dy.floats[p.at:], aRow: 1, aStep: dy.stride, depth: x.n, b: dense{z.floats[u.z:], z.stride},
		}}}, sum{gradient[u.A:], g.in, rank, g.in, []term{{
			a: dz.floats[u.z:], aRow: 1, aStep: dz.stride, depth: x.n, b: dense{t.drop(i, u, x).floats, x.stride},
		}}})
		through := term{a: dz.floats[u.z:], aRow: dz.stride, aStep: 1, depth: rank, b: dense{t.b.theta[u.A:], g.in}}
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
			for i, u := range updates.parts {
				if u.Update != nil {
					t.b.dropRow(u, r, t.dropped[i].back.row(r), func(i int, v float32) { dst[i] += v })
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
func (t *Tuner) drop(i int, u update, x *vectors) *vectors {
	if t.b.dropout == 0 {
		return x
	}
	v := &t.dropped[i].x
	v.resize(x.n, x.width)
	t.crew.rows(x.n, func(r int) {
		dst := v.row(r)
		t.b.dropRow(u, r, x.row(r), func(i int, v float32) { dst[i] = v })
	})
	return v
}

// dropRow tells what becomes of row r: 0 with the probability of the dropout, and otherwise x/(1 − probability). The choice
// depends on nothing but seed, projection, row and column, so that the backward pass makes the same.
func (b *batch) dropRow(u update, r int, x []float32, put func(i int, v float32)) {
	keep := float32(1 / (1 - b.dropout))
	limit := uint64(b.dropout * (1 << 32))
	state := mix(mix(b.seed^u.number) ^ uint64(r))
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
