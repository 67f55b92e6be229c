package lora

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/decoder"
	"github.com/docent-ml/docent/internal/lm/model"
)

// layout places all that is trained in one vector, so that optimizer, checkpoint and gradient handle one tensor whatever it is.
type layout struct {
	model   *model.Model
	peft    adapter.Config // without what it says of the base
	modules []module
	weights []piece // parameters that are trained whole
	rows    piece   // of the tokens
	tokens  []int
	start   Start
	size    int
	// Of each number: how many times the learning rate it learns with, 0 for what is frozen, and 1 if it decays. Nil = 1 for all.
	rates, decays []float32
	// What a position costs, in multiplications: with the matrices of the layers, and with one other position.
	perPosition, perPair int
	devices              int // that share a call; 0 = 1
}

// module is the update of one matrix: A [rank, in] at offset a, B [out, rank] at offset b, and vectors [out], where there are any.
// Of experts it is as many matrices one below the other.
type module struct {
	path            string
	rank            int
	scale           float64 // alpha/rank
	in, out         int
	experts         int // 0 = it is one matrix
	a, b            int
	magnitude, bias int // 0 = none
}

func (m module) sizeA() int { return max(1, m.experts) * m.rank * m.in }
func (m module) sizeB() int { return max(1, m.experts) * m.out * m.rank }

// piece is a parameter, or some rows of one.
type piece struct {
	lm.Param
	at int
}

// take makes room for n numbers.
func (l *layout) take(n int) (at int) {
	at = l.size
	l.size += n
	return at
}

// newLayout resolves the targets against the matrices of the base model.
func newLayout(b *Base, c Config) (*layout, error) {
	m := b.model.Config
	l := &layout{model: b.model, start: c.Start, perPair: 2 * m.Layers * m.QDim()}
	var err error
	if l.peft, err = c.peft(); err != nil {
		return nil, err
	}
	params, used, doubled := map[string]lm.Param{}, map[string]bool{}, false
	names := func(list []string, path string) (hit bool) {
		for _, name := range list {
			if path == name || strings.HasSuffix(path, "."+name) {
				used[name], hit = true, true
			}
		}
		return hit
	}
	for _, p := range m.Params() {
		params[p.Name] = p
	}
	for _, p := range m.Params() {
		path := strings.TrimSuffix(p.Name, ".weight")
		outside := p.Name == lm.EmbedTokens || p.Name == lm.LMHead
		if !p.Linear && !outside {
			continue
		}
		hit := m.Target(p) && names(c.Targets, path)
		fused, twice := m.FusedTargets(p), false
		if p.Linear {
			l.perPosition += p.Shape[0] * p.Shape[1] * max(1, m.Experts.Used*min(1, p.Experts)) / max(1, p.Experts)
			named, err := c.namesFused(path, fused, used)
			if err != nil {
				return nil, err
			}
			hit, twice = hit || named, named && len(fused) == 2
			if slices.Contains(c.Targets, AllLinear) && m.Target(p) && (fused != nil || !p.Router && p.Experts == 0) {
				used[AllLinear], hit, twice = true, true, len(fused) == 2
			}
			layer, _ := adapter.Layer(path)
			hit = hit && layer >= c.FrozenLayers
		}
		if outside && names(c.SaveModules, path) {
			l.weights = append(l.weights, piece{Param: p})
			if hit {
				return nil, &ConfigError{"SaveModules", path + " is one of Targets too"}
			}
		}
		if !hit {
			continue
		}
		if err := c.allows(p, m.TieEmbeddings, params[path+".bias"].Shape != nil); err != nil {
			return nil, err
		}
		x := module{path: path, in: p.Shape[1], out: p.Shape[0] / max(1, p.Experts), experts: p.Experts}
		if twice && !doubled {
			doubled, err = true, l.peft.Pattern(adapter.BothFused, 2*c.Rank, 2*c.Alpha)
		}
		if err == nil {
			x.rank, x.scale, err = l.peft.Of(path)
		}
		if err != nil {
			return nil, fmt.Errorf("lora config: Patterns: %w", err)
		}
		if p.Router || p.Experts > 0 {
			l.peft.AddParameter(path, c.FrozenLayers > 0)
		}
		if c.Start != "" { // and as much again, frozen, that takes the start off
			x.rank *= 2
		}
		x.a, x.b = l.take(x.sizeA()), l.take(x.sizeB())
		if c.DoRA {
			x.magnitude = l.take(x.out)
		}
		if c.LoRABias {
			x.bias = l.take(x.out)
		}
		l.modules = append(l.modules, x)
	}
	for _, target := range slices.Concat(c.Targets, c.SaveModules) {
		if !used[target] {
			hint := ""
			if m.TieEmbeddings {
				hint = ", and its head is its embedding, embed_tokens"
			}
			return nil, fmt.Errorf("lora config: Targets, SaveModules: %q: %w; the base model has %s%s", target, ErrTarget, strings.Join(adapter.LastNames(b.Modules()), ", "), hint)
		}
	}
	if err := l.placeBiases(c, m); err != nil {
		return nil, err
	}
	for i := range l.weights {
		l.weights[i].at = l.take(l.weights[i].Size())
	}
	if err := l.placeTokens(c, params[lm.EmbedTokens]); err != nil {
		return nil, err
	}
	l.placeRates(c)
	return l, nil
}

