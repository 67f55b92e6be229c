//go:build !(goexperiment.simd && amd64)

package cpu

// fast tells whether the kernels are vector code here: GOEXPERIMENT=simd was not set, or Go has none for this processor.
const fast = false

func dotFloat(w []float32, stride int, x []float32, y *[rowTile]float32) { plainFloat(w, stride, x, y) }

func dotFloats(w []float32, stride int, x, z []float32, y, t *[rowTile]float32) {
	plainFloat(w, stride, x, y)
	plainFloat(w, stride, z, t)
}

func dotInt8(w []int8, d []float32, x []int16, scale *float32, y *[rowTile]float32) {
	plainInt8(w, d, x, *scale, y)
}

func dotInt8s(w []int8, d []float32, x, z []int16, xScale, zScale *float32, y, t *[rowTile]float32) {
	plainInt8(w, d, x, *xScale, y)
	plainInt8(w, d, z, *zScale, t)
}

func exp(x []float32, top float32) float32          { return plainExp(x, top) }
func silu(gate, up []float32)                       { plainSiLU(gate, up) }
func largest(x []float32) float32                   { return plainLargest(x) }
func round(dst []int16, x []float32, scale float32) { plainRound(dst, x, scale) }
