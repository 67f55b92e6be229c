package lora

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/decoder"
)

// layout places the matrices of all adapted modules in one vector, so that optimizer, checkpoint and gradient handle
// one tensor whatever the number of modules.
type layout struct {
	modules []module
	size    int
	scale   float64 // alpha/rank
	rank    int
	// What a position costs, in multiplications: with the matrices of the layers, and with one other position.
	perPosition, perPair int
}

// module is one adapted projection: A [rank, in] at offset a, B [out, rank] at offset b.
type module struct {
	path    string
	in, out int
	a, b    int
}

// newLayout resolves the targets against the projections of the base model.
func newLayout(b *Base, c Config) (*layout, error) {
	m := b.model.Config
	l := &layout{scale: c.scale(), rank: c.Rank, perPair: 2 * m.Layers * m.QDim()}
	used := map[string]bool{}
	for _, p := range m.Params() {
		if !p.Linear {
			continue
		}
		l.perPosition += p.Shape[0] * p.Shape[1]
		path := strings.TrimSuffix(p.Name, ".weight")
		hit := false
		for _, target := range c.Targets {
			if target == AllLinear || path == target || strings.HasSuffix(path, "."+target) {
				used[target], hit = true, true
			}
		}
		if layer, _ := adapter.Layer(path); hit && layer >= c.FrozenLayers {
			m := module{path: path, in: p.Shape[1], out: p.Shape[0], a: l.size}
			m.b = m.a + c.Rank*m.in
			l.size = m.b + m.out*c.Rank
			l.modules = append(l.modules, m)
		}
	}
	for _, target := range c.Targets {
		if !used[target] {
			return nil, fmt.Errorf("lora config: Targets: %q: %w; the base model has %s", target, ErrTarget, strings.Join(names(b.Modules()), ", "))
		}
	}
	return l, nil
}

// names are the distinct last elements of module paths.
func names(paths []string) []string {
	var out []string
	for _, p := range paths {
		if s := p[strings.LastIndex(p, ".")+1:]; !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// initial values as in PEFT: A uniform in ±1/√in (Kaiming uniform with a = √5), B zero, so that training starts from
// the base model.
func (l *layout) initial(seed uint64) []float32 {
	theta := make([]float32, l.size)
	r := rand.New(rand.NewPCG(seed, 0x10ca)) // a stream of its own, apart from shuffling
	for _, m := range l.modules {
		bound := 1 / math.Sqrt(float64(m.in))
		for i := range theta[m.a:m.b] {
			theta[m.a+i] = float32((2*r.Float64() - 1) * bound)
		}
	}
	return theta
}

// nodes cuts the matrices out of theta [size].
func (l *layout) nodes(theta *graph.Node) (byPath map[string]decoder.LoRA, flat []*graph.Node) {
	byPath = map[string]decoder.LoRA{}
	cut := func(from, rows, cols int) *graph.Node {
		x := graph.Reshape(graph.Slice(theta, graph.AxisRange(from, from+rows*cols)), rows, cols)
		flat = append(flat, x)
		return x
	}
	for _, m := range l.modules {
		byPath[m.path] = decoder.LoRA{A: cut(m.a, l.rank, m.in), B: cut(m.b, m.out, l.rank), Scale: l.scale}
	}
	return byPath, flat
}

// join puts the gradients of flat back in the order of theta: [size].
func (l *layout) join(grads []*graph.Node) *graph.Node {
	parts := make([]*graph.Node, len(grads))
	for i, g := range grads {
		parts[i] = graph.Reshape(g, g.Shape().Size())
	}
	return graph.Concatenate(parts, 0)
}

// adapter copies theta into an adapter.
func (l *layout) adapter(theta []float32, c adapter.Config) *adapter.Adapter {
	a := &adapter.Adapter{Config: c, Modules: map[string]adapter.Module{}}
	for _, m := range l.modules {
		a.Modules[m.path] = adapter.Module{
			Rank: l.rank, In: m.in, Out: m.out, Scale: l.scale,
			A: slices.Clone(theta[m.a:m.b]), B: slices.Clone(theta[m.b : m.b+m.out*l.rank]),
		}
	}
	return a
}

// theta is the inverse of adapter. The adapter must have exactly the modules of the layout, of the same rank and scale.
func (l *layout) theta(a *adapter.Adapter) ([]float32, error) {
	theta := make([]float32, l.size)
	if len(a.Modules) != len(l.modules) {
		return nil, fmt.Errorf("adapter %w: it has %d modules, the configuration targets %d", ErrMismatch, len(a.Modules), len(l.modules))
	}
	for _, m := range l.modules {
		x, ok := a.Modules[m.path]
		if !ok || x.Rank != l.rank || x.In != m.in || x.Out != m.out || math.Abs(x.Scale-l.scale) > 1e-9 {
			return nil, fmt.Errorf("adapter %w: module %s is missing, or differs in shape, rank or alpha", ErrMismatch, m.path)
		}
		copy(theta[m.a:m.b], x.A)
		copy(theta[m.b:], x.B)
	}
	return theta, nil
}
