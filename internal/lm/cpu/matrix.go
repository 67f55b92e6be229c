package cpu

import (
	"fmt"
	"slices"
)

// matrix is the weight [out, in] of a projection.
type matrix struct {
	out, in int
	storage
}

// storage is how the rows of a matrix lie in memory.
type storage interface {
	// row writes row r, as the lookup of a token in an embedding.
	row(r int, dst []float32)
	// bytes is the memory it takes.
	bytes() int64

	// tile is how many rows product takes together, and takes what it takes of vectors.
	tile() int
	takes() input
	// product sets y[i·yStride+o] to the product of row r+o, of a tile that begins at r, with vector v+i of x, for n vectors, with the memory
	// of a worker.
	product(p *panels, r int, x *vectors, v, n int, y []float32, yStride int)

	// source is for products of many vectors.
	source
}

// fillable is a storage whose rows are made of floats.
type fillable interface {
	storage
	// set stores row r.
	set(r int, row []float32) error
}

// Storage names a form in which matrices are held.
type Storage string

// The storages.
const (
	F32  Storage = "f32"  // 4 bytes a weight
	BF16 Storage = "bf16" // 2 bytes a weight; training rounds the vectors of products too, and so do prompts where there are tiles
	Int8 Storage = "int8" // integers of 8 bits with a scale for each 32 weights, as in GGUF's Q8_0: 9 bits a weight
	Int4 Storage = "int4" // integers of 4 bits with scale and minimum for each 32, as in GGUF's Q4_1: 6 bits a weight; but those of tokens Int8

	// Stored is as a GGUF file has them: Q8_0, Q4_0, Q4_1, Q4_K, Q5_K and Q6_K unchanged, all others as F32.
	Stored Storage = "stored"
)

// storages make room for a matrix.
var storages = map[Storage]func(k *kernels, out, in int) fillable{F32: newFloats, BF16: newHalves, Int8: newInt8s, Int4: newInt4s}

// newMatrix takes its values from read, which writes as many of the rows that follow as there is room for. They pass through
// buffer, which grows to what the largest matrix needs.
func newMatrix(k *kernels, s Storage, out, in int, buffer *[]float32, read func(dst []float32) error) (*matrix, error) {
	rows := storages[s](k, out, in)
	m := &matrix{out: out, in: in, storage: rows}
	if x, ok := rows.(*floats); ok && x.stride == in { // rows are kept as they come
		return m, read(x.dense.floats[:out*in])
	}
	const few = 256 // rows are in memory as they are stored: whole heads, which a file may hold in another order
	*buffer = slices.Grow((*buffer)[:0], min(few, out)*in)
	for first := 0; first < out; first += few {
		part := (*buffer)[:min(few, out-first)*in]
		if err := read(part); err != nil {
			return nil, err
		}
		for r := first; len(part) > 0; r, part = r+1, part[in:] {
			if err := rows.set(r, part[:in]); err != nil {
				return nil, fmt.Errorf("row %d, %w", r, err)
			}
		}
	}
	return m, nil
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }
