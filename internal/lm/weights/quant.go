package weights

import "encoding/binary"

// The block formats of ggml. A block is a run of consecutive elements of one row: 32 in the older formats, 256 in the
// K formats, which divide it further into sub-blocks with a scale each.
//
// Every product is rounded to float32 on its own (the conversions below), since a compiler may otherwise fuse it with
// the addition that follows and give another last bit on another machine.

const superBlock = 256 // elements in a block of a K format

// ggufCodecs is keyed by the type number in the file.
var ggufCodecs = map[uint32]codec{
	0:  plainCodecs[F32],
	1:  plainCodecs["F16"],
	2:  unpacked("Q4_0", 2+16),
	3:  unpacked("Q4_1", 4+16),
	6:  {"Q5_0", 32, 2 + 4 + 16, blocks(32, 2+4+16, decodeQ5_0)},
	7:  {"Q5_1", 32, 4 + 4 + 16, blocks(32, 4+4+16, decodeQ5_1)},
	8:  unpacked("Q8_0", 2+32),
	10: {"Q2_K", superBlock, 16 + 64 + 4, blocks(superBlock, 16+64+4, decodeQ2K)},
	11: {"Q3_K", superBlock, 32 + 64 + 12 + 2, blocks(superBlock, 32+64+12+2, decodeQ3K)},
	12: unpacked("Q4_K", 4+12+128),
	13: unpacked("Q5_K", 4+12+32+128),
	14: unpacked("Q6_K", 128+64+16+2),
	20: {"IQ4_NL", 32, 2 + 16, blocks(32, 2+16, decodeIQ4NL)},
	23: {"IQ4_XS", superBlock, 4 + 4 + 128, blocks(superBlock, 4+4+128, decodeIQ4XS)},
	24: plainCodecs["I8"],
	25: plainCodecs["I16"],
	26: plainCodecs["I32"],
	27: plainCodecs["I64"],
	28: plainCodecs["F64"],
	30: plainCodecs[BF16],
	39: {"MXFP4", 32, 1 + 16, blocks(32, 1+16, decodeMXFP4)},
}

// ggufTypeNames are the types that exist but that docent does not read, so that a refusal can name them.
var ggufTypeNames = map[uint32]string{
	9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 21: "IQ3_S", 22: "IQ2_S", 29: "IQ1_M",
	34: "TQ1_0", 35: "TQ2_0", 40: "NVFP4",
}

func blocks(elements, bytes int, decode func(dst []float32, src []byte)) func(dst []float32, src []byte) {
	return func(dst []float32, src []byte) {
		for ; len(dst) >= elements; dst, src = dst[elements:], src[bytes:] {
			decode(dst[:elements:elements], src[:bytes:bytes])
		}
	}
}

// unpacked is the codec of a type of BlockFormats, in blocks of so many bytes.
func unpacked(dtype DType, bytes int) codec {
	f := BlockFormats[dtype]
	return codec{dtype, f.Elements, bytes, func(dst []float32, src []byte) {
		var q [superBlock]byte
		var small [32]int8
		var halves [2]uint16
		for ; len(dst) > 0; dst, src = dst[f.Elements:], src[bytes:] {
			f.Unpack(q[:], halves[:], small[:], src[:bytes])
			f.decode(dst[:f.Elements], q[:f.Elements], [2]float32{FromHalf(halves[0]), FromHalf(halves[1])}, small[:])
		}
	}}
}

// decode makes numbers of a block's parts.
func (f *BlockFormat) decode(dst []float32, q []byte, half [2]float32, small []int8) {
	each := 1
	if f.Minima {
		each = 2
	}
	for s := range f.Elements / f.Sub {
		scale, least := half[0], half[1]
		if f.Small {
			scale, least = float32(scale*float32(small[s*each])), float32(least*float32(small[s*each+each-1]))
		}
		out, q := dst[s*f.Sub:][:f.Sub], q[s*f.Sub:][:f.Sub]
		switch {
		case f.Bits == 8:
			for i := range out {
				out[i] = scale * float32(int8(q[i]))
			}
		case f.Minima:
			for i := range out {
				out[i] = float32(scale*float32(q[i])) + least
			}
		default:
			for i := range out {
				out[i] = scale * (float32(q[i]) + f.Bias)
			}
		}
	}
}

// decodeQ5_0: scale d; a word with the fifth bit of each element; nibbles as in Q4_0. x = d·(q-16).
func decodeQ5_0(dst []float32, src []byte) {
	d, high, qs := half(src), binary.LittleEndian.Uint32(src[2:]), src[6:22]
	for i, q := range qs {
		dst[i] = d * float32(int(q&15|bit5(high, i))-16)
		dst[i+16] = d * float32(int(q>>4|bit5(high, i+16))-16)
	}
}

// decodeQ5_1: scale d, minimum m; bits as in Q5_0. x = d·q + m.
func decodeQ5_1(dst []float32, src []byte) {
	d, m, high, qs := half(src), half(src[2:]), binary.LittleEndian.Uint32(src[4:]), src[8:24]
	for i, q := range qs {
		dst[i] = float32(d*float32(q&15|bit5(high, i))) + m
		dst[i+16] = float32(d*float32(q>>4|bit5(high, i+16))) + m
	}
}

// bit5 is bit i of the word, in the place of a fifth bit.
func bit5(word uint32, i int) byte { return byte(word>>i&1) << 4 }
