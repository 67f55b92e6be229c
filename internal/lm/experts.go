package lm

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Experts are MLPs of which each token passes through a few. As in transformers, the matrices of all of them are one parameter.
type Experts struct {
	Count, Used, Size int  // how many there are, how many a token passes through, and the width of one
	Normalized        bool // the weights of those that are used add up to 1
	Bias              bool // router and experts have biases

	// Of the activation Bounded: the most that gate and up are, and the factor in the sigmoid.
	Limit, Slope float64

	// Fused: the checkpoint has one tensor for all experts, in which outputs of gate and up alternate: [experts, in, out], or with
	// MXFP4 [experts, out, in]. PEFT then has no module for router and experts.
	Fused, MXFP4 bool
	// Else what checkpoints call gate, up and down of one expert, and the folder of a layer in which router and experts are, if not
	// "mlp"; PEFT knows these names too, as older transformers had them.
	gate, up, down, folder string
}

func (e Experts) validate() error {
	if e.Limit < 0 || e.Bias && !(e.Limit > 0 && e.Slope > 0) {
		return fmt.Errorf("swiglu_limit %g and swiglu_alpha %g must be positive", e.Limit, e.Slope)
	}
	if e.Count < 1 || e.Count > 1<<16 || e.Used < 1 || e.Used > e.Count || e.Size < 1 || e.Size > 1<<27 {
		return fmt.Errorf("experts: %d of %d of width %d for each token", e.Used, e.Count, e.Size)
	}
	return nil
}

func (e Experts) params(path string, out, in int) []Param {
	all := []Param{{Name: path + ".weight", Shape: []int{e.Count * out, in}, Linear: true, Experts: e.Count}}
	if e.Bias {
		all = append(all, Param{Name: path + ".bias", Shape: []int{e.Count * out}, Experts: e.Count})
	}
	return all
}

// Piece is a part of a parameter that a checkpoint holds in a tensor of its own: Size elements, from At on in the parameter
// and from From on in the tensor.
type Piece struct {
	Tensor         string
	Shape          []int // of the tensor
	From, At, Size int
	// Where Columns is not 0 the elements lie apart in the tensor: those of a row of so many by Step, and rows by RowStep.
	Columns, Step, RowStep int
}

// In is where element i of the piece is in the tensor.
func (x Piece) In(i int) int {
	if x.Columns == 0 {
		return x.From + i
	}
	return x.From + i/x.Columns*x.RowStep + i%x.Columns*x.Step
}

// Pieces tells how a parameter lies in the safetensors of a model folder.
func (c Config) Pieces(p Param) []Piece {
	name := p.Name
	if c.Experts.folder != "" {
		name = strings.Replace(name, ".mlp.", "."+c.Experts.folder+".", 1)
	}
	if c.is(p, Sinks) {
		name = strings.TrimSuffix(name, ".weight")
	}
	if p.Name == FinalNorm {
		name = cmp.Or(families[c.Family].finalNorm, name)
	}
	switch {
	case c.is(p, Conv):
		return []Piece{{Tensor: name, Shape: []int{p.Shape[0], 1, p.Shape[1]}, Size: p.Size()}}
	case p.Experts == 0:
		return []Piece{{Tensor: name, Shape: p.Shape, Size: p.Size()}}
	case c.Experts.Fused:
		return c.fusedPieces(p)
	}
	names := []string{c.Experts.down}
	if c.is(p, ExpertsGateUp) {
		names = []string{c.Experts.gate, c.Experts.up}
	}
	base := name[:strings.LastIndexByte(strings.TrimSuffix(name, ".weight"), '.')] // "….experts"
	shape := []int{p.Shape[0] / p.Experts / len(names), p.Shape[1]}
	var out []Piece
	for i := range p.Experts * len(names) {
		name := fmt.Sprintf("%s.%d.%s.weight", base, i/len(names), names[i%len(names)])
		out = append(out, Piece{Tensor: name, Shape: shape, At: i * size(shape), Size: size(shape)})
	}
	return out
}

// fusedPieces are those of the parameters of all experts: gates and ups of each.
func (c Config) fusedPieces(p Param) (out []Piece) {
	parts := 1
	if c.is(p, ExpertsGateUp) {
		parts = 2
	}
	rows, in := p.Shape[0]/p.Experts, size(p.Shape[1:]) // of an expert
	x := Piece{
		Tensor: strings.TrimSuffix(p.Name, ".weight"), Shape: []int{p.Experts, in, rows},
		Size: rows / parts * in, Columns: in, Step: rows, RowStep: parts,
	}
	apart := 1 // the first gate and the first up
	if base, bias := strings.CutSuffix(p.Name, ".bias"); bias {
		x.Tensor, x.Shape = base+"_bias", []int{p.Experts, rows}
	} else if c.Experts.MXFP4 {
		x.Shape, x.Step, x.RowStep, apart = []int{p.Experts, rows, in}, 1, parts*in, in
	}
	for i := range p.Experts * parts {
		x.At, x.From = i*x.Size, i/parts*rows*in+i%parts*apart
		out = append(out, x)
	}
	return out
}

