package cpu

import (
	"fmt"
	"maps"

	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/infer"
)

// Adapter is low-rank updates of projections that inference adds while it computes: y += (x·Aᵀ)·(scale·B)ᵀ. Any number of them
// may be in use on one model at once.
type Adapter struct {
	id     int32
	groups [][groupKinds]adapted // of each layer
	bytes  int64
}

// adapted is the updates of a group.
type adapted struct {
	down  []*matrix   // the matrices A of all parts, [ranks, in], or those of each expert; none = no updates
	parts [][]lifting // of each
}

// lifting is how a part of the reduced input, from column z on, is added to the output, from column at on.
type lifting struct {
	z, rank int
	at, out int
	up      panelled // (scale·B)ᵀ [rank, out]
}

// panelled is a matrix as the panels that products pack, one behind the other, each [depth, width]. A call for a few rows would
// take longer to turn and pack it than to compute.
type panelled struct {
	floats []float32
	depth  int
}

// newPanelled takes scale·b [n, depth], turned.
func newPanelled(k *kernels, b []float32, depth int, scale float32) panelled {
	width, n := k.panelWidth, len(b)/depth
	x := panelled{make([]float32, roundUp(n, width)*depth), depth}
	for j := range n {
		for i := range depth {
			x.floats[(j/width*depth+i)*width+j%width] = b[j*depth+i] * scale
		}
	}
	return x
}

// pack implements source, for panels as they lie.
func (x panelled) pack(p *panels, dst []float32, _ bool, k, depth, j, _ int) {
	copy(dst[:depth*p.k.panelWidth], x.floats[j*x.depth+k*p.k.panelWidth:])
}

// Attach implements infer.Slots. It copies what it needs.
func (s *Slots) Attach(from *adapter.Adapter) (infer.Adapter, error) {
	a := &Adapter{id: s.adapters.Add(1), groups: make([][groupKinds]adapted, len(s.work.layers))}
	left := maps.Clone(from.Modules)
	for i := range s.work.layers {
		for _, g := range s.work.layers[i].groups() {
			x, err := newAdapted(s.work.k, g, left)
			if err != nil {
				return nil, err
			}
			a.groups[i][g.kind] = x
			a.bytes += x.bytes()
		}
	}
	for path := range left {
		return nil, fmt.Errorf("adapter: module %s: the model has no such projection", path)
	}
	return a, nil
}

// Detach implements infer.Slots.
func (s *Slots) Detach(a infer.Adapter) { s.prefixes.Forget(a) }

// number tells adapters apart; nil has 0.
func (a *Adapter) number() int32 {
	if a == nil {
		return 0
	}
	return a.id
}

// newAdapted takes the updates of a group out of modules.
func newAdapted(k *kernels, g *group, modules map[string]adapter.Module) (x adapted, err error) {
	var rows []float32
	var parts []lifting
	add := func(m adapter.Module, at int, a, b []float32) {
		up := newPanelled(k, b, m.Rank, float32(m.Scale))
		parts = append(parts, lifting{z: len(rows) / g.in, rank: m.Rank, at: at, out: m.Out, up: up})
		rows = append(rows, a...)
	}
	flush := func() error {
		if len(rows) == 0 {
			return nil
		}
		down, err := newMatrix(k, F32, len(rows)/g.in, g.in, new([]float32), func(dst []float32) error {
			rows = rows[copy(dst, rows):]
			return nil
		})
		x.down, x.parts, rows, parts = append(x.down, down), append(x.parts, parts), nil, nil
		return err
	}
	for i, p := range g.parts {
		m, ok := modules[p.path]
		if !ok {
			continue
		}
		if m.In != p.m.in || m.Out != p.m.out || m.Experts > 0 && m.Experts != len(g.parts) {
			return x, fmt.Errorf("adapter: module %s is for a projection of %d to %d, the model's is of %d to %d", p.path, m.In, m.Out, p.m.in, p.m.out)
		}
		if m.Experts == 0 {
			delete(modules, p.path)
			add(m, p.at, m.A, m.B)
			continue
		}
		add(m, p.at, m.A[i*m.Rank*m.In:][:m.Rank*m.In], m.B[i*m.Out*m.Rank:][:m.Out*m.Rank])
		if err := flush(); err != nil {
			return x, err
		}
		if i+1 == len(g.parts) {
			delete(modules, p.path)
		}
	}
	return x, flush()
}

func (x *adapted) bytes() (n int64) {
	for i, m := range x.down {
		n += m.bytes()
		for _, p := range x.parts[i] {
			n += int64(4 * len(p.up.floats))
		}
	}
	return n
}

// Bytes is the memory it takes.
func (a *Adapter) Bytes() int64 { return a.bytes }

// run is rows of a call that follow each other and have one adapter.
type run struct {
	from, to int
	adapter  *Adapter
}

// runs are those of spans in which sequences have an adapter.
func runs(spans []span) (out []run) {
	for _, sp := range spans {
		switch last := len(out) - 1; {
		case sp.q.adapter == nil:
		case last >= 0 && out[last].adapter == sp.q.adapter && out[last].to == sp.from:
			out[last].to = sp.to
		default:
			out = append(out, run{sp.from, sp.to, sp.q.adapter})
		}
	}
	return out
}
