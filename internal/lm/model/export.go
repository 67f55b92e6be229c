package model

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/docent-ml/docent/internal/atomicfile"
	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// ExportOptions are the settings of Export.
type ExportOptions struct {
	DType      weights.DType // of every weight; F32 or BF16
	ShardBytes int64         // most bytes of one file; 0 = 5 GB
}

// Export writes the model, with the adapter's update added in float32 and then rounded, as a Hugging Face model folder:
// config, generation config, tokenizer, chat template and safetensors. The weights are streamed from the checkpoint, so
// the export needs memory for the largest of them only.
//
// dir appears whole: everything is written to a folder beside it, which takes its place at the end. An earlier folder of
// that name is replaced if it is a model folder too, and refused otherwise.
func (m *Model) Export(ctx context.Context, a *adapter.Adapter, dir string, o ExportOptions) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("export model to %s: %w", dir, err)
		}
	}()
	if a, err = m.Fit(a); err != nil {
		return err
	}
	if err := replaceable(dir); err != nil {
		return err
	}
	return atomicfile.Folder(dir, func(temp string) error {
		if err := m.exportFiles(temp, o); err != nil {
			return err
		}
		return m.exportWeights(ctx, a, temp, o)
	})
}

// exportFiles writes everything but the weights.
func (m *Model) exportFiles(dir string, o ExportOptions) error {
	dtype := map[weights.DType]string{weights.F32: "float32", weights.BF16: "bfloat16"}[o.DType]
	if dtype == "" {
		return fmt.Errorf("weights cannot be stored as %q: use %s or %s", o.DType, weights.F32, weights.BF16)
	}
	config, err := m.Config.HFConfig(dtype)
	if err != nil {
		return err
	}
	generation := m.generationSource
	if generation == nil {
		if generation, err = m.Config.HFGeneration(); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "generation_config.json"), generation, 0o644); err != nil {
		return err
	}
	if err := m.writeRecord(dir, record{Base: cmp.Or(m.Base, m.Ref.Name())}); err != nil || m.Tokenizer == nil {
		return err
	}
	return m.Tokenizer.WriteFiles(dir)
}

func (m *Model) exportWeights(ctx context.Context, a *adapter.Adapter, dir string, o ExportOptions) error {
	var out pieces
	c := m.Config
	c.Experts.MXFP4 = false
	for _, p := range c.Params() {
		out.add(p, c.Pieces(p), o.DType)
	}
	fill := func(name string, dst []float32) error {
		return out.fill(name, dst, func(p lm.Param, at int, dst []float32) error { return m.readMerged(p, at, dst, m.adapter, a) })
	}
	tensors := out.tensors
	return weights.Write(ctx, dir, tensors, fill, weights.WriteOptions{ShardBytes: o.ShardBytes})
}

// replaceable refuses to overwrite a folder that nobody would expect an export to remove.
func replaceable(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if !exists(filepath.Join(dir, "config.json")) {
		return errors.New("the folder is there and is not a model folder: name another one, or empty it")
	}
	return nil
}

// pieces are the tensors of a checkpoint that is written, and what lies in them.
type pieces struct {
	tensors []weights.Tensor
	of      map[string][]piece
}

type piece struct {
	lm.Piece
	param lm.Param
}

func (x *pieces) add(p lm.Param, parts []lm.Piece, dtype weights.DType) {
	if x.of == nil {
		x.of = map[string][]piece{}
	}
	for _, part := range parts {
		if x.of[part.Tensor] == nil {
			x.tensors = append(x.tensors, weights.Tensor{Name: part.Tensor, Shape: part.Shape, DType: dtype})
		}
		x.of[part.Tensor] = append(x.of[part.Tensor], piece{part, p})
	}
}

// fill makes dst a tensor. read fills its dst with a parameter from element at on.
func (x *pieces) fill(name string, dst []float32, read func(p lm.Param, at int, dst []float32) error) error {
	for _, part := range x.of[name] {
		if part.Columns == 0 {
			if err := read(part.param, part.At, dst[part.From:][:part.Size]); err != nil {
				return err
			}
			continue
		}
		values := make([]float32, part.Size)
		if err := read(part.param, part.At, values); err != nil {
			return err
		}
		for i, v := range values {
			dst[part.In(i)] = v
		}
	}
	return nil
}
