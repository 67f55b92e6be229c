package adapter

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// part is what PEFT has of a module under the module's path and a suffix.
type part struct {
	suffix string
	dims   int
	set    func(m *Module, shape []int, values []float32) // nil = it is rows of an embedding
}

const (
	matrixA    = ".lora_A.weight"
	matrixB    = ".lora_B.weight"
	biasOfB    = ".lora_B.bias"
	magnitude  = ".lora_magnitude_vector"
	embeddingA = ".lora_embedding_A" // [rank, vocab]
	embeddingB = ".lora_embedding_B" // [hidden, rank]
	tokenRows  = ".token_adapter.trainable_tokens_delta"
)

var parts = []part{
	{matrixA, 2, func(m *Module, shape []int, values []float32) { m.Rank, m.In, m.A = shape[0], shape[1], values }},
	{matrixB, 2, func(m *Module, shape []int, values []float32) { m.Out, m.B = shape[0], values }},
	{embeddingA, 2, func(m *Module, shape []int, values []float32) { m.Out, m.B = shape[1], transposed(values, shape[1]) }},
	{embeddingB, 2, func(m *Module, shape []int, values []float32) {
		m.Rank, m.In, m.A = shape[1], shape[0], transposed(values, shape[1])
	}},
	{biasOfB, 1, func(m *Module, _ []int, values []float32) { m.Bias = values }},
	{magnitude, 1, func(m *Module, _ []int, values []float32) { m.Magnitude = values }},
	{tokenRows, 2, nil},
}

// Paths of the matrices outside the layers.
var (
	embedding = strings.TrimSuffix(lm.EmbedTokens, ".weight")
	head      = strings.TrimSuffix(lm.LMHead, ".weight")
)

func (a *Adapter) read(src weights.Source) error {
	var unknown []string
	modules, seen := map[string]*Module{}, map[string]string{}
	for _, t := range src.Tensors() {
		if strings.Contains(t.Name, ".modules_to_save.") || strings.Contains(t.Name, ".original_module.") {
			continue // what PEFT adds where the vocabulary has grown; the former is there under the module's own name
		}
		name, path, part := a.Config.tensor(t.Name)
		if name == "" && (part == nil || len(t.Shape) != part.dims) {
			unknown = append(unknown, t.Name)
			continue
		}
		values := make([]float32, t.Size())
		if err := src.Read(t.Name, values); err != nil {
			return err
		}
		for _, v := range values {
			if v-v != 0 { // NaN and both infinities
				return fmt.Errorf("%w: %s has a value that is not finite", ErrFormat, t.Name)
			}
		}
		place := name
		if part != nil {
			place = path + part.suffix
		}
		if other := seen[place]; other != "" {
			return fmt.Errorf("%w: %s and %s are the same", ErrFormat, other, t.Name)
		}
		seen[place] = t.Name
		switch {
		case part == nil:
			a.Weights[name] = Weight{t.Shape, values}
		case part.set == nil:
			tokens := a.Config.tokens(path)
			if len(tokens) != t.Shape[0] {
				return fmt.Errorf("%w: %s has %d rows for the %d tokens of trainable_token_indices", ErrFormat, t.Name, t.Shape[0], len(tokens))
			}
			a.Rows[path+".weight"] = Rows{tokens, values}
		default:
			if modules[path] == nil {
				modules[path] = &Module{}
			}
			part.set(modules[path], t.Shape, values)
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("%w: tensors that its configuration does not explain: %s", ErrFormat, strings.Join(unknown, ", "))
	}
	if len(modules)+len(a.Weights)+len(a.Rows) == 0 {
		return fmt.Errorf("%w: it has no tensors", ErrFormat)
	}
	for _, name := range a.Config.ModulesToSave {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(a.Weights)), func(w string) bool { return strings.Contains(w, name+".") }) {
			return fmt.Errorf("%w: modules_to_save names %s, of which there is no tensor", ErrFormat, name)
		}
	}
	for _, name := range a.Config.Parameters {
		one := Config{Parameters: []string{name}}
		if !slices.ContainsFunc(slices.Collect(maps.Keys(modules)), one.parameter) {
			return fmt.Errorf("%w: target_parameters names %s, of which there is no tensor", ErrFormat, name)
		}
	}
	if len(a.Rows) == 0 && len(a.Config.tokensOf) > 0 {
		return fmt.Errorf("%w: trainable_token_indices is set, and there is no tensor %s", ErrFormat, tokenRows)
	}
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		m, err := a.Config.module(path, *modules[path])
		if err != nil {
			return err
		}
		a.Modules[path] = m
	}
	return a.fuse()
}

// module checks that all parts of a module are there, and gives it its scale.
func (c Config) module(path string, m Module) (Module, error) {
	rank, err := c.rank(path)
	if err != nil {
		return m, err
	}
	_, inside := Layer(path)
	if strings.HasSuffix(path, experts+gateUp) || strings.HasSuffix(path, experts+down) {
		if m.In == 0 || m.Out == 0 || len(m.A)%(m.In*rank) != 0 || len(m.A)/m.In*m.Out != len(m.B) {
			return m, fmt.Errorf("%w: module %s: A and B must both be there with a multiple of rank %d", ErrFormat, path, rank)
		}
		m = m.stacked(rank)
		rank *= m.Experts // of the shapes, in what follows
	}
	wrong := func(vector []float32, wanted bool) bool {
		return wanted && len(vector) != m.Out || !wanted && vector != nil
	}
	switch {
	case len(m.A) != rank*m.In || len(m.B) != m.Out*rank || len(m.A) == 0 || len(m.B) == 0:
		return m, fmt.Errorf("%w: module %s: A and B must both be there with rank %d", ErrFormat, path, rank)
	case !inside && (c.DoRA || c.LoRABias):
		return m, fmt.Errorf("%w: module %s: use_dora and lora_bias are computed inside the layers only", ErrFormat, path)
	case wrong(m.Magnitude, c.DoRA):
		return m, fmt.Errorf("%w: module %s: use_dora is %v, and lora_magnitude_vector has %d numbers for %d rows", ErrFormat, path, c.DoRA, len(m.Magnitude), m.Out)
	case wrong(m.Bias, c.LoRABias):
		return m, fmt.Errorf("%w: module %s: lora_bias is %v, and lora_B.bias has %d numbers for %d rows", ErrFormat, path, c.LoRABias, len(m.Bias), m.Out)
	}
	m.Rank = rank / max(1, m.Experts)
	m.Scale, err = c.scale(path, m.Rank)
	return m, err
}

