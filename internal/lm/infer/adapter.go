package infer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/decoder"
)

// form is what graphs know of an adapter: which projections it updates, as indices into projections, and at which rank. Adapters
// of one form share graphs.
type form struct {
	rank    int
	modules []int
}

func (f form) key() string { return fmt.Sprint(f.rank, f.modules) }

// join is the smallest form that holds both.
func (f form) join(g form) form {
	modules := append(slices.Clone(f.modules), g.modules...)
	slices.Sort(modules)
	return form{max(f.rank, g.rank), slices.Compact(modules)}
}

func (f form) equal(g form) bool { return f.rank == g.rank && slices.Equal(f.modules, g.modules) }

// projections are the parameters that adapters update.
func projections(c lm.Config) []lm.Param {
	return slices.DeleteFunc(c.Params(), func(p lm.Param) bool { return !p.Linear })
}

func path(p lm.Param) string { return strings.TrimSuffix(p.Name, ".weight") }

// attached is an adapter on the device: A [rank, in] and scale·B [out, rank] of each module in turn, in float32.
type attached struct {
	form    form
	tensors []*tensors.Tensor
}

// Bytes implements Adapter.
func (a *attached) Bytes() (n int64) {
	for _, t := range a.tensors {
		n += t.ByteSize()
	}
	return n
}

// of is the form of an adapter. Nil, the model alone, has none.
func (a *attached) of() form {
	if a == nil {
		return form{}
	}
	return a.form
}

// inputs of a graph of the form, behind the weights.
func (a *attached) inputs() []any {
	if a == nil {
		return nil
	}
	return anys(a.tensors)
}

// Attach implements Slots.
func (s *Graphs) Attach(from *adapter.Adapter) (Adapter, error) {
	a := &attached{form: form{rank: 1}}
	all := projections(s.config)
	for i, p := range all {
		if m, ok := from.Modules[path(p)]; ok {
			a.form.modules = append(a.form.modules, i)
			a.form.rank = bucket(m.Rank, a.form.rank)
		}
	}
	rank := a.form.rank
	for _, i := range a.form.modules {
		m := from.Modules[path(all[i])]
		err := a.put(s, dimensions(all[i], rank)[0], func(dst []float32) {
			for r := range len(m.A) / m.In { // of each expert, if there are any
				copy(dst[(r/m.Rank*rank+r%m.Rank)*m.In:], m.A[r*m.In:][:m.In])
			}
		})
		if err == nil {
			err = a.put(s, dimensions(all[i], rank)[1], func(dst []float32) {
				for i, v := range m.B {
					dst[i/m.Rank*rank+i%m.Rank] = v * float32(m.Scale)
				}
			})
		}
		if err != nil {
			device.Free(a.tensors...)
			return nil, err
		}
	}
	return a, nil
}

// dimensions are those of A and B of a projection.
func dimensions(p lm.Param, rank int) [2][]int {
	return [2][]int{{max(1, p.Experts) * rank, p.Shape[1]}, {p.Shape[0], rank}}
}

// put appends a tensor that write fills; what it leaves out is zero.
func (a *attached) put(s *Graphs, dims []int, write func(dst []float32)) error {
	t, err := device.Fill(s.backend, dtypes.Float32, dims, false, func(dst []float32) error {
		clear(dst)
		write(dst)
		return nil
	})
	if err == nil {
		a.tensors = append(a.tensors, t)
	}
	return err
}

// Detach implements Slots.
func (s *Graphs) Detach(a Adapter) {
	s.prefixes.Forget(a)
	for slot, x := range s.bank.holds {
		if x == a {
			s.bank.holds[slot] = nil
		}
	}
	device.Free(a.(*attached).tensors...)
}

// bank is the adapters of all slots side by side, [slots, rank, in] and [slots, out, rank] of each module of a form, so that a
// step computes them together.
type bank struct {
	form  form
	cache *cache      // nil: there is none
	holds []*attached // by slot; what a slot no longer uses stays until another takes its place
	uses  []*attached // by slot; nil = the model alone
}

