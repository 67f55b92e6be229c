package weights

// Packed is how many bytes 32 weights take in a type that Pack knows, else 0.
func Packed(dtype DType) int { return map[DType]int{"Q8_0": 34, "Q4_1": 20}[dtype] }

// Pack appends x, whole blocks of 32 weights, as GGUF's type Q8_0 or Q4_1.
func Pack(dtype DType, out []byte, x []float32) []byte {
	encode := encodeQ8_0
	if dtype == "Q4_1" {
		encode = encodeQ4_1
	}
	for ; len(x) >= 32; x = x[32:] {
		out = encode(out, x[:32])
	}
	return out
}

// encodeQ4_1 is ggml's quantize_row_q4_1_ref: the least value becomes 0, the largest 15.
func encodeQ4_1(out []byte, x []float32) []byte {
	least, most := x[0], x[0]
	for _, v := range x {
		least, most = min(least, v), max(most, v)
	}
	d, inverse := (most-least)/15, float32(0)
	if d != 0 {
		inverse = 1 / d
	}
	out = appendHalf(appendHalf(out, d), least)
	nibble := func(v float32) byte { return min(15, byte(float32((v-least)*inverse)+0.5)) }
	for i := range 16 {
		out = append(out, nibble(x[i])|nibble(x[i+16])<<4)
	}
	return out
}