// tensor takes a name of PEFT apart: into the path of a module and a part of it, or into the name of a parameter.
func (c Config) tensor(name string) (parameter, path string, of *part) {
	name = strings.TrimPrefix(name, prefix)
	for _, text := range []string{wrapped, "language_model.model."} { // of transformers 5 and 4
		if rest, ok := strings.CutPrefix(name, text); ok {
			name = "model." + rest
		}
	}
	// The adapter's own name stands before ".weight" in files saved by some trainers.
	name = strings.Replace(name, ".default.weight", ".weight", 1)
	name = strings.Replace(name, magnitude+".weight", magnitude, 1) // of older PEFT
	for i, part := range parts {
		if path, ok := strings.CutSuffix(name, part.suffix); ok {
			return "", c.expertsPath(path), &parts[i]
		}
	}
	name = strings.Replace(name, ".token_adapter", "", 1)
	path, inBase := strings.CutSuffix(strings.TrimSuffix(strings.TrimSuffix(name, ".weight"), ".bias"), ".base_layer")
	saved := slices.ContainsFunc(c.ModulesToSave, func(end string) bool { return strings.Contains(path+".", end+".") }) // a module that has it inside, too
	switch bias := strings.HasSuffix(name, ".bias"); {
	case saved, bias && c.Bias != "", inBase && !bias, path == embedding, path == head:
		return strings.Replace(name, ".base_layer.", ".", 1), "", nil
	}
	return "", "", nil
}

// tensors calls add for what the file holds.
func (a *Adapter) tensors(add func(name string, data []float32, shape ...int)) {
	outside := func(path string) string {
		if rest, ok := strings.CutPrefix(path, "model."); ok && a.Config.Wrapped {
			path = wrapped + rest
		}
		return prefix + path
	}
	for _, path := range a.Paths() {
		m, at := a.Modules[path], outside(a.expertsTensor(path))
		if m.Experts > 0 {
			add(at+matrixA, m.A, m.Experts*m.Rank, m.In)
			add(at+matrixB, m.unstacked(), m.Out, m.Rank*m.Experts)
			continue
		}
		if path == embedding {
			add(at+embeddingA, transposed(m.B, m.Rank), m.Rank, m.Out)
			add(at+embeddingB, transposed(m.A, m.In), m.In, m.Rank)
			if !a.Config.Tied {
				continue
			}
			at = prefix + head
		}
		add(at+matrixA, m.A, m.Rank, m.In)
		add(at+matrixB, m.B, m.Out, m.Rank)
		if m.Magnitude != nil {
			add(at+magnitude, m.Magnitude, m.Out)
		}
		if m.Bias != nil {
			add(at+biasOfB, m.Bias, m.Out)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Weights)) {
		w := a.Weights[name]
		path, last := name[:strings.LastIndexByte(name, '.')], name[strings.LastIndexByte(name, '.'):]
		if _, ok := a.Modules[path]; ok {
			path += ".base_layer"
		} else if _, ok := a.Rows[name]; ok {
			path += ".token_adapter.base_layer"
		}
		add(outside(path)+last, w.Values, w.Shape...)
		if name == lm.EmbedTokens && a.Config.Tied && a.Weights[lm.LMHead].Values == nil {
			add(prefix+head+strings.TrimPrefix(path, embedding)+last, w.Values, w.Shape...)
		}
	}
	for name, rows := range a.Rows {
		add(outside(strings.TrimSuffix(name, ".weight"))+tokenRows, rows.Values, len(rows.Tokens), len(rows.Values)/len(rows.Tokens))
	}
}

// transposed is x [rows, columns] with the axes exchanged.
func transposed(x []float32, columns int) []float32 {
	rows := len(x) / columns
	out := make([]float32, len(x))
	for i, v := range x {
		out[i%columns*rows+i/columns] = v
	}
	return out
}

// Ties tells whether the adapter makes the same of the embedding and of the head of a model in which they are one matrix. Rows of
// tokens are trained for both.
func (a *Adapter) Ties() bool {
	w, v := a.Weights[lm.EmbedTokens], a.Weights[lm.LMHead]
	m, n := a.Modules[embedding], a.Modules[head]
	rows, both := a.Rows[lm.LMHead]
	if a.Config.Tied && v.Values == nil && n.A == nil && !both { // trained here
		return true
	}
	return slices.Equal(w.Values, v.Values) && slices.Equal(m.A, n.A) && slices.Equal(m.B, n.B) && m.Scale == n.Scale &&
		(!both || slices.Equal(rows.Values, a.Rows[lm.EmbedTokens].Values))
}

// Tied is an adapter that Ties, without what it says twice.
func (a *Adapter) Tied() *Adapter {
	out := *a
	out.Modules, out.Weights, out.Rows = maps.Clone(a.Modules), maps.Clone(a.Weights), maps.Clone(a.Rows)
	delete(out.Modules, head)
	delete(out.Weights, lm.LMHead)
	delete(out.Rows, lm.LMHead)
	return &out
}