// idle tells whether no slot uses an adapter.
func (b *bank) idle() bool {
	return !slices.ContainsFunc(b.uses, func(a *attached) bool { return a != nil })
}

// use has a slot computed with an adapter from now on.
func (s *Graphs) use(slot int, a *attached) error {
	b := &s.bank
	b.uses[slot] = a
	if b.idle() {
		return nil
	}
	if wanted := b.form.join(a.of()); b.cache == nil || !wanted.equal(b.form) {
		b.drop()
		b.form = wanted
		if err := b.make(s); err != nil {
			return err
		}
	}
	for slot, a := range b.uses {
		if a == nil || b.holds[slot] == a {
			continue
		}
		insert, err := s.programs.inserter(a.form, b.form)
		if err != nil {
			return err
		}
		out, err := insert.Run(append(append([]any{int32(slot)}, anys(a.tensors)...), anys(b.cache.tensors)...))
		if err != nil {
			return err
		}
		b.cache.release()
		b.cache, b.holds[slot] = newCache(out), a
	}
	return nil
}

// make fills an empty bank with zeros.
func (b *bank) make(s *Graphs) error {
	all := projections(s.config)
	zeros := &attached{}
	for _, i := range b.form.modules {
		for _, dims := range dimensions(all[i], b.form.rank) {
			if err := zeros.put(s, append([]int{len(b.uses)}, dims...), func([]float32) {}); err != nil {
				device.Free(zeros.tensors...)
				return err
			}
		}
	}
	b.cache = newCache(zeros.tensors)
	return nil
}

// drop empties the bank.
func (b *bank) drop() {
	b.cache.release()
	b.cache = nil
	clear(b.holds)
}

// inputs of the step behind the weights: which slots use an adapter, and the bank.
func (b *bank) inputs() []any {
	used := make([]float32, len(b.uses))
	for slot, a := range b.uses {
		if a != nil {
			used[slot] = 1
		}
	}
	return append([]any{used}, anys(b.cache.tensors)...)
}

// lora gives the matrices among the inputs of a graph, those of an adapter or of a bank, their names.
func (p *Programs) lora(f form, in []*Node) map[string]decoder.LoRA {
	out := map[string]decoder.LoRA{}
	all := projections(p.config)
	for i, m := range f.modules {
		out[path(all[m])] = decoder.LoRA{A: in[2*i], B: in[2*i+1], Scale: 1}
	}
	return out
}

// inserter puts an adapter into a bank. in: slot, the adapter, the bank. out: the bank.
func (p *Programs) inserter(from, to form) (*device.Program, error) {
	return p.program("insert adapter "+from.key()+" into "+to.key(), func(in []*Node) []*Node {
		all := projections(p.config)
		slot, a, bank := in[0], in[1:1+2*len(from.modules)], in[1+2*len(from.modules):]
		for i, x := range bank {
			dims := x.Shape().Dimensions
			row := Zeros(x.Graph(), shapes.Make(x.DType(), dims[1:]...))
			if at := slices.Index(from.modules, to.modules[i/2]); at >= 0 {
				row = widen(a[2*at+i%2], i%2, all[to.modules[i/2]].Experts, to.rank)
			}
			here := Equal(Iota(x.Graph(), shapes.Make(dtypes.Int32, dims...), 0), BroadcastToDims(slot, dims...))
			bank[i] = Where(here, BroadcastToDims(InsertAxes(row, 0), dims...), x)
		}
		return bank
	})
}

// widen pads A [rank, in], axis 0, or B [out, rank], axis 1, to a rank. Of experts, A is [experts·rank, in].
func widen(x *Node, axis, experts, rank int) *Node {
	if axis == 1 || experts == 0 {
		return pad(x, axis, rank)
	}
	in := x.Shape().Dim(1)
	return Reshape(pad(Reshape(x, experts, -1, in), 1, rank), experts*rank, in)
}
