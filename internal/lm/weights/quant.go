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
	2:  {"Q4_0", 32, 2 + 16, blocks(32, 2+16, decodeQ4_0)},
	3:  {"Q4_1", 32, 4 + 16, blocks(32, 4+16, decodeQ4_1)},
	6:  {"Q5_0", 32, 2 + 4 + 16, blocks(32, 2+4+16, decodeQ5_0)},
	7:  {"Q5_1", 32, 4 + 4 + 16, blocks(32, 4+4+16, decodeQ5_1)},
	8:  {"Q8_0", 32, 2 + 32, blocks(32, 2+32, decodeQ8_0)},
	10: {"Q2_K", superBlock, 16 + 64 + 4, blocks(superBlock, 16+64+4, decodeQ2K)},
	11: {"Q3_K", superBlock, 32 + 64 + 12 + 2, blocks(superBlock, 32+64+12+2, decodeQ3K)},
	12: {"Q4_K", superBlock, 4 + 12 + 128, blocks(superBlock, 4+12+128, decodeQ4K)},
	13: {"Q5_K", superBlock, 4 + 12 + 32 + 128, blocks(superBlock, 4+12+32+128, decodeQ5K)},
	14: {"Q6_K", superBlock, 128 + 64 + 16 + 2, blocks(superBlock, 128+64+16+2, decodeQ6K)},
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

// decodeQ4_0: scale d; 16 bytes whose low nibbles are the first half of the block. x = d·(q-8).
func decodeQ4_0(dst []float32, src []byte) {
	d, qs := half(src), src[2:18]
	for i, q := range qs {
		dst[i] = d * float32(int(q&15)-8)
		dst[i+16] = d * float32(int(q>>4)-8)
	}
}

// decodeQ4_1: scale d, minimum m; nibbles as in Q4_0. x = d·q + m.
func decodeQ4_1(dst []float32, src []byte) {
	d, m, qs := half(src), half(src[2:]), src[4:20]
	for i, q := range qs {
		dst[i] = float32(d*float32(q&15)) + m
		dst[i+16] = float32(d*float32(q>>4)) + m
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

// decodeQ8_0: scale d; 32 signed bytes. x = d·q.
func decodeQ8_0(dst []float32, src []byte) {
	d, qs := half(src), src[2:34]
	for i, q := range qs {
		dst[i] = d * float32(int8(q))
	}
}

// decodeQ4K: scales d and dmin; eight sub-blocks of 32 with a 6-bit scale and minimum each; nibbles, where 32 bytes
// hold two sub-blocks. x = d·scale·q - dmin·min.
func decodeQ4K(dst []float32, src []byte) {
	d, dmin := half(src), half(src[2:])
	scales, qs := src[4:16], src[16:144]
	for pair := range 4 {
		lowScale, lowMin := subScale(2*pair, scales)
		highScale, highMin := subScale(2*pair+1, scales)
		d1, m1 := float32(d*lowScale), float32(dmin*lowMin)
		d2, m2 := float32(d*highScale), float32(dmin*highMin)
		low, high := dst[64*pair:][:32], dst[64*pair+32:][:32]
		for i, q := range qs[32*pair:][:32] {
			low[i] = float32(d1*float32(q&15)) - m1
			high[i] = float32(d2*float32(q>>4)) - m2
		}
	}
}

// decodeQ5K is Q4_K with a fifth bit: bit s of byte i belongs to element i of sub-block s.
func decodeQ5K(dst []float32, src []byte) {
	d, dmin := half(src), half(src[2:])
	scales, fifth, qs := src[4:16], src[16:48], src[48:176]
	for pair := range 4 {
		lowScale, lowMin := subScale(2*pair, scales)
		highScale, highMin := subScale(2*pair+1, scales)
		d1, m1 := float32(d*lowScale), float32(dmin*lowMin)
		d2, m2 := float32(d*highScale), float32(dmin*highMin)
		low, high := dst[64*pair:][:32], dst[64*pair+32:][:32]
		for i, q := range qs[32*pair:][:32] {
			f := fifth[i] >> (2 * pair)
			low[i] = float32(d1*float32(q&15|f&1<<4)) - m1
			high[i] = float32(d2*float32(q>>4|f&2<<3)) - m2
		}
	}
}

// subScale unpacks the 6-bit scale and minimum of sub-block i of Q4_K and Q5_K: 12 bytes of which the first eight hold
// the low four pairs and, in their top bits, the high bits of the other four.
func subScale(i int, packed []byte) (scale, minimum float32) {
	if i < 4 {
		return float32(packed[i] & 63), float32(packed[i+4] & 63)
	}
	return float32(packed[i+4]&15 | packed[i-4]>>6<<4), float32(packed[i+4]>>4 | packed[i]>>6<<4)
}

// decodeQ6K: 4 low bits and 2 high bits of each element, a signed scale for each 16, and d. x = d·scale·(q-32).
func decodeQ6K(dst []float32, src []byte) {
	d := half(src[208:])
	for part := range 2 {
		low, high, scales := src[64*part:][:64], src[128+32*part:][:32], src[192+8*part:][:8]
		var s [8]float32
		for i, scale := range scales {
			s[i] = float32(d * float32(int8(scale)))
		}
		out := dst[128*part:][:128]
		for i, h := range high {
			a, b, k := low[i], low[i+32], i/16
			out[i] = s[k] * float32(int(a&15|h&3<<4)-32)
			out[i+32] = s[k+2] * float32(int(b&15|h>>2&3<<4)-32)
			out[i+64] = s[k+4] * float32(int(a>>4|h>>4&3<<4)-32)
			out[i+96] = s[k+6] * float32(int(b>>4|h>>6<<4)-32)
		}
	}
}
