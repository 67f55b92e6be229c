package cpu

import (
	"slices"

	"github.com/docent-ml/docent/internal/lm"
)

// table is the embedding, the head, or both where they are one matrix, while anything of it is trained. For each call the matrix
// is made whole, and so is its gradient: beside the layers that is little work, and one way for all that can be trained of it.
type table struct {
	matrix   *matrix // [vocab, hidden], what is computed with
	base     *matrix
	name     string
	update   *Update // nil = none
	rows     []Rows
	gradient vectors // [vocab, hidden]
}

// newTables replaces the matrices of which anything is trained.
func (t *Tuner) newTables(updates map[string]*Update) {
	of := func(name string, base *matrix) *table {
		x := &table{base: base, name: name, update: updates[name[:len(name)-len(".weight")]]}
		x.rows = slices.DeleteFunc(slices.Clone(t.o.Rows), func(r Rows) bool { return r.Name != name })
		if _, whole := t.o.Weights[name]; !whole && x.update == nil && len(x.rows) == 0 {
			return nil
		}
		x.matrix = &matrix{out: base.out, in: base.in, storage: newFloats(t.k, base.out, base.in)}
		return x
	}
	if t.input = of(lm.EmbedTokens, t.model.embed); t.TieEmbeddings {
		t.output = t.input
	} else {
		t.output = of(lm.LMHead, t.head)
	}
	if t.input != nil {
		t.model.embed = t.input.matrix
	}
	if t.output != nil {
		t.head = t.output.matrix
	}
}

// tables are those that there are.
func (t *Tuner) tables() []*table {
	all := slices.Compact([]*table{t.input, t.output})
	return slices.DeleteFunc(all, func(x *table) bool { return x == nil })
}

// fill makes the matrix out of the parameters, and clears its gradient.
func (t *Tuner) fill(x *table) {
	m := x.matrix.storage.(*floats)
	at, whole := t.o.Weights[x.name]
	t.crew.rows(x.base.out, func(r int) {
		if whole {
			copy(m.floats[r*m.stride:], t.b.theta[at+r*m.in:][:m.in])
		} else {
			x.base.row(r, m.floats[r*m.stride:][:m.in])
		}
	})
	for _, rows := range x.rows {
		for i, token := range rows.Tokens {
			copy(m.floats[int(token)*m.stride:], t.b.theta[rows.At+i*m.in:][:m.in])
		}
	}
	if u := x.update; u != nil {
		t.crew.add(sum{m.floats, m.stride, x.base.out, m.in, []term{{
			a: t.b.theta[u.B:], aRow: u.Rank, aStep: 1, depth: u.Rank, b: dense{u.scaled(t.b.theta[u.A:][:u.Rank*m.in]), m.in},
		}}})
	}
	x.gradient.zero(x.base.out, m.in)
}

// scaled is x times the scale of the update.
func (u *Update) scaled(x []float32) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = v * float32(u.Scale)
	}
	return out
}

// headBack adds the gradient of the head by the rows of which partLoss has just computed the exponentials, with their sums.
func (t *Tuner) headBack(x targets, sums []float32) {
	m, n, d := &t.loss, len(x.rows), &t.output.gradient
	for c, label := range x.labels {
		if slope := m.slopes[c]; slope != 0 {
			row := d.row(int(label))
			for j, v := range m.h.row(c / x.choices) {
				row[j] -= v * slope
			}
		}
	}
	for i := range n {
		h := m.h.row(i)
		for j := range h {
			h[j] *= x.sums[i] / sums[i]
		}
	}
	t.crew.add(sum{d.floats, d.stride, t.VocabSize, t.HiddenSize, []term{{a: m.logits, aRow: 1, aStep: t.VocabSize, depth: n, b: dense{m.h.floats, m.h.stride}}}})
}

// embedBack adds the gradient of the embedding, given that of the residual stream before the layers.
func (t *Tuner) embedBack() {
	raw, back, scale := make([]float32, t.HiddenSize), make([]float32, t.HiddenSize), float32(t.EmbedScale)
	for r, token := range t.b.Tokens {
		t.model.embed.row(int(token), raw)
		for i := range raw {
			raw[i] *= scale
		}
		clear(back)
		t.normalizeBack(back, t.dx.row(r), raw, t.plain)
		row := t.input.gradient.row(int(token))
		for i, v := range back {
			row[i] += v * scale
		}
	}
}

// tableBack passes the gradient of the matrix on to the parameters.
func (t *Tuner) tableBack(x *table, gradient []float32) {
	d := &x.gradient
	if u := x.update; u != nil {
		rank := u.Rank
		a, b := u.scaled(t.b.theta[u.A:][:rank*d.width]), u.scaled(t.b.theta[u.B:][:rank*d.n])
		t.crew.add(sum{gradient[u.B:], rank, d.n, rank, []term{{a: d.floats, aRow: d.stride, aStep: 1, depth: d.width, b: dense{a, d.width}, turned: true}}},
			sum{gradient[u.A:], d.width, rank, d.width, []term{{a: b, aRow: 1, aStep: rank, depth: d.n, b: dense{d.floats, d.stride}}}})
	}
	add := func(at, r int) {
		for i, v := range d.row(r) {
			gradient[at+i] += v
		}
	}
	for _, rows := range x.rows {
		for i, token := range rows.Tokens {
			add(rows.At+i*d.width, int(token))
		}
	}
	if at, whole := t.o.Weights[x.name]; whole {
		t.crew.rows(d.n, func(r int) { add(at+r*d.width, r) })
	}
}
