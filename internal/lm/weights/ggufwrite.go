package weights

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/docent-ml/docent/internal/atomicfile"
)

// ggufAlign is where tensors begin: at multiples of it.
const ggufAlign = 32

// ggufEncoders are the types that WriteGGUF writes, by the block.
var ggufEncoders = map[DType]func(out []byte, block []float32) []byte{
	F32: func(out []byte, x []float32) []byte {
		return binary.LittleEndian.AppendUint32(out, math.Float32bits(x[0]))
	},
	"F16":  func(out []byte, x []float32) []byte { return appendHalf(out, x[0]) },
	BF16:   func(out []byte, x []float32) []byte { return binary.LittleEndian.AppendUint16(out, ToBFloat16(x[0])) },
	"Q8_0": encodeQ8_0,
	"Q4_0": encodeQ4_0,
}

func appendHalf(out []byte, x float32) []byte {
	return binary.LittleEndian.AppendUint16(out, ToHalf(x))
}

// encodeQ8_0 is ggml's quantize_row_q8_0_ref: the largest magnitude becomes 127.
func encodeQ8_0(out []byte, x []float32) []byte {
	var top float32
	for _, v := range x {
		top = max(top, v, -v)
	}
	d, inverse := top/127, float32(0)
	if d != 0 {
		inverse = 1 / d
	}
	out = appendHalf(out, d)
	for _, v := range x {
		out = append(out, byte(int8(math.Round(float64(v*inverse)))))
	}
	return out
}

// encodeQ4_0 is ggml's quantize_row_q4_0_ref: the value of the largest magnitude becomes -8.
func encodeQ4_0(out []byte, x []float32) []byte {
	var top float32
	for _, v := range x {
		if max(v, -v) > max(top, -top) {
			top = v
		}
	}
	d, inverse := top/-8, float32(0)
	if d != 0 {
		inverse = 1 / d
	}
	out = appendHalf(out, d)
	nibble := func(v float32) byte { return min(15, byte(int8(float32(v*inverse)+8.5))) }
	for i := range 16 {
		out = append(out, nibble(x[i])|nibble(x[i+16])<<4)
	}
	return out
}

// WriteGGUF stores tensors, under their names in GGUF, as one file of version 3. The DType of each, F32, F16, BF16, Q8_0 or Q4_0,
// says how it is stored; rows of quantised ones divide into blocks of 32. Values of metadata are bool, uint32, float32, string,
// []string, []int32 or []float32. fill is called for one tensor after the other and must set all of dst, which is reused.
// The file appears whole.
func WriteGGUF(ctx context.Context, path string, metadata map[string]any, tensors []Tensor, fill func(name string, dst []float32) error) error {
	fault := func(err error) error { return &Error{"write", path, "", err} }
	header, err := ggufHeader(metadata, tensors)
	if err != nil {
		return fault(err)
	}
	f, err := atomicfile.Create(path)
	if err != nil {
		return fault(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	if _, err := w.Write(header); err != nil {
		return fault(err)
	}
	var values []float32
	for _, t := range tensors {
		values = resize(values, t.Size())
		err := ctx.Err()
		if err == nil {
			err = fill(t.Name, values)
		}
		if err == nil {
			err = writeBlocks(w, t, values)
		}
		if err != nil {
			return fault(fmt.Errorf("tensor %q: %w", t.Name, err))
		}
	}
	if err := w.Flush(); err != nil {
		return fault(err)
	}
	return f.Commit()
}

// writeBlocks encodes a tensor and fills up to where the next one may begin.
func writeBlocks(w io.Writer, t Tensor, values []float32) error {
	encode, size := ggufEncoders[t.DType], codecOf(t.DType).block
	limit := map[DType]float64{F32: math.MaxFloat32, BF16: math.MaxFloat32}[t.DType]
	if limit == 0 {
		limit = 65504 // of half precision, in which scales are too, for numbers that are a multiple larger
	}
	raw := make([]byte, 0, 4*pieceElements)
	written := 0
	for piece := range slices.Chunk(values, pieceElements) {
		raw = raw[:0]
		for block := range slices.Chunk(piece, size) {
			for _, v := range block {
				if !(math.Abs(float64(v)) <= limit) {
					return fmt.Errorf("%g is beyond the range of %s", v, t.DType)
				}
			}
			raw = encode(raw, block)
		}
		if _, err := w.Write(raw); err != nil {
			return err
		}
		written += len(raw)
	}
	_, err := w.Write(make([]byte, -written&(ggufAlign-1)))
	return err
}

// codecOf finds a type of GGUF by its name.
func codecOf(dtype DType) codec {
	for _, c := range ggufCodecs {
		if c.dtype == dtype {
			return c
		}
	}
	return codec{}
}

// ggufHeader is all that stands before the first tensor.
func ggufHeader(metadata map[string]any, tensors []Tensor) ([]byte, error) {
	b := []byte("GGUF")
	u32 := func(v uint32) { b = binary.LittleEndian.AppendUint32(b, v) }
	u64 := func(v uint64) { b = binary.LittleEndian.AppendUint64(b, v) }
	text := func(s string) {
		u64(uint64(len(s)))
		b = append(b, s...)
	}
	list := func(kind uint32, n int) {
		u32(ggufArray)
		u32(kind)
		u64(uint64(n))
	}
	u32(3)
	u64(uint64(len(tensors)))
	u64(uint64(len(metadata)))
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		text(key)
		switch v := metadata[key].(type) {
		case bool:
			u32(ggufBool)
			b = append(b, map[bool]byte{true: 1}[v])
		case uint32:
			u32(ggufUint32)
			u32(v)
		case float32:
			u32(ggufFloat32)
			u32(math.Float32bits(v))
		case string:
			u32(ggufString)
			text(v)
		case []string:
			list(ggufString, len(v))
			for _, s := range v {
				text(s)
			}
		case []int32:
			list(ggufInt32, len(v))
			for _, n := range v {
				u32(uint32(n))
			}
		case []float32:
			list(ggufFloat32, len(v))
			for _, x := range v {
				u32(math.Float32bits(x))
			}
		default:
			return nil, fmt.Errorf("metadata %s: a %T cannot be stored", key, v)
		}
	}
	offset := uint64(0)
	for _, t := range tensors {
		c := codecOf(t.DType)
		if ggufEncoders[t.DType] == nil || t.Shape[len(t.Shape)-1]%c.block != 0 {
			return nil, fmt.Errorf("tensor %q %v cannot be stored as %s", t.Name, t.Shape, t.DType)
		}
		text(t.Name)
		u32(uint32(len(t.Shape)))
		for _, d := range slices.Backward(t.Shape) {
			u64(uint64(d))
		}
		for number, known := range ggufCodecs {
			if known.dtype == t.DType {
				u32(number)
			}
		}
		u64(offset)
		size := t.Size() / c.block * c.bytes
		offset += uint64(size + -size&(ggufAlign-1))
	}
	return append(b, make([]byte, -len(b)&(ggufAlign-1))...), nil
}
