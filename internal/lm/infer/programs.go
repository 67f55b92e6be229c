package infer

import (
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/decoder"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/lm/sample"
)

// Programs are the graphs of inference for models of one shape, whatever their weights: a further model, such as the
// next version of the same, compiles nothing. They are safe for concurrent use and count their users.
//
// Keys and values travel as a flat list, K and V of each layer in turn.
type Programs struct {
	backend    compute.Backend
	config     lm.Config
	transposed bool

	mu    sync.Mutex
	users int

	programs map[string]*device.Program // by what they do
	sample   *sample.Programs
}

// shapeOf is the part of a config that graphs depend on.
func shapeOf(c lm.Config) lm.Config {
	c.Source, c.EOS, c.BOS, c.Pad, c.MaxPositions = nil, nil, 0, 0, 0
	return c
}

// use adds a user, if the graphs are those of the model.
func (p *Programs) use(m *model.Model, backend compute.Backend) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users == 0 || p.backend != backend || p.transposed != m.Transposed || !reflect.DeepEqual(p.config, shapeOf(m.Config)) {
		return false
	}
	p.users++
	return true
}

func newPrograms(m *model.Model, backend compute.Backend) *Programs {
	p := &Programs{backend: backend, config: shapeOf(m.Config), transposed: m.Transposed, users: 1, programs: map[string]*device.Program{}}
	p.sample = sample.NewPrograms(backend, p.config.VocabSize)
	return p
}

// program returns the one of a name, which is made when it is first asked for. Nothing is compiled by that.
func (p *Programs) program(name string, build func(in []*Node) []*Node) (*device.Program, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x := p.programs[name]; x != nil {
		return x, nil
	}
	x, err := device.NewProgram(p.backend, name, build)
	if err == nil {
		p.programs[name] = x
	}
	return x, err
}

// prefill computes a piece of one prompt. in: tokens [1, width], length [1], index [1, 1] of the last real token, length [1] of the
// whole prompt, past, weights, adapter. out: logits [vocab], past.
func (p *Programs) prefill(f form) (*device.Program, error) {
	return p.program("prefill "+f.key(), func(in []*Node) []*Node {
		n := 2 * p.config.Layers
		d := p.decoder(in[4+n:], f)
		past := pairs(in[4 : 4+n])
		h, recent := d.Extended(in[0], decoder.Cached{Past: past, Lengths: in[1], Whole: in[3]})
		last := Gather(h, in[2]) // [1, hidden]
		for i := range past {
			past[i] = fold(past[i], recent[i], in[1])
		}
		return append([]*Node{Reshape(d.Logits(last), p.config.VocabSize)}, flat(past)...)
	})
}

// decode computes one token of every slot. in: tokens [slots, 1], lengths [slots], column, past, recent, weights and, where slots
// use adapters, which do [slots] and the bank. out: logits [slots, vocab], recent.
func (p *Programs) decode(f form) (*device.Program, error) {
	return p.program("decode "+f.key(), func(in []*Node) []*Node {
		n := 2 * p.config.Layers
		weights := in[3+2*n:]
		d := p.decoder(weights, form{})
		if len(f.modules) > 0 {
			bank := weights[len(d.Weights):]
			d.Adapter, d.Adapted = p.lora(f, bank[1:]), InsertAxes(bank[0], -1)
		}
		h, recent := d.Extended(in[0], decoder.Cached{Past: pairs(in[3 : 3+n]), Lengths: in[1], Recent: pairs(in[3+n : 3+2*n]), Column: in[2]})
		return append([]*Node{d.Logits(h)}, flat(recent)...)
	})
}

// insert puts a prompt into a slot. in: slot, the prompt's keys and values, past. out: past.
func (p *Programs) insert() (*device.Program, error) {
	return p.program("insert", func(in []*Node) []*Node {
		n := 2 * p.config.Layers
		out := make([]*Node, n)
		for i, past := range in[1+n:] {
			out[i] = putSlot(past, in[1+i], in[0])
		}
		return out
	})
}

// flush puts the recent part into the past. in: lengths [slots], past, recent. out: past.
func (p *Programs) flush() (*device.Program, error) {
	return p.program("flush", func(in []*Node) []*Node {
		n := 2 * p.config.Layers
		past, recent := pairs(in[1:1+n]), pairs(in[1+n:])
		for i := range past {
			past[i] = fold(past[i], recent[i], in[0])
		}
		return flat(past)
	})
}

// The updates below select between old and new instead of writing in place: the result is a copy anyway, and not every
// backend has updates at a computed place.

