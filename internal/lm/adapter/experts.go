package adapter

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The matrices of all experts of a layer are one parameter of transformers 5: gate_up_proj or down_proj of the module "experts".
// PEFT puts an update on each of the two, one around the other, and names the inner one, gate_up_proj, "experts.base_layer" and
// the outer one "experts".
const (
	experts = ".experts"
	inner   = ".base_layer"
	gateUp  = ".gate_up_proj"
	down    = ".down_proj"
)

// parameter tells whether a module is one of Parameters.
func (c Config) parameter(path string) bool {
	return slices.ContainsFunc(c.Parameters, func(p string) bool {
		return strings.HasSuffix("."+path, "."+p) || strings.HasSuffix("."+path+".weight", "."+p)
	})
}

// expertsPath is the module of a path of PEFT.
func (c Config) expertsPath(path string) string {
	path = strings.Replace(path, ".block_sparse_moe.", ".mlp.", 1)
	switch base, wrapped := strings.CutSuffix(path, experts+inner); {
	case wrapped:
		return base + experts + gateUp
	case !strings.HasSuffix(path, experts):
		return path
	case c.parameter(path + down):
		return path + down
	default:
		return path + gateUp
	}
}

// expertsTensor is the inverse, for an adapter with those modules.
func (a *Adapter) expertsTensor(path string) string {
	if base, ok := strings.CutSuffix(path, experts+down); ok {
		return base + experts
	}
	base, ok := strings.CutSuffix(path, experts+gateUp)
	if _, both := a.Modules[base+experts+down]; ok && both {
		return base + experts + inner
	} else if ok {
		return base + experts
	}
	return path
}

// stacked makes of PEFT's matrices A [experts·rank, in] and B [out, rank·experts], with the experts innermost, those of a Module.
func (m Module) stacked(rank int) Module {
	m.Experts = len(m.A) / m.In / rank
	b := make([]float32, len(m.B))
	for i, v := range m.B {
		o, r, e := i/(rank*m.Experts), i/m.Experts%rank, i%m.Experts
		b[(e*m.Out+o)*rank+r] = v
	}
	m.B = b
	return m
}

// unstacked is B as PEFT has it.
func (m Module) unstacked() []float32 {
	b := make([]float32, len(m.B))
	for i, v := range m.B {
		e, o, r := i/(m.Out*m.Rank), i/m.Rank%m.Out, i%m.Rank
		b[(o*m.Rank+r)*m.Experts+e] = v
	}
	return b
}

// oneExpert is the module of one expert in adapters of older transformers.
var oneExpert = regexp.MustCompile(`^(.*\.experts)\.(\d+)\.(gate_proj|up_proj|down_proj|w1|w2|w3)$`)

// fuse puts the updates of single experts together, as PEFT does: gate and up have one matrix A of twice the rank, and one B with
// zeros where the half of the other would be.
func (a *Adapter) fuse() error {
	type parts [3]map[int]Module // gates, ups and downs of a layer's experts
	names := map[string]int{"gate_proj": 0, "w1": 0, "up_proj": 1, "w3": 1, "down_proj": 2, "w2": 2}
	found := map[string]parts{}
	for _, path := range a.Paths() {
		x := oneExpert.FindStringSubmatch(path)
		if x == nil {
			continue
		}
		n, err := strconv.Atoi(x[2])
		if err != nil {
			return fmt.Errorf("%w: module %s: %w", ErrFormat, path, err)
		}
		if _, ok := found[x[1]]; !ok {
			found[x[1]] = parts{{}, {}, {}}
		}
		found[x[1]][names[x[3]]][n] = a.Modules[path]
		delete(a.Modules, path)
	}
	if len(found) == 0 {
		return nil
	}
	for _, path := range slices.Sorted(maps.Keys(found)) {
		x := found[path]
		both := map[int]Module{}
		for n, gate := range x[0] {
			if up := x[1][n]; up.Rank == gate.Rank && up.Scale == gate.Scale && up.In == gate.In {
				both[n] = gate.beside(up)
			}
		}
		if len(both) != len(x[0]) || len(both) != len(x[1]) {
			return fmt.Errorf("%w: %s: gate and up are one matrix, and must have updates of one kind for every expert", ErrFormat, path)
		}
		if err := errors.Join(a.stack(path+gateUp, both), a.stack(path+down, x[2])); err != nil {
			return err
		}
	}
	a.Config.file = nil // it names what is no longer there
	for _, path := range a.Paths() {
		if a.Modules[path].Experts > 0 || strings.HasSuffix(path, ".mlp.gate") {
			a.Config.AddParameter(path, false)
		}
	}
	alpha := 2.0
	if a.Config.RSLoRA {
		alpha = math.Sqrt2
	}
	return a.Config.Pattern(BothFused, 2*a.Config.Rank, alpha*a.Config.Alpha)
}

// stack enters the updates of all experts as one module.
func (a *Adapter) stack(path string, experts map[int]Module) error {
	for n := range len(experts) {
		x, m := experts[n], a.Modules[path]
		if x.Rank == 0 || n > 0 && (m.Rank != x.Rank || m.In != x.In || m.Out != x.Out || m.Scale != x.Scale) {
			return fmt.Errorf("%w: %s: expert %d has no update, or one of another shape or scale than those before", ErrFormat, path, n)
		}
		x.Experts, x.A, x.B = n+1, append(m.A, x.A...), append(m.B, x.B...)
		a.Modules[path] = x
	}
	return nil
}

// beside is the update of two matrices, one below the other.
func (m Module) beside(below Module) Module {
	out := Module{Rank: 2 * m.Rank, In: m.In, Out: m.Out + below.Out, Scale: m.Scale, A: slices.Concat(m.A, below.A)}
	for o := range m.Out {
		out.B = append(append(out.B, m.B[o*m.Rank:][:m.Rank]...), make([]float32, m.Rank)...)
	}
	for o := range below.Out {
		out.B = append(append(out.B, make([]float32, m.Rank)...), below.B[o*m.Rank:][:m.Rank]...)
	}
	return out
}

// BothFused is the key that PEFT gives twice the rank and alpha where gate and up of experts, which have one matrix A, are named
// as two.
const BothFused = `.*\.gate_up_proj`

// AddParameter enters a module in Parameters: router or experts, of one layer or of all.
func (c *Config) AddParameter(path string, one bool) {
	if !strings.HasSuffix(path, gateUp) && !strings.HasSuffix(path, down) {
		path += ".weight"
	}
	if !one { // the last name, or the last two
		_, path, _ = strings.Cut(path, ".mlp.")
		path = strings.TrimPrefix(path, experts[1:]+".")
	}
	if !slices.Contains(c.Parameters, path) {
		c.Parameters = append(c.Parameters, path)
	}
}

// Of tells the rank of a module and the factor on its update.
func (c Config) Of(path string) (rank int, scale float64, err error) {
	if rank, err = c.rank(path); err == nil {
		scale, err = c.scale(path, rank)
	}
	return rank, scale, err
}

// Pattern gives the modules that PEFT finds by a key of rank_pattern and alpha_pattern a rank and an alpha of their own; 0 is that
// of all.
func (c *Config) Pattern(key string, rank int, alpha float64) error {
	re, err := compilePython(`^(.*\.)?(` + key + `)$`)
	if err != nil {
		return fmt.Errorf("pattern %q: %w", key, err)
	}
	if rank > 0 {
		c.RankPattern = append(c.RankPattern, pattern{key, float64(rank), re})
	}
	if alpha > 0 {
		c.AlphaPattern = append(c.AlphaPattern, pattern{key, alpha, re})
	}
	return nil
}
