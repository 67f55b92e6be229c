package cpu

import (
	"math"
	"slices"
)

// updated is the updates of a group.
type updated struct {
	parts   []update
	ranks   int  // columns of the reduced input, of all updates
	trained bool // anything is
}

// update is that of a part of a group.
type update struct {
	*Update        // nil = none
	z       int    // first column of its reduced input
	number  uint64 // among all, for dropout
	bias    int    // where the projection's own bias is trained; -1 = it is not
	dora    *dora  // nil = none
}

// scaled tells whether DoRA scales any of the outputs.
func (x *updated) scaled() bool {
	return slices.ContainsFunc(x.parts, func(u update) bool { return u.dora != nil })
}

// dora is what DoRA makes of an update: each output times its magnitude over the length of the row of W + scale·BA, which counts
// as a constant in the gradient. Source: Liu et al. 2024, as in PEFT.
type dora struct {
	squares []float32 // lengths of the rows of W, squared
	factors []float32 // of the outputs
}

func (t *Tuner) newUpdated(g *group, updates map[string]*Update) (x updated) {
	for i, p := range g.parts {
		u := update{Update: updates[p.path], z: x.ranks, bias: -1}
		if at, ok := t.o.Weights[p.path+".bias"]; ok {
			u.bias, x.trained = at, true
		}
		if u.Update != nil {
			u.number = uint64(u.A)
			x.trained = true
			if g.experts() {
				one := *u.Update
				one.A, one.B = u.A+i*u.Rank*p.m.in, u.B+i*u.Rank*p.m.out
				u.Update, x.ranks = &one, u.Rank // rows of different experts have the same columns
				u.z = 0
			} else {
				x.ranks += u.Rank
			}
			if u.Magnitude > 0 {
				u.dora = &dora{make([]float32, p.m.out), make([]float32, p.m.out)}
				row := make([]float32, p.m.in)
				for o := range p.m.out {
					p.m.row(o, row)
					for _, v := range row {
						u.dora.squares[o] += v * v
					}
				}
			}
		}
		x.parts = append(x.parts, u)
	}
	return x
}

// magnify computes the factors of DoRA:
//
//	‖w + s·bA‖² = ‖w‖² + 2s·b·(A·w) + s²·b·(AAᵀ)·b    for rows w of W and b of B
func (t *Tuner) magnify(g *group, updates *updated) {
	for i, u := range updates.parts {
		if u.dora == nil {
			continue
		}
		rank, s := u.Rank, float32(u.Scale)
		m, a, b := g.parts[i].m, t.b.theta[u.A:], t.b.theta[u.B:]
		aa := make([]float32, rank*rank)
		aw := t.dz.zero(rank, m.out)
		t.crew.add(sum{aw.floats, aw.stride, rank, m.out, []term{{a: a, aRow: g.in, aStep: 1, depth: g.in, b: m.storage, turned: true}}},
			sum{aa, rank, rank, rank, []term{{a: a, aRow: g.in, aStep: 1, depth: g.in, b: dense{a, g.in}, turned: true}}})
		for o := range m.out {
			row, square := b[o*rank:][:rank], u.dora.squares[o]
			for k, v := range row {
				square += 2 * s * v * aw.row(k)[o]
				for l, x := range row {
					square += s * s * v * x * aa[k*rank+l]
				}
			}
			u.dora.factors[o] = t.b.theta[u.Magnitude+o] / float32(math.Sqrt(float64(square)))
		}
	}
}

// addBias adds to the outputs y of a part what does not depend on its input, y having been multiplied by DoRA's factors.
func (t *Tuner) addBias(p projection, u update, y []float32) {
	bias := p.bias
	if u.bias >= 0 {
		bias = t.b.theta[u.bias:][:len(y)]
	}
	for i, v := range bias {
		y[i] += v
	}
	if u.Update != nil && u.Bias > 0 {
		for i, v := range t.b.theta[u.Bias:][:len(y)] {
			y[i] += float32(u.Scale) * v
		}
	}
}

// project computes y = c·(x·Wᵀ + scale·(drop(x)·Aᵀ)·Bᵀ) + bias for all of the group, with DoRA's factors c, otherwise 1, and
// keeps z = scale·drop(x)·Aᵀ.
func (t *Tuner) project(g *group, x, z, y *vectors) {
	updates := &t.updates[g.layer][g.kind]
	y.resize(x.n, g.out)
	z.resize(x.n, updates.ranks)
	t.crew.rows(x.n, func(r int) {
		clear(z.row(r))
		clear(y.row(r))
		from, to := x.parts(r, len(g.parts))
		for i, p := range g.parts[from:to] {
			if u := updates.parts[from+i]; u.dora == nil {
				t.addBias(p, u, y.row(r)[p.at:][:p.m.out])
			}
		}
	})
	var sums []sum
	for i, u := range updates.parts {
		if from, to := x.taken(i, 0, x.n); u.Update != nil && from < to {
			sums = append(sums, sum{z.from(from, u.z), z.stride, to - from, u.Rank, []term{{
				a: t.drop(i, u, x).from(from, 0), aRow: x.stride, aStep: 1, depth: g.in, b: dense{t.b.theta[u.A:], g.in}, turned: true,
			}}})
		}
	}
	t.crew.add(sums...)
	t.scale(updates, x, z)
	sums = sums[:0]
	for i, p := range g.parts {
		from, to := x.taken(i, 0, x.n)
		if from == to {
			continue
		}
		terms := []term{{a: x.from(from, 0), aRow: x.stride, aStep: 1, depth: g.in, b: p.m, turned: true}}
		if u := updates.parts[i]; u.Update != nil {
			terms = append(terms, term{
				a: z.from(from, u.z), aRow: z.stride, aStep: 1, depth: u.Rank, b: dense{t.b.theta[u.B:], u.Rank}, turned: true,
			})
		}
		sums = append(sums, sum{y.from(from, p.at), y.stride, to - from, p.m.out, terms})
	}
	t.crew.add(sums...)
	if !updates.scaled() {
		return
	}
	t.crew.rows(x.n, func(r int) {
		for i, p := range g.parts {
			if u := updates.parts[i]; u.dora != nil {
				dst := y.row(r)[p.at:][:p.m.out]
				for o, c := range u.dora.factors {
					dst[o] *= c
				}
				t.addBias(p, u, dst)
			}
		}
	})
}

