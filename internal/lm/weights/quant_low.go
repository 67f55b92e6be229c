package weights

import (
	"encoding/binary"
	"math"
)

// The K formats of 2 and 3 bits, and those whose values are entries of a table.

// decodeQ2K: sixteen sub-blocks of 16 with a 4-bit scale and minimum each, d and dmin; a byte holds an element of each of
// four runs of 32. x = d·scale·q - dmin·min.
func decodeQ2K(dst []float32, src []byte) {
	scales, qs, d, dmin := src[:16], src[16:80], half(src[80:]), half(src[82:])
	for i := range dst {
		s := scales[i/16]
		dl, ml := float32(d*float32(s&15)), float32(dmin*float32(s>>4))
		dst[i] = float32(dl*float32(quarter(qs, i))) - ml
	}
}

// quarter is element i of 2-bit ones: 32 bytes hold four runs of 32.
func quarter(qs []byte, i int) byte { return qs[i/128*32+i%32] >> (i % 128 / 32 * 2) & 3 }

// decodeQ3K: the same with a signed 6-bit scale and d; bit r of byte i of a mask says that 4 is not taken from element i of
// run r. x = d·scale·q.
func decodeQ3K(dst []float32, src []byte) {
	mask, qs, packed, d := src[:32], src[32:96], src[96:108], half(src[108:])
	for i := range dst {
		s := i / 16
		scale := int(packed[s%8]>>(s/8*4)&15|packed[8+s%4]>>(s/4*2)&3<<4) - 32
		q := int(quarter(qs, i)) - 4 + int(mask[i%32]>>(i/32)&1)<<2
		dst[i] = float32(d*float32(scale)) * float32(q)
	}
}

// iq4 and mxfp4 are the values that nibbles stand for.
var (
	iq4   = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
	mxfp4 = [16]float32{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12} // twice those of the OCP's E2M1
)

// nibbles decodes 16 bytes whose low nibbles are the first half of 32 elements.
func nibbles(dst []float32, qs []byte, d float32, table *[16]float32) {
	for i, q := range qs[:16] {
		dst[i], dst[i+16] = d*table[q&15], d*table[q>>4]
	}
}

// decodeIQ4NL: scale d; nibbles.
func decodeIQ4NL(dst []float32, src []byte) { nibbles(dst, src[2:], half(src), &iq4) }

// decodeIQ4XS: d; eight sub-blocks of 32 with a signed 6-bit scale each, the high bits in a word of their own; nibbles.
func decodeIQ4XS(dst []float32, src []byte) {
	d, high, low, qs := half(src), binary.LittleEndian.Uint16(src[2:]), src[4:8], src[8:136]
	for s := range 8 {
		scale := int(low[s/2]>>(s%2*4)&15|byte(high>>(2*s)&3)<<4) - 32
		nibbles(dst[32*s:], qs[16*s:], d*float32(scale), &iq4)
	}
}

// decodeMXFP4: an exponent, of half of 2^(e-127); nibbles.
func decodeMXFP4(dst []float32, src []byte) {
	bits := uint32(0x00200000) << src[0] // subnormal
	if src[0] >= 2 {
		bits = uint32(src[0]-1) << 23
	}
	nibbles(dst, src[1:], math.Float32frombits(bits), &mxfp4)
}