// putSlot replaces the rows of a slot of past [slots·kvHeads, …] by those of a prompt [kvHeads, …] of at most as many
// positions.
func putSlot(past, prompt, slot *Node) *Node {
	dims := past.Shape().Dimensions
	for axis := 1; axis < 3; axis++ {
		prompt = pad(prompt, axis, dims[axis])
	}
	heads := prompt.Shape().Dim(0)
	split := []int{dims[0] / heads, heads, dims[1], dims[2]}
	at := Iota(past.Graph(), shapes.Make(dtypes.Int32, split...), 0)
	here := Equal(at, BroadcastToDims(slot, split...))
	return Reshape(Where(here, BroadcastToDims(InsertAxes(prompt, 0), split...), Reshape(past, split...)), dims...)
}

// fold puts the recent part of every slot behind its valid positions.
func fold(past, recent decoder.KV, lengths *Node) decoder.KV {
	g := lengths.Graph()
	slots := lengths.Shape().Size()
	rows, positions := past.V.Shape().Dim(0), past.V.Shape().Dim(1)
	width := recent.V.Shape().Dim(1)
	length := Reshape(BroadcastToDims(Reshape(lengths, slots, 1), slots, rows/slots), rows, 1) // per row

	index := Sub(Iota(g, shapes.Make(dtypes.Int32, rows, positions), 1), BroadcastToDims(length, rows, positions))
	top := Scalar(g, dtypes.Int32, width-1)
	valid := And(GreaterOrEqual(index, ZerosLike(index)), LessOrEqual(index, BroadcastToDims(top, rows, positions)))
	index = Clip(index, ScalarZero(g, dtypes.Int32), top)
	index = Add(index, MulScalar(Iota(g, index.Shape(), 0), width)) // into [rows·width, dim]

	moved := func(x *Node) *Node { // [rows, width, dim] to [rows, positions, dim]
		dim := x.Shape().Dim(2)
		return Reshape(Gather(Reshape(x, rows*width, dim), Reshape(index, rows*positions, 1)), rows, positions, dim)
	}
	k := TransposeAllAxes(moved(TransposeAllAxes(recent.K, 0, 2, 1)), 0, 2, 1)
	return decoder.KV{
		K: Where(BroadcastToDims(InsertAxes(valid, 1), past.K.Shape().Dimensions...), k, past.K),
		V: Where(BroadcastToDims(InsertAxes(valid, -1), past.V.Shape().Dimensions...), moved(recent.V), past.V),
	}
}

// pad appends zeros to x along an axis, up to size.
func pad(x *Node, axis, size int) *Node {
	dims := slices.Clone(x.Shape().Dimensions)
	if dims[axis] == size {
		return x
	}
	dims[axis] = size - dims[axis]
	return Concatenate([]*Node{x, Zeros(x.Graph(), shapes.Make(x.DType(), dims...))}, axis)
}

func pairs(in []*Node) []decoder.KV {
	out := make([]decoder.KV, len(in)/2)
	for i := range out {
		out[i] = decoder.KV{K: in[2*i], V: in[2*i+1]}
	}
	return out
}

func flat(kvs []decoder.KV) []*Node {
	var out []*Node
	for _, kv := range kvs {
		out = append(out, kv.K, kv.V)
	}
	return out
}

// decoder is the model on the weights among the inputs of a graph, and on the adapter of a form behind them.
func (p *Programs) decoder(in []*Node, f form) *decoder.Decoder {
	d := &decoder.Decoder{Config: p.config, Weights: model.Nodes(p.config, in), Transposed: p.transposed}
	d.Adapter = p.lora(f, in[len(d.Weights):])
	return d
}

// resize cuts keys and values, or pads them with zeros, to other numbers of rows and positions.
func (p *Programs) resize(rows, positions int, c *cache) (*cache, error) {
	program, err := p.program(fmt.Sprintf("resize %d %d", rows, positions), func(in []*Node) []*Node {
		out := make([]*Node, len(in))
		for i, x := range in {
			axis := 2 - i%2
			x = SliceAxis(x, axis, AxisRange(0, min(positions, x.Shape().Dim(axis))))
			out[i] = pad(pad(x, 0, rows), axis, positions)
		}
		return out
	})
	if err != nil {
		return nil, err
	}
	out, err := program.Run(anys(c.tensors))
	return newCache(out), err
}

// Compiled is the number of graphs that were compiled so far. Nil has none.
func (p *Programs) Compiled() (n int) {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.programs {
		n += x.Compiled()
	}
	return n + p.sample.Compiled()
}

// release removes a user; the last one closes the graphs.
func (p *Programs) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users--; p.users > 0 {
		return
	}
	for _, x := range p.programs {
		x.Close()
	}
	p.sample.Close()
}