// allows refuses updates of a matrix that PEFT does not have, or not as docent computes it.
func (c Config) allows(p lm.Param, tied, biased bool) error {
	path := strings.TrimSuffix(p.Name, ".weight")
	switch {
	case (p.Router || p.Experts > 0) && (c.DoRA || c.LoRABias || c.Start != "" || c.Dropout > 0):
		return &ConfigError{"Targets", path + " is trained by plain LoRA only, without Dropout, DoRA, LoRABias and Start, as in PEFT: name other targets, such as q_proj and v_proj"}
	case p.Linear && c.LoRABias && !biased:
		return &ConfigError{"LoRABias", path + " has no bias, so that it could not be merged: name targets that have one"}
	case p.Linear:
	case c.DoRA || c.LoRABias || c.Start != "":
		return &ConfigError{"Targets", path + " is trained by plain LoRA only, without DoRA, LoRABias and Start"}
	case p.Name == lm.LMHead && c.Dropout > 0:
		return &ConfigError{"Dropout", "is not computed for the update of " + path}
	case tied:
		return &ConfigError{"Targets", path + " is the head of this model too, and PEFT trains the two uses of the update apart: name it in SaveModules, or rows of it in Tokens"}
	}
	return nil
}

// namesFused tells whether Targets names all of what was fused into a module, and refuses some of it.
func (c Config) namesFused(path string, fused []string, used map[string]bool) (bool, error) {
	var named []string
	for _, name := range fused {
		for _, target := range c.Targets {
			if target == name || strings.HasSuffix(target, "."+name) {
				named, used[target] = append(named, name), true
			}
		}
	}
	if len(named) > 0 && len(named) < len(fused) {
		return false, &ConfigError{"Targets", fmt.Sprintf("%s are one matrix, %s: name both", strings.Join(fused, " and "), path)}
	}
	return len(named) > 0, nil
}

func (l *layout) placeBiases(c Config, m lm.Config) error {
	for _, p := range m.Params() {
		path, bias := strings.CutSuffix(p.Name, ".bias")
		adapted := slices.ContainsFunc(l.modules, func(m module) bool { return m.path == path })
		switch {
		case !bias || c.Bias == "" || c.Bias == BiasLoRAOnly && !adapted:
		case p.Experts > 0:
			return &ConfigError{"Bias", fmt.Sprintf("%s would train %s, biases of experts: use %s", BiasAll, p.Name, BiasLoRAOnly)}
		case slices.ContainsFunc(m.Params(), func(w lm.Param) bool { return w.Name == path+".weight" && w.Linear }):
			l.weights = append(l.weights, piece{Param: p})
		default:
			return &ConfigError{"Bias", fmt.Sprintf("%s would train %s, the bias of a norm: use %s", BiasAll, p.Name, BiasLoRAOnly)}
		}
	}
	return nil
}

