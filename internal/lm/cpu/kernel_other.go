//go:build !amd64

package cpu

import "slices"

// fast tells whether the kernels are vector code on this processor: there is none for it.
const fast = false

func dotFloats(w []float32, wStride int, x []float32, xStride, width, n int, y []float32, yStride int) {
	plainFloats(w, wStride, x, xStride, width, n, y, yStride)
}

func dotInts(w []int8, d []float32, x []int16, dx []float32, xStride, width, n int, y []float32, yStride int) {
	plainInts(w, d, x, dx, xStride, width, n, y, yStride)
}

func round(dst []int16, d, x []float32) { plainRound(dst, d, x) }

func outer(a []float32, aRow, aStep, depth int, b []float32, n int, y []float32, yStride int) {
	plainOuter(a, aRow, aStep, depth, b, n, y, yStride)
}

func lift(dst, src []float32, stride, n int) { plainLift(dst, src, stride, n) }

func turn(dst, src []float32, stride, n int) { plainTurn(dst, src, stride, n) }

func largest(x []float32) float32 { return slices.Max(x) }

func exp(x []float32, top float32) float32 { return plainExp(x, top) }

func silu(gate, up []float32) { plainSiLU(gate, up) }