// vectorsBack adds to the gradients of biases and magnitudes, given that of the outputs y, and returns the gradient of what
// DoRA's factors multiply.
func (t *Tuner) vectorsBack(g *group, y, dy *vectors, gradient []float32) *vectors {
	updates := &t.updates[g.layer][g.kind]
	for i, u := range updates.parts {
		p := g.parts[i]
		lora := u.Update != nil && u.Bias > 0
		if u.bias < 0 && !lora && u.dora == nil {
			continue
		}
		added := make([]float32, p.m.out) // the bias
		t.addBias(p, u, added)
		t.crew.run(pieces(p.m.out, lossColumn/16), func(_, task int) {
			from := task * lossColumn / 16
			for r := range dy.n {
				for o := from; o < min(from+lossColumn/16, p.m.out); o++ {
					d := dy.row(r)[p.at+o]
					if u.bias >= 0 {
						gradient[u.bias+o] += d
					}
					if lora {
						gradient[u.Bias+o] += float32(u.Scale) * d
					}
					if u.dora != nil { // y − bias is the magnitude times what it multiplies
						gradient[u.Magnitude+o] += d * (y.row(r)[p.at+o] - added[o]) / t.b.theta[u.Magnitude+o]
					}
				}
			}
		})
	}
	if !updates.scaled() {
		return dy
	}
	t.scaled.resize(dy.n, dy.width)
	t.crew.rows(dy.n, func(r int) {
		dst := t.scaled.row(r)
		copy(dst, dy.row(r))
		for i, u := range updates.parts {
			if u.dora != nil {
				for o, c := range u.dora.factors {
					dst[g.parts[i].at+o] *= c
				}
			}
		}
	})
	return &t.scaled
}

// projectBack adds to the gradients of the group's updates, given that of its output y, and adds that of its input to dx, which
// is nil where nobody needs it.
func (t *Tuner) projectBack(g *group, x, z, y, dy, dx *vectors, gradient []float32) {
	dy = t.vectorsBack(g, y, dy, gradient)
	updates, dz := &t.updates[g.layer][g.kind], &t.dz
	dz.zero(x.n, updates.ranks)
	var sums []sum
	for i, p := range g.parts {
		if from, to := x.taken(i, 0, x.n); updates.parts[i].Update != nil && from < to {
			u := updates.parts[i]
			sums = append(sums, sum{dz.from(from, u.z), dz.stride, to - from, u.Rank, []term{{
				a: dy.from(from, p.at), aRow: dy.stride, aStep: 1, depth: p.m.out, b: dense{t.b.theta[u.B:], u.Rank},
			}}})
		}
	}
	t.crew.add(sums...)
	t.scale(updates, x, dz)
	sums = make([]sum, 0, 1+3*len(g.parts))
	into := -1 // the sum of dx that rows of the part belong to: one, or that of each expert
	for i, p := range g.parts {
		from, to := x.taken(i, 0, x.n)
		if from == to {
			continue
		}
		if dx != nil {
			if into < 0 || g.experts() {
				into = len(sums)
				sums = append(sums, sum{y: dx.from(from, 0), yStride: dx.stride, n: to - from, width: g.in})
			}
			sums[into].terms = append(sums[into].terms, term{a: dy.from(from, p.at), aRow: dy.stride, aStep: 1, depth: p.m.out, b: p.m})
		}
		u := updates.parts[i]
		if u.Update == nil {
			continue
		}
		rank := u.Rank
		sums = append(sums, sum{gradient[u.B:], rank, p.m.out, rank, []term{{
			a: dy.from(from, p.at), aRow: 1, aStep: dy.stride, depth: to - from, b: dense{z.from(from, u.z), z.stride},
		}}}, sum{gradient[u.A:], g.in, rank, g.in, []term{{
			a: dz.from(from, u.z), aRow: 1, aStep: dz.stride, depth: to - from, b: dense{t.drop(i, u, x).from(from, 0), x.stride},
		}}})
		through := term{a: dz.from(from, u.z), aRow: dz.stride, aStep: 1, depth: rank, b: dense{t.b.theta[u.A:], g.in}}
		switch {
		case dx == nil:
		case t.b.dropout == 0:
			sums[into].terms = append(sums[into].terms, through)
		default:
			v := t.dropped[i].back.zero(x.n, g.in)
			sums = append(sums, sum{v.floats, v.stride, x.n, g.in, []term{through}})
		}
	}
	t.crew.add(sums...)
	if dx == nil {
		return
	}
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

// scale multiplies the columns of each update of x's rows by its scale.
func (t *Tuner) scale(updates *updated, x, z *vectors) {
	t.crew.rows(z.n, func(r int) {
		from, to := x.parts(r, len(updates.parts))
		for _, u := range updates.parts[from:to] {
			if u.Update == nil {
				continue
			}
			for i := range z.row(r)[u.z:][:u.Rank] {
				z.row(r)[u.z+i] *= float32(u.Scale)
			}
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