func (l *layout) placeTokens(c Config, embedding lm.Param) error {
	if len(c.Tokens) == 0 {
		return nil
	}
	trained := slices.ContainsFunc(l.weights, func(p piece) bool { return p.Name == embedding.Name }) || l.modules[0].path+".weight" == embedding.Name
	sorted := slices.Compact(slices.Sorted(slices.Values(c.Tokens)))
	switch {
	case trained:
		return &ConfigError{"Tokens", "the whole embedding is trained"}
	case len(sorted) < len(c.Tokens) || sorted[0] < 0 || sorted[len(sorted)-1] >= embedding.Shape[0]:
		return &ConfigError{"Tokens", fmt.Sprintf("%v must be different ids below %d", c.Tokens, embedding.Shape[0])}
	}
	l.tokens = c.Tokens
	embedding.Shape = []int{len(c.Tokens), embedding.Shape[1]}
	l.rows = piece{embedding, l.take(len(c.Tokens) * embedding.Shape[1])}
	return nil
}

// embeddingRate is the learning rate of the update of an embedding with LoRA+, whatever that of the others, as in PEFT.
const embeddingRate = 1e-6

// placeRates tells how what is trained learns, where it does not learn alike: as PEFT's create_loraplus_optimizer does it, and
// biases do not decay.
func (l *layout) placeRates(c Config) {
	biased := c.LoRABias || slices.ContainsFunc(l.weights, func(p piece) bool { return len(p.Shape) == 1 })
	ratio := float32(cmp.Or(c.LoRAPlus, 1))
	if ratio == 1 && !biased && l.start == "" {
		return
	}
	l.rates, l.decays = slices.Repeat([]float32{1}, l.size), slices.Repeat([]float32{1}, l.size)
	fill := func(x []float32, from, n int, v float32) {
		for i := range n {
			x[from+i] = v
		}
	}
	for _, m := range l.modules {
		if m.path+".weight" == lm.EmbedTokens && ratio != 1 {
			fill(l.rates, m.a, m.b+m.sizeB()-m.a, float32(embeddingRate/c.LearningRate))
			continue
		}
		fill(l.rates, m.b, m.sizeB(), ratio)
		if m.magnitude > 0 {
			fill(l.rates, m.magnitude, m.out, ratio)
		}
		if m.bias > 0 {
			fill(l.rates, m.bias, m.out, ratio)
			fill(l.decays, m.bias, m.out, 0)
		}
		if l.start != "" {
			half := m.rank / 2
			fill(l.rates, m.a+half*m.in, half*m.in, 0)
			for o := range m.out {
				fill(l.rates, m.b+o*m.rank+half, half, 0)
			}
		}
	}
	for _, p := range l.weights {
		if len(p.Shape) == 1 {
			fill(l.rates, p.at, p.Size(), ratio)
			fill(l.decays, p.at, p.Size(), 0)
		}
	}
}

// initial values as in PEFT: A uniform in ±1/√in (Kaiming uniform with a = √5) and B zero, so that training starts from the base
// model, but for Config.Start; of an embedding A is normal; magnitudes are those of the base, and what is trained whole is too.
func (l *layout) initial(seed uint64) ([]float32, error) {
	theta := make([]float32, l.size)
	r := rand.New(rand.NewPCG(seed, 0x10ca)) // a stream of its own, apart from shuffling
	params := map[string]lm.Param{}
	for _, p := range l.model.Config.Params() {
		params[p.Name] = p
	}
	for _, m := range l.modules {
		bound := 1 / math.Sqrt(float64(m.in))
		for i := range theta[m.a:m.b] {
			if theta[m.a+i] = float32((2*r.Float64() - 1) * bound); m.path+".weight" == lm.EmbedTokens {
				theta[m.a+i] = float32(r.NormFloat64())
			}
		}
		if l.start == "" && m.magnitude == 0 {
			continue
		}
		w := make([]float32, m.out*m.in)
		if err := l.model.Read(params[m.path+".weight"], w); err != nil {
			return nil, err
		}
		if l.start != "" {
			a, b, err := adapter.Start(string(l.start), w, m.in, m.rank/2, m.scale)
			if err != nil {
				return nil, fmt.Errorf("start of %s: %w", m.path, err)
			}
			l.setStart(theta, m, a, b)
			continue
		}
		for o := range m.out {
			var square float64
			for _, v := range w[o*m.in : (o+1)*m.in] {
				square += float64(v) * float64(v)
			}
			theta[m.magnitude+o] = float32(math.Sqrt(square))
		}
	}
	for _, p := range l.weights {
		if err := l.model.Read(p.Param, theta[p.at:p.at+p.Size()]); err != nil {
			return nil, err
		}
	}
	if len(l.tokens) > 0 {
		p := params[lm.EmbedTokens]
		w := make([]float32, p.Shape[0]*p.Shape[1])
		if err := l.model.Read(p, w); err != nil {
			return nil, err
		}
		for i, token := range l.tokens {
			copy(theta[l.rows.at+i*p.Shape[1]:], w[token*p.Shape[1]:][:p.Shape[1]])
		}
	}
	return theta, nil
}

