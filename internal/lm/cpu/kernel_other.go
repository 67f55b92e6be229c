//go:build !amd64

package cpu

// fast tells whether the kernels are vector code on this processor: there is none for it.
const fast = false

func dotFloats(w []float32, wStride int, x []float32, xStride, width, n int, y []float32, yStride int) {
	plainFloats(w, wStride, x, xStride, width, n, y, yStride)
}

func dotInts(w []int8, d []float32, x []float32, xStride, width, n int, y []float32, yStride int) {
	plainInts(w, d, x, xStride, width, n, y, yStride)
}

func unpack(dst []float32, w []int8, d []float32, width int) { plainUnpack(dst, w, d, width) }

func exp(x []float32, top float32) float32 { return plainExp(x, top) }

func silu(gate, up []float32) { plainSiLU(gate, up) }
