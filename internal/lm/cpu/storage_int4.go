package cpu

import (
	"fmt"

	"github.com/docent-ml/docent/internal/lm/weights"
)

// int4s are blocks of GGUF's type Q4_1 that are made here: integers of 4 bits with a scale and a minimum for each block. These are kept
// as floats, which is a bit more a weight, and a seventh less time for a token.
type int4s struct{ *blocks }

func newInt4s(k *kernels, out, in int) fillable {
	m := newBlocks(k, weights.BlockFormats["Q4_1"], out, roundUp(in, block))
	m.floats, m.halves = make([]float32, len(m.halves)), nil
	return int4s{m}
}

func (m int4s) set(r int, row []float32) error {
	var u blockParts
	var raw []byte
	for c := 0; c < len(row); c += block {
		var part [block]float32
		for i := range part {
			part[i] = row[min(c+i, len(row)-1)] // what fills the last block up does not widen its range
			if !(part[i] <= 65504 && part[i] >= -65504) {
				return fmt.Errorf("column %d: %g is not finite, or beyond the range of half precision", c+i, part[i])
			}
		}
		raw = weights.Pack("Q4_1", raw[:0], part[:])
		m.f.Unpack(u.q[:], u.half[:], u.small[:], raw)
		m.put(r, c/block, &u)
	}
	return nil
}