// untuned is a theta with which the model is the base.
func (l *layout) untuned() ([]float32, error) {
	if l.start != "" {
		return make([]float32, l.size), nil
	}
	return l.initial(0)
}

// setStart puts a start A [rank, in], B [out, rank] in the place of a module, and takes it off again in the frozen half:
// W + s·[B −B]·[A; A] is W, and as B and A learn what it is with PEFT's W − s·BA + s·BA.
func (l *layout) setStart(theta []float32, m module, a, b []float32) {
	copy(theta[m.a:], a)
	copy(theta[m.a+len(a):], a)
	rank := m.rank / 2
	for o := range m.out {
		row := theta[m.b+o*m.rank:][:m.rank]
		for k, v := range b[o*rank : (o+1)*rank] {
			row[k], row[rank+k] = v, -v
		}
	}
}

// nodes cuts what is trained out of theta [size]: in the order of flat, which is that of theta.
func (l *layout) nodes(d *decoder.Decoder, theta *graph.Node) (flat []*graph.Node) {
	cut := func(from int, shape ...int) *graph.Node {
		n := lm.Param{Shape: shape}.Size()
		x := graph.Reshape(graph.Slice(theta, graph.AxisRange(from, from+n)), shape...)
		flat = append(flat, x)
		return x
	}
	replace := func(name string, x *graph.Node) {
		d.Weights[name] = graph.ConvertDType(x, d.Weights[name].DType())
		d.Head = d.Head || name == lm.LMHead || name == lm.EmbedTokens && d.Config.TieEmbeddings
	}
	float := func(name string) *graph.Node { return graph.ConvertDType(d.Weights[name], dtypes.Float32) }
	d.Adapter = map[string]decoder.LoRA{}
	for _, m := range l.modules {
		ab := decoder.LoRA{A: cut(m.a, m.sizeA()/m.in, m.in), B: cut(m.b, m.sizeB()/m.rank, m.rank), Scale: m.scale}
		if m.magnitude > 0 {
			ab.Magnitude = cut(m.magnitude, m.out)
		}
		if m.bias > 0 {
			ab.Bias = cut(m.bias, m.out)
		}
		if _, inside := adapter.Layer(m.path); inside {
			d.Adapter[m.path] = ab
		} else {
			name := m.path + ".weight"
			replace(name, graph.Add(float(name), graph.MulScalar(graph.Dot(ab.B, ab.A).Product(), ab.Scale)))
		}
	}
	for _, p := range l.weights {
		replace(p.Name, cut(p.at, p.Shape...))
	}
	if len(l.tokens) > 0 { // [vocab, tokens], 1 where a row is a token's
		rows, w := cut(l.rows.at, l.rows.Shape...), float(lm.EmbedTokens)
		ids := graph.Const(theta.Graph(), [][]int32{tokenIDs(l.tokens)})
		at := graph.Iota(theta.Graph(), shapes.Make(dtypes.Int32, w.Shape().Dim(0), len(l.tokens)), 0)
		hot := graph.ConvertDType(graph.Equal(at, graph.BroadcastToShape(ids, at.Shape())), dtypes.Float32)
		kept := graph.OneMinus(graph.ReduceAndKeep(hot, graph.ReduceSum, -1)) // [vocab, 1]
		replace(lm.EmbedTokens, graph.Add(graph.Mul(w, kept), graph.Dot(hot, rows).Product()))
	}
	return flat
}

