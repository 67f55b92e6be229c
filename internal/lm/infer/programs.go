package infer

import (
	"maps"
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

	prefill  *device.Program // a piece of one prompt
	decode   *device.Program // one token of every slot
	insert   *device.Program // a prompt into a slot
	flush    *device.Program // the recent part into the past
	resizers map[[2]int]*device.Program
	sample   *sample.Programs
	texts    *whole // nil until a text is embedded or scored
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

func newPrograms(m *model.Model, backend compute.Backend) (*Programs, error) {
	p := &Programs{backend: backend, config: shapeOf(m.Config), transposed: m.Transposed, users: 1, resizers: map[[2]int]*device.Program{}}
	p.sample = sample.NewPrograms(backend, p.config.VocabSize)
	n := 2 * p.config.Layers
	var err error
	// in: tokens [1, width], length [1], index [1, 1] of the last real token, past, weights. out: logits [vocab], past.
	p.prefill, err = device.NewProgram(backend, "prefill", func(in []*Node) []*Node {
		d := p.decoder(in[3+n:])
		past := pairs(in[3 : 3+n])
		h, recent := d.Extended(in[0], decoder.Cached{Past: past, Lengths: in[1]})
		last := Gather(h, in[2]) // [1, hidden]
		for i := range past {
			past[i] = fold(past[i], recent[i], in[1])
		}
		return append([]*Node{Reshape(d.Logits(last), p.config.VocabSize)}, flat(past)...)
	})
	if err != nil {
		return p, err
	}
	// in: tokens [slots, 1], lengths [slots], column, past, recent, weights. out: logits [slots, vocab], recent.
	p.decode, err = device.NewProgram(backend, "decode", func(in []*Node) []*Node {
		d := p.decoder(in[3+2*n:])
		h, recent := d.Extended(in[0], decoder.Cached{Past: pairs(in[3 : 3+n]), Lengths: in[1], Recent: pairs(in[3+n : 3+2*n]), Column: in[2]})
		return append([]*Node{d.Logits(h)}, flat(recent)...)
	})
	if err != nil {
		return p, err
	}
	// in: slot, the prompt's keys and values, past. out: past.
	p.insert, err = device.NewProgram(backend, "insert", func(in []*Node) []*Node {
		out := make([]*Node, n)
		for i, past := range in[1+n:] {
			out[i] = putSlot(past, in[1+i], in[0])
		}
		return out
	})
	if err != nil {
		return p, err
	}
	// in: lengths [slots], past, recent. out: past.
	p.flush, err = device.NewProgram(backend, "flush", func(in []*Node) []*Node {
		past, recent := pairs(in[1:1+n]), pairs(in[1+n:])
		for i := range past {
			past[i] = fold(past[i], recent[i], in[0])
		}
		return flat(past)
	})
	return p, err
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
	rows, positions, dim := past.V.Shape().Dim(0), past.V.Shape().Dim(1), past.V.Shape().Dim(2)
	width := recent.V.Shape().Dim(1)
	length := Reshape(BroadcastToDims(Reshape(lengths, slots, 1), slots, rows/slots), rows, 1) // per row

	index := Sub(Iota(g, shapes.Make(dtypes.Int32, rows, positions), 1), BroadcastToDims(length, rows, positions))
	top := Scalar(g, dtypes.Int32, width-1)
	valid := And(GreaterOrEqual(index, ZerosLike(index)), LessOrEqual(index, BroadcastToDims(top, rows, positions)))
	index = Clip(index, ScalarZero(g, dtypes.Int32), top)
	index = Add(index, MulScalar(Iota(g, index.Shape(), 0), width)) // into [rows·width, dim]

	moved := func(x *Node) *Node { // [rows, width, dim] to [rows, positions, dim]
		return Reshape(Gather(Reshape(x, rows*width, dim), Reshape(index, rows*positions, 1)), rows, positions, dim)
	}
	k := TransposeAllAxes(moved(TransposeAllAxes(recent.K, 0, 2, 1)), 0, 2, 1)
	return decoder.KV{
		K: Where(BroadcastToDims(InsertAxes(valid, 1), rows, dim, positions), k, past.K),
		V: Where(BroadcastToDims(InsertAxes(valid, -1), rows, positions, dim), moved(recent.V), past.V),
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

// decoder is the model on the weights among the inputs of a graph.
func (p *Programs) decoder(weights []*Node) *decoder.Decoder {
	return &decoder.Decoder{Config: p.config, Weights: model.Nodes(p.config, weights), Transposed: p.transposed}
}

// resize cuts keys and values, or pads them with zeros, to other numbers of rows and positions.
func (p *Programs) resize(rows, positions int, c *cache) (*cache, error) {
	key := [2]int{rows, positions}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resizers[key] == nil {
		program, err := device.NewProgram(p.backend, "resize", func(in []*Node) []*Node {
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
		p.resizers[key] = program
	}
	out, err := p.resizers[key].Run(anys(c.tensors))
	return newCache(out), err
}

// Compiled is the number of graphs that were compiled so far. Nil has none.
func (p *Programs) Compiled() (n int) {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.all() {
		n += x.Compiled()
	}
	return n + p.sample.Compiled()
}

// all are the programs that exist.
func (p *Programs) all() []*device.Program {
	all := slices.AppendSeq([]*device.Program{p.prefill, p.decode, p.insert, p.flush}, maps.Values(p.resizers))
	if p.texts != nil {
		all = append(all, p.texts.hidden, p.texts.head)
	}
	return all
}

// release removes a user; the last one closes the graphs.
func (p *Programs) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users--; p.users > 0 {
		return
	}
	for _, x := range p.all() {
		x.Close()
	}
	p.sample.Close()
}
