package lm

import (
	"fmt"
	"slices"
	"strings"
)

// Experts are MLPs of which each token passes through a few. As in transformers, the matrices of all of them are one parameter.
type Experts struct {
	Count, Used, Size int  // how many there are, how many a token passes through, and the width of one
	Normalized        bool // the weights of those that are used add up to 1

	// What checkpoints call gate, up and down of one expert, and the folder of a layer in which router and experts are, if not
	// "mlp"; PEFT knows these names too, as older transformers had them.
	gate, up, down, folder string
}

func (e Experts) validate() error {
	if e.Count < 1 || e.Count > 1<<16 || e.Used < 1 || e.Used > e.Count || e.Size < 1 || e.Size > 1<<27 {
		return fmt.Errorf("experts: %d of %d of width %d for each token", e.Used, e.Count, e.Size)
	}
	return nil
}

func (e Experts) param(path string, out, in int) Param {
	return Param{Name: path + ".weight", Shape: []int{e.Count * out, in}, Linear: true, Experts: e.Count}
}

// Piece is a part of a parameter that a checkpoint holds in a tensor of its own: Size elements, from At on in the parameter
// and from From on in the tensor.
type Piece struct {
	Tensor         string
	Shape          []int // of the tensor
	From, At, Size int
}

// Pieces tells how a parameter lies in the safetensors of a model folder.
func (c Config) Pieces(p Param) []Piece {
	folder := func(name string) string {
		if c.Experts.folder == "" {
			return name
		}
		return strings.Replace(name, ".mlp.", "."+c.Experts.folder+".", 1)
	}
	if p.Experts == 0 {
		return []Piece{{Tensor: folder(p.Name), Shape: p.Shape, Size: p.Size()}}
	}
	names := []string{c.Experts.down}
	if c.is(p, ExpertsGateUp) {
		names = []string{c.Experts.gate, c.Experts.up}
	}
	base := folder(p.Name)
	base = base[:strings.LastIndexByte(strings.TrimSuffix(base, ".weight"), '.')] // "….experts"
	shape := []int{p.Shape[0] / p.Experts / len(names), p.Shape[1]}
	var out []Piece
	for i := range p.Experts * len(names) {
		name := fmt.Sprintf("%s.%d.%s.weight", base, i/len(names), names[i%len(names)])
		out = append(out, Piece{Tensor: name, Shape: shape, At: i * size(shape), Size: size(shape)})
	}
	return out
}

// GGUFPieces tells how a parameter lies in a GGUF file: gates and ups of all experts apart.
func (c Config) GGUFPieces(p Param) ([]Piece, error) {
	names := families[c.Family].gguf
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
	shape := []int{p.Experts, p.Shape[0] / p.Experts / len(stems), p.Shape[1]}
	one := size(shape) / p.Experts
	var out []Piece
	for i := range p.Experts * len(stems) {
		name := "blk." + layer + "." + stems[i%len(stems)] + ".weight"
		out = append(out, Piece{Tensor: name, Shape: shape, From: i / len(stems) * one, At: i * one, Size: one})
	}
	return out, nil
}

// is tells whether a parameter is that of a part.
func (c Config) is(p Param, part Part) bool {
	return strings.HasSuffix(p.Name, "."+c.Names[part]+".weight")
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
