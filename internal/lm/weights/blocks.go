package weights

import (
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/docent-ml/docent/internal/lm"
)

// Blocks is a quantised matrix as it lies in a GGUF file.
type Blocks struct {
	Format   *BlockFormat
	Bytes    int // of a block
	RowBytes int
	Read     func(first int, dst []byte) error // whole rows, from row first on
}

// BlockFormat says what the blocks of a type are: unsigned integers q of Bits bits each, and of every Sub of them a scale and a
// minimum, value = scale·q + minimum. These are numbers in half precision of the block, or those times integers of 8 bits of the Sub:
//
//	scale = half[0]·small[0]      minimum = half[1]·small[1]
//
// Where a type has no minima, Bias is how many scales they are. All but Q6_K's values are exact in float32 before the minimum is added.
type BlockFormat struct {
	Elements int // of a block
	Bits     int // 4, 6, or 8: then q is signed, and there is one scale and no minimum
	Sub      int
	Minima   bool
	Small    bool // scales and minima are multiples of those of the block
	Bias     float32
	// Unpack takes a block apart: q [Elements], half [1 + Minima], and small [Elements/Sub, 1 + Minima] where there are any.
	Unpack func(q []byte, half []uint16, small []int8, src []byte)
}

// BlockFormats are the types that are kept as they are.
var BlockFormats = map[DType]*BlockFormat{
	"Q8_0": {Elements: 32, Bits: 8, Sub: 32, Unpack: func(q []byte, half []uint16, _ []int8, src []byte) {
		half[0] = binary.LittleEndian.Uint16(src)
		copy(q, src[2:])
	}},
	"Q4_0": {Elements: 32, Bits: 4, Sub: 32, Bias: -8, Unpack: func(q []byte, half []uint16, _ []int8, src []byte) {
		half[0] = binary.LittleEndian.Uint16(src)
		split(q, q[16:], src[2:18])
	}},
	"Q4_1": {Elements: 32, Bits: 4, Sub: 32, Minima: true, Unpack: func(q []byte, half []uint16, _ []int8, src []byte) {
		half[0], half[1] = binary.LittleEndian.Uint16(src), binary.LittleEndian.Uint16(src[2:])
		split(q, q[16:], src[4:20])
	}},
	"Q4_K": {Elements: superBlock, Bits: 4, Sub: 32, Minima: true, Small: true, Unpack: func(q []byte, half []uint16, small []int8, src []byte) {
		subScales(half, small, src)
		for i := range 4 {
			split(q[64*i:], q[64*i+32:], src[16+32*i:][:32])
		}
	}},
	"Q5_K": {Elements: superBlock, Bits: 6, Sub: 32, Minima: true, Small: true, Unpack: func(q []byte, half []uint16, small []int8, src []byte) {
		subScales(half, small, src)
		fifth := src[16:48]
		for i := range 4 {
			low, high := q[64*i:][:32], q[64*i+32:][:32]
			split(low, high, src[48+32*i:][:32])
			for j, f := range fifth {
				low[j] |= f >> (2 * i) & 1 << 4
				high[j] |= f >> (2*i + 1) & 1 << 4
			}
		}
	}},
	"Q6_K": {Elements: superBlock, Bits: 6, Sub: 16, Small: true, Bias: -32, Unpack: func(q []byte, half []uint16, small []int8, src []byte) {
		half[0] = binary.LittleEndian.Uint16(src[208:])
		for i, s := range src[192:208] {
			small[i] = int8(s)
		}
		for part := range 2 {
			out, high := q[128*part:][:128], src[128+32*part:][:32]
			split(out, out[64:], src[64*part:][:64])
			for j, h := range high {
				out[j] |= h & 3 << 4
				out[j+32] |= h >> 2 & 3 << 4
				out[j+64] |= h >> 4 & 3 << 4
				out[j+96] |= h >> 6 << 4
			}
		}
	}},
}

// split writes the low four bits of each byte to low and the others to high.
func split(low, high, src []byte) {
	const mask = 0x0f0f0f0f0f0f0f0f
	for i := 0; i < len(src); i += 8 {
		v := binary.LittleEndian.Uint64(src[i:])
		binary.LittleEndian.PutUint64(low[i:], v&mask)
		binary.LittleEndian.PutUint64(high[i:], v>>4&mask)
	}
}

// subScales unpacks the head of a block of Q4_K or Q5_K, whose minima are subtracted.
func subScales(half []uint16, small []int8, src []byte) {
	half[0], half[1] = binary.LittleEndian.Uint16(src), binary.LittleEndian.Uint16(src[2:])
	for i := range 8 {
		scale, minimum := subScale(i, src[4:16])
		small[2*i], small[2*i+1] = scale, -minimum
	}
}

// subScale unpacks the 6-bit scale and minimum of sub-block i of Q4_K and Q5_K: 12 bytes of which the first eight hold
// the low four pairs and, in their top bits, the high bits of the other four.
func subScale(i int, packed []byte) (scale, minimum int8) {
	if i < 4 {
		return int8(packed[i] & 63), int8(packed[i+4] & 63)
	}
	return int8(packed[i+4]&15 | packed[i-4]>>6<<4), int8(packed[i+4]>>4 | packed[i]>>6<<4)
}

// Blocks tells how a matrix lies in the file; ok is false where its type is none that is kept so.
func (g *GGUF) Blocks(name string) (b Blocks, ok bool) {
	pieces := g.joined[name]
	if s := g.byName[name]; pieces == nil && s != nil && len(s.Shape) == 2 {
		pieces = []lm.Piece{{Tensor: name, Size: s.Size()}}
	}
	for _, x := range pieces {
		s, err := g.find(x.Tensor)
		if err != nil || s.shift != 0 || s.DType != g.byName[pieces[0].Tensor].DType {
			return b, false
		}
	}
	if pieces == nil {
		return b, false
	}
	first := g.byName[pieces[0].Tensor]
	in := first.Shape[len(first.Shape)-1]
	b = Blocks{Format: BlockFormats[first.DType], Bytes: first.codec.bytes, RowBytes: int(first.bytes(in))}
	b.Read = func(row int, dst []byte) error {
		for start := row * in; len(dst) > 0; {
			x := pieces[sort.Search(len(pieces), func(i int) bool { return pieces[i].At+pieces[i].Size > start })]
			s, skip := g.byName[x.Tensor], start-x.At
			n := min(int(s.bytes(x.Size-skip)), len(dst))
			if err := s.readRows((x.From+skip)/in, dst[:n]); err != nil {
				return err
			}
			start, dst = start+n/b.RowBytes*in, dst[n:]
		}
		return nil
	}
	return b, b.Format != nil
}

// readRows fills dst with whole rows as they are stored, from row first on.
func (s *stored) readRows(first int, dst []byte) error {
	size := int(s.bytes(s.Shape[len(s.Shape)-1]))
	count := len(dst) / size
	for i := 0; i < count; {
		n, at := count-i, first+i
		if s.headDim > 0 { // neighbours in a head are not in the file: see unpermute
			head, row, half := at/s.headDim, at%s.headDim, s.headDim/2
			n, at = 1, head*s.headDim+2*(row%half)+row/half
		}
		if err := s.readAt(dst[i*size:(i+n)*size], s.offset+int64(at)*int64(size)); err != nil {
			return &Error{"read", s.file.name, s.raw, fmt.Errorf("row %d: %w", first+i, err)}
		}
		i += n
	}
	return nil
}
