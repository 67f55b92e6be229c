package cpu

import "github.com/docent-ml/docent/internal/lm"

// The kinds of groups of a layer.
const (
	groupIn     = iota // q, k, v, or what is convolved and its gates
	groupOut           // o
	groupUp            // gate, up
	groupDown          // down
	groupRouter        // scores of the experts
	groupKinds
)

// group is the projections that have one input. Their outputs lie side by side; those of experts, each of which takes rows of its
// own, lie one below the other.
type group struct {
	layer, kind int
	parts       []projection
	in, out     int
}

// projection is a matrix, and its bias or nil. at is the first column of its output; expert tells that the matrix is that of one.
type projection struct {
	path   string
	m      *matrix
	bias   []float32
	at     int
	expert bool
}

// experts tells whether each part takes rows of its own.
func (g *group) experts() bool { return len(g.parts) > 0 && g.parts[0].expert }

// groups of the layer, by kind.
func (l *layer) groups() [groupKinds]*group {
	return [...]*group{groupIn: &l.in, groupOut: &l.out, groupUp: &l.up, groupDown: &l.down, groupRouter: &l.router}
}

// newGroups fills those of layer i.
func (l *layer) newGroups(c lm.Config, w *Weights, i int) {
	of := func(kind int, parts ...lm.Part) group {
		g := group{layer: i, kind: kind}
		for _, part := range parts {
			if !c.Has(i, part) {
				continue
			}
			path := c.Path(i, part)
			for e, m := range w.experts[path+".weight"] {
				p := projection{path: path, m: m, expert: true}
				if biases := w.vectors[path+".bias"]; biases != nil {
					p.bias = biases[e*m.out:][:m.out]
				}
				g.in, g.out = m.in, m.out
				g.parts = append(g.parts, p)
			}
			if part == lm.ExpertsGateUp || part == lm.ExpertsDown {
				continue
			}
			p := projection{path: path, m: w.matrices[path+".weight"], bias: w.vectors[path+".bias"], at: g.out}
			g.in = p.m.in
			g.out += p.m.out
			g.parts = append(g.parts, p)
		}
		return g
	}
	l.in, l.out = of(groupIn, lm.QKV, lm.Q, lm.K, lm.V, lm.ConvIn), of(groupOut, lm.O, lm.ConvOut)
	l.up, l.down = of(groupUp, lm.GateUp, lm.Gate, lm.Up, lm.ExpertsGateUp), of(groupDown, lm.Down, lm.ExpertsDown)
	l.router = of(groupRouter, lm.Router)
}