func tokenIDs(tokens []int) []int32 {
	out := make([]int32, len(tokens))
	for i, t := range tokens {
		out[i] = int32(t)
	}
	return out
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
	a := &adapter.Adapter{Config: c, Modules: map[string]adapter.Module{}, Weights: map[string]adapter.Weight{}, Rows: map[string]adapter.Rows{}}
	cut := func(at, n int) []float32 { return slices.Clone(theta[at:][:n]) }
	vector := func(at, n int) []float32 {
		if at == 0 {
			return nil
		}
		return cut(at, n)
	}
	for _, m := range l.modules {
		a.Modules[m.path] = adapter.Module{Rank: m.rank, In: m.in, Out: m.out, Experts: m.experts, Scale: m.scale,
			A: cut(m.a, m.sizeA()), B: cut(m.b, m.sizeB()), Magnitude: vector(m.magnitude, m.out), Bias: vector(m.bias, m.out)}
	}
	for _, p := range l.weights {
		a.Weights[p.Name] = adapter.Weight{Shape: p.Shape, Values: cut(p.at, p.Size())}
	}
	if len(l.tokens) > 0 {
		a.Rows[lm.EmbedTokens] = adapter.Rows{Tokens: l.tokens, Values: cut(l.rows.at, l.rows.Size())}
	}
	return a
}

// theta is the inverse of adapter. The adapter must have exactly what the layout has, of the same rank and scale; parameters that
// are not trained may be there as the base has them.
func (l *layout) theta(a *adapter.Adapter) ([]float32, error) {
	theta := make([]float32, l.size)
	want := l.adapter(theta, adapter.Config{})
	if len(a.Modules) != len(l.modules) {
		return nil, fmt.Errorf("adapter %w: it has %d modules, the configuration targets %d", ErrMismatch, len(a.Modules), len(l.modules))
	}
	for path, w := range want.Modules {
		x, ok := a.Modules[path]
		if !ok || x.Rank != w.Rank || x.In != w.In || x.Out != w.Out || x.Experts != w.Experts || math.Abs(x.Scale-w.Scale) > 1e-9 || len(x.Magnitude) != len(w.Magnitude) || len(x.Bias) != len(w.Bias) {
			return nil, fmt.Errorf("adapter %w: module %s is missing, or differs in shape, kind, rank or alpha", ErrMismatch, path)
		}
	}
	for name, w := range want.Weights {
		if !slices.Equal(a.Weights[name].Shape, w.Shape) {
			return nil, fmt.Errorf("adapter %w: it does not have %s %v", ErrMismatch, name, w.Shape)
		}
	}
	for name, w := range a.Weights {
		if want.Weights[name].Values != nil {
			continue
		}
		same := make([]float32, len(w.Values))
		if err := l.model.Read(lm.Param{Name: name, Shape: w.Shape}, same); err != nil {
			return nil, err
		}
		if !slices.Equal(same, w.Values) {
			return nil, fmt.Errorf("adapter %w: it has another %s than the base model, which the configuration does not train", ErrMismatch, name)
		}
	}
	if rows := a.Rows[lm.EmbedTokens]; !slices.Equal(rows.Tokens, l.tokens) || len(a.Rows) != len(want.Rows) {
		return nil, fmt.Errorf("adapter %w: it trains the tokens %v, the configuration %v", ErrMismatch, rows.Tokens, l.tokens)
	}
	for _, m := range l.modules {
		x := a.Modules[m.path]
		copy(theta[m.a:], x.A)
		copy(theta[m.b:], x.B)
		copy(theta[m.magnitude:], x.Magnitude) // nothing, where the layout has none
		copy(theta[m.bias:], x.Bias)
	}
	for _, p := range l.weights {
		copy(theta[p.at:], a.Weights[p.Name].Values)
	}
	copy(theta[l.rows.at:], a.Rows[lm.EmbedTokens].Values)
	return theta, nil
}