// GGUFNumbers begins the names of tensors that a GGUF file has in its header: the numbers of the activations of all layers.
const GGUFNumbers = "xielu."

// GGUFPieces tells how a parameter lies in a GGUF file: gates and ups of all experts apart.
func (c Config) GGUFPieces(p Param) ([]Piece, error) {
	names := families[c.Family].gguf
	if layer, number, ok := strings.Cut(strings.TrimPrefix(p.Name, "model.layers."), "."+c.Names[Act]+"."); ok && c.Names[Act] != "" {
		i, err := strconv.Atoi(layer)
		return []Piece{{Tensor: GGUFNumbers + number, Shape: []int{c.Layers}, From: i, Size: 1}}, err
	}
	if p.Experts == 0 {
		name, err := c.GGUFName(p.Name)
		return []Piece{{Tensor: name, Shape: p.Shape, Size: p.Size()}}, err
	}
	if names.names[Router] == "" {
		return nil, fmt.Errorf("%w: GGUF has no name for %s of %s", ErrUnsupported, p.Name, c.Family)
	}
	stems := []string{"ffn_down_exps"}
	if c.is(p, ExpertsGateUp) {
		stems = []string{"ffn_gate_exps", "ffn_up_exps"}
	}
	layer, _, _ := strings.Cut(strings.TrimPrefix(p.Name, "model.layers."), ".")
	shape := append([]int{p.Experts, p.Shape[0] / p.Experts / len(stems)}, p.Shape[1:]...)
	one := size(shape) / p.Experts
	var out []Piece
	for i := range p.Experts * len(stems) {
		name := "blk." + layer + "." + stems[i%len(stems)] + p.Name[strings.LastIndexByte(p.Name, '.'):]
		out = append(out, Piece{Tensor: name, Shape: shape, From: i / len(stems) * one, At: i * one, Size: one})
	}
	return out, nil
}

// is tells whether a parameter is that of a part.
func (c Config) is(p Param, part Part) bool {
	name := c.Names[part]
	return name != "" && (strings.HasSuffix(p.Name, "."+name+".weight") || strings.HasSuffix(p.Name, "."+name+".bias"))
}

func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Target tells whether PEFT finds a projection by its name and by "all-linear". It takes the names of gate, up and down for those
// of experts, so that it does not find those of layers with an MLP beside layers with experts.
func (c Config) Target(p Param) bool {
	e, name := c.Experts, strings.TrimSuffix(p.Name, ".weight")
	if e.Fused {
		return !p.Router && p.Experts == 0
	}
	return e.gate == "" || p.Experts > 0 || !slices.Contains([]string{e.gate, e.up, e.down}, name[strings.LastIndexByte(name, '.')+1:])
}

// FusedTargets are the names by which PEFT's targets mean a module of router and experts that transformers 5 has in place of
// several, all of which must be named; empty for others.
func (c Config) FusedTargets(p Param) []string {
	switch e := c.Experts; {
	case e.gate == "" || !p.Router && p.Experts == 0:
		return nil
	case p.Router:
		return []string{"gate"}
	case c.is(p, ExpertsGateUp):
		return []string{e.gate, e.up}
	default:
		return []string{e.down}
	}
}

// expertNames are the parts of layers with experts.
var (
	expertNames     = Names{Router: "mlp.gate", ExpertsGateUp: "mlp.experts.gate_up_proj", ExpertsDown: "mlp.experts.down_proj"}
	expertNamesGGUF = Names{Router: "ffn_gate_inp"}
)

// denseAt makes the given layers have an MLP, and the others experts.
func (c *Config) denseAt(dense func(layer int) bool) {
	c.Lacks = make([][]Part, c.Layers)
	for i := range c.Lacks {
		c.Lacks[i] = []Part{Gate, Up, Down}
		if dense(i) {
			c.Lacks[i] = []Part{Router, ExpertsGateUp, ExpertsDown}
		}
	}
	if !slices.ContainsFunc(c.Lacks, func(x []Part) bool { return x[0] == Router }) { // no layer has an MLP
		c.Names, c.Lacks = c.Names.without(Gate, Up, Down), nil
	}
}
