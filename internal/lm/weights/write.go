package weights

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"

	"github.com/docent-ml/docent/internal/atomicfile"
)

// WriteOptions are the settings of Write; the zero value is usable.
type WriteOptions struct {
	// Name of the file without ".safetensors"; "" = "model". PEFT's adapters are "adapter_model".
	Name string
	// ShardBytes is the most that the tensors of one file take; a tensor that is larger gets a file of its own.
	// 0 = 5 GB.
	ShardBytes int64
	// Metadata is added to the free-form strings of the header, which always say format: pt.
	Metadata map[string]string
}

// Write stores tensors as safetensors in the folder dir: as Name.safetensors or, when that would exceed ShardBytes,
// as Name-00001-of-0000N.safetensors and so on with Name.safetensors.index.json. The DType of each tensor, F32 or BF16,
// says how it is stored; bfloat16 is rounded to the nearest even, and a finite number beyond its range is an error.
//
// fill is called for one tensor after the other, F32 before BF16 and otherwise in the given order, and must set all of
// dst, which is reused: the Read of a Source will do. ctx is looked at between tensors.
//
// Files are written under temporary names, synced, and renamed once all are complete, so that a failure leaves what was
// there before. Because several renames are not one, only a single file is ever replaced: Write refuses a folder with a
// checkpoint of the same name if that or the new one is in shards.
func Write(ctx context.Context, dir string, tensors []Tensor, fill func(name string, dst []float32) error, o WriteOptions) error {
	if o.Name == "" {
		o.Name = "model"
	}
	if o.ShardBytes == 0 {
		o.ShardBytes = 5_000_000_000
	}
	fault := func(err error) error {
		return &Error{"write", filepath.Join(dir, o.Name+".safetensors"), "", err}
	}
	shards, err := layOut(tensors, o)
	if err != nil {
		return fault(err)
	}
	if err := checkTarget(dir, o.Name, len(shards) > 1); err != nil {
		return fault(err)
	}

	var out []*atomicfile.File
	defer func() {
		for _, f := range out {
			_ = f.Close()
		}
	}()
	create := func(name string, content func(w io.Writer) error) error {
		f, err := atomicfile.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		out = append(out, f)
		if err := content(f); err != nil {
			return err
		}
		return f.Sync()
	}
	var buf []float32
	for _, s := range shards {
		if err := create(s.name, func(w io.Writer) error { return s.write(ctx, w, fill, &buf) }); err != nil {
			return fault(err)
		}
	}
	if len(shards) > 1 {
		if err := create(o.Name+".safetensors.index.json", func(w io.Writer) error { _, err := w.Write(index(shards)); return err }); err != nil {
			return fault(err)
		}
	}
	for _, f := range out {
		if err := f.Commit(); err != nil {
			return fault(err)
		}
	}
	return nil
}

// write streams the header and the tensors, one at a time through *buf.
func (s *shard) write(ctx context.Context, w io.Writer, fill func(string, []float32) error, buf *[]float32) error {
	if _, err := w.Write(s.header); err != nil {
		return err
	}
	raw := make([]byte, 0, 4*pieceElements)
	for _, t := range s.tensors {
		if err := ctx.Err(); err != nil {
			return err
		}
		*buf = resize(*buf, t.Size())
		if err := fill(t.Name, *buf); err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		for piece := range slices.Chunk(*buf, pieceElements) {
			var err error
			if raw, err = encode(raw[:0], t.DType, piece); err != nil {
				return fmt.Errorf("tensor %q: %w", t.Name, err)
			}
			if _, err := w.Write(raw); err != nil {
				return err
			}
		}
	}
	return nil
}

// From is a fill of Write or WriteGGUF for values in memory.
func From(values map[string][]float32) func(name string, dst []float32) error {
	return func(name string, dst []float32) error {
		copy(dst, values[name])
		return nil
	}
}

func encode(raw []byte, dtype DType, values []float32) ([]byte, error) {
	for _, v := range values {
		if dtype == F32 {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
			continue
		}
		half := ToBFloat16(v)
		if half&0x7FFF == 0x7F80 && !math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("%g is beyond the range of bfloat16", v)
		}
		raw = binary.LittleEndian.AppendUint16(raw, half)
	}
	return raw, nil
}
