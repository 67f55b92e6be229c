package weights

import (
	"encoding/binary"
	"math"

	"github.com/gomlx/compute/dtypes/float16"
)

// codec converts one stored type to float32.
type codec struct {
	dtype DType
	block int // elements that are stored together; 1 unless quantised
	bytes int // size of a block
	// decode converts whole blocks: len(src)/bytes of them, to len(dst)/block. nil: the type is known, so that sizes
	// can be checked, but holds no weights.
	decode func(dst []float32, src []byte)
}

// plainCodecs are the types without quantisation, under their safetensors names.
var plainCodecs = map[DType]codec{
	F32:       {F32, 1, 4, decodeF32},
	BF16:      {BF16, 1, 2, decodeBF16},
	"F16":     {"F16", 1, 2, decodeF16},
	"F64":     {"F64", 1, 8, decodeF64},
	"I64":     {"I64", 1, 8, nil},
	"I32":     {"I32", 1, 4, nil},
	"I16":     {"I16", 1, 2, nil},
	"I8":      {"I8", 1, 1, nil},
	"U64":     {"U64", 1, 8, nil},
	"U32":     {"U32", 1, 4, nil},
	"U16":     {"U16", 1, 2, nil},
	"U8":      {"U8", 1, 1, nil},
	"BOOL":    {"BOOL", 1, 1, nil},
	"F8_E4M3": {"F8_E4M3", 1, 1, nil},
	"F8_E5M2": {"F8_E5M2", 1, 1, nil},
	"F8_E8M0": {"F8_E8M0", 1, 1, nil},
	"C64":     {"C64", 1, 8, nil},
}

func decodeF32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func decodeBF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
	}
}

func decodeF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = half(src[2*i:])
	}
}

func decodeF64(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
	}
}

func half(src []byte) float32 { return FromHalf(binary.LittleEndian.Uint16(src)) }

// FromHalf is the value of a number of half precision.
func FromHalf(bits uint16) float32 { return float16.FromBits(bits).Float32() }

// ToHalf rounds to the nearest number of half precision, ties to even; what is beyond them becomes the largest. (The package above
// loses the smallest, as which scales of small weights are stored.)
func ToHalf(x float32) uint16 {
	bits := math.Float32bits(x)
	sign, rest := uint16(bits>>16)&0x8000, bits&0x7FFFFFFF
	switch size := math.Float32frombits(rest); {
	case size >= 65504:
		return sign | 0x7BFF
	case size < 1.0/(1<<14): // below the normal numbers
		return sign | uint16(math.RoundToEven(float64(size)*(1<<24)))
	case size != size: //nolint:gocritic // NaN
		return sign | 0x7E00
	}
	rest += 0xFFF + rest>>13&1
	return sign | uint16((rest-112<<23)>>13)
}

// ToBFloat16 rounds to the nearest bfloat16, ties to even. A NaN stays one even if its payload is in the bits cut off.
func ToBFloat16(x float32) uint16 {
	bits := math.Float32bits(x)
	if x != x {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7FFF + (bits>>16)&1) >> 16)
}
