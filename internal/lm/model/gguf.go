package model

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// fileTypes are the values of general.file_type.
var fileTypes = map[weights.DType]uint32{weights.F32: 0, "F16": 1, "Q4_0": 2, "Q8_0": 7, weights.BF16: 32}

// ExportGGUF writes the model with the adapter's update added, in float32, as one GGUF file for llama.cpp: tokenizer, chat
// template, and weights in the given type, norms and biases in F32 as its converter does. With Q4_0 embeddings and the head are
// Q8_0, and matrices whose rows are no multiple of 32 are F16. A model of which the file would say something else, as docent
// reads it, is refused; the file appears whole or not at all.
func (m *Model) ExportGGUF(ctx context.Context, a *adapter.Adapter, file string, dtype weights.DType) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("export model to %s: %w", file, err)
		}
	}()
	if a, err = m.Fit(a); err != nil {
		return err
	}
	if m.Tokenizer == nil {
		return fmt.Errorf("%w: GGUF needs a tokenizer, and the model has none", lm.ErrUnsupported)
	}
	metadata, err := m.Config.GGUFHeader()
	if err != nil {
		return err
	}
	fileType, ok := fileTypes[dtype]
	if !ok {
		return fmt.Errorf("weights cannot be stored as %q: use F32, F16, BF16, Q8_0 or Q4_0", dtype)
	}
	metadata["general.file_type"] = fileType
	metadata["general.name"] = filepath.Base(m.Ref.Name())
	text, err := m.Tokenizer.GGUF(m.Config.VocabSize)
	if err != nil {
		return err
	}
	for key, v := range text {
		metadata[key] = v
	}
	var out pieces
	for _, p := range m.Config.Params() {
		parts, err := m.Config.GGUFPieces(p)
		if err != nil {
			return err
		}
		out.add(p, parts, storedAs(p, dtype))
	}
	factors := m.Config.GGUFRopeFactors()
	arch, _ := lm.NamesOfGGUF(metadata["general.architecture"].(string))
	fill := func(name string, dst []float32) error {
		if factors[name] != nil {
			copy(dst, factors[name])
			return nil
		}
		return out.fill(name, dst, func(p lm.Param, at int, dst []float32) error {
			if err := m.readMerged(p, at, dst, m.adapter, a); err != nil {
				return err
			}
			m.convert(p, arch, dst)
			return nil
		})
	}
	var tensors []weights.Tensor
	for _, x := range out.tensors {
		if !strings.HasPrefix(x.Name, lm.GGUFNumbers) {
			tensors = append(tensors, x)
			continue
		}
		numbers := make([]float32, x.Size())
		if err := fill(x.Name, numbers); err != nil {
			return err
		}
		metadata[x.Name] = numbers
	}
	for _, name := range slices.Sorted(maps.Keys(factors)) {
		tensors = append(tensors, weights.Tensor{Name: name, Shape: []int{len(factors[name])}, DType: weights.F32})
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	temp := file + ".part"
	defer os.Remove(temp)
	if err := weights.WriteGGUF(ctx, temp, metadata, tensors, fill); err != nil {
		return err
	}
	if err := m.checkGGUF(temp); err != nil {
		return err
	}
	return os.Rename(temp, file)
}

// storedAs is the type of a weight in a file of a type.
func storedAs(p lm.Param, dtype weights.DType) weights.DType {
	quantised := dtype == "Q8_0" || dtype == "Q4_0"
	switch {
	case len(p.Shape) < 2 || p.Router || p.Small:
		return weights.F32
	case quantised && p.Shape[1]%32 != 0:
		return "F16"
	case dtype == "Q4_0" && !p.Linear:
		return "Q8_0"
	}
	return dtype
}

// convert does what llama.cpp's converter does to a weight.
func (m *Model) convert(p lm.Param, arch lm.GGUFNames, dst []float32) {
	if arch.UnitNorms && strings.HasSuffix(p.Name, "norm.weight") {
		for i := range dst {
			dst[i]++
		}
	}
	heads := 0
	switch {
	case arch.Permuted && strings.Contains(p.Name, ".q_proj."):
		heads = m.Config.Heads
	case arch.Permuted && strings.Contains(p.Name, ".k_proj."):
		heads = m.Config.KVHeads
	}
	if heads > 0 { // rows i and i + half of a head, which rotate together, become neighbours
		in, half := len(dst)/p.Shape[0], p.Shape[0]/heads/2
		old := append([]float32(nil), dst...)
		for row := range p.Shape[0] {
			head, at := row/(2*half), row%(2*half)
			from := head*2*half + at%2*half + at/2
			copy(dst[row*in:(row+1)*in], old[from*in:])
		}
	}
}

// checkGGUF reads a file back and compares what it says with the model.
func (m *Model) checkGGUF(file string) error {
	src, err := weights.OpenGGUF(file)
	if err != nil {
		return err
	}
	defer src.Close()
	c, err := src.Config()
	if err != nil {
		return err
	}
	if err := src.Join(c.Params(), c.GGUFPieces); err != nil {
		return err
	}
	if err := weights.Check(weights.Expected(c), src); err != nil {
		return err
	}
	if other := m.Config.Differences(c); len(other) > 0 {
		return fmt.Errorf("%w: GGUF cannot say all that %s computes here: %s", lm.ErrUnsupported, m.Config.Family, strings.Join(other, "; "))
	}
	return nil
}
