package cpu

import "golang.org/x/sys/cpu"

// avx512 is avx2 with floats in registers twice as wide. Integers are the same code.
var avx512 = func() *kernels {
	k := *avx2
	k.name, k.has = "avx512", k.has && cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL // and the system keeps the registers
	k.dotFloats, k.dotHalves = avx512Floats, avx512Halves
	k.panelWidth, k.rowStep, k.outer, k.lift = avx512PanelWidth, 12, avx512Outer, avx512Lift
	k.turn = func(dst, src []float32, stride, n int) { vectorTurn(avx512PanelWidth, dst, src, stride, n) }
	k.lanes, k.largest, k.exp, k.silu = 16, avx512Largest, avx512Exp, avx512SiLU
	return &k
}()

const avx512PanelWidth = 32

//go:noescape
func wideFloatTile(w *float32, wStride int, x *float32, xStride, width, n int, y *float32, yStride int)

//go:noescape
func wideHalfTile(w *uint16, wStride int, x *float32, xStride, width, n int, y *float32, yStride int)

//go:noescape
func wideOuterTile(a *float32, aRow, aStep, depth int, b *float32, n int, y *float32, yStride int)

//go:noescape
func wideCopyTile(dst, src *float32, stride, n int)

//go:noescape
func wideMaxVector(x *float32, n int) float32

//go:noescape
func wideExpVector(x *float32, n int, top float32) float32

//go:noescape
func wideSiLUVector(gate, up *float32, n int)

// avx512Floats is plainFloats.
func avx512Floats(w []float32, wStride int, x []float32, xStride, width, n int, y []float32, yStride int) {
	_, _, _ = w[(vectorFloatRows-1)*wStride+width-1], x[(n-1)*xStride+width-1], y[(n-1)*yStride+vectorFloatRows-1]
	wideFloatTile(&w[0], wStride, &x[0], xStride, width, n, &y[0], yStride)
}

// avx512Halves is plainHalves.
func avx512Halves(w []uint16, wStride int, x []float32, xStride, width, n int, y []float32, yStride int) {
	_, _, _ = w[(vectorFloatRows-1)*wStride+width-1], x[(n-1)*xStride+width-1], y[(n-1)*yStride+vectorFloatRows-1]
	wideHalfTile(&w[0], wStride, &x[0], xStride, width, n, &y[0], yStride)
}

// avx512Outer is plainOuter.
func avx512Outer(a []float32, aRow, aStep, depth int, b []float32, n int, y []float32, yStride int) {
	_, _, _ = a[(n-1)*aRow+(depth-1)*aStep], b[depth*avx512PanelWidth-1], y[(n-1)*yStride+avx512PanelWidth-1]
	wideOuterTile(&a[0], aRow, aStep, depth, &b[0], n, &y[0], yStride)
}

// avx512Lift is plainLift.
func avx512Lift(dst, src []float32, stride, n int) {
	_, _ = dst[n*avx512PanelWidth-1], src[(n-1)*stride+avx512PanelWidth-1]
	wideCopyTile(&dst[0], &src[0], stride, n)
}

// avx512Largest is slices.Max.
func avx512Largest(x []float32) float32 {
	return wideMaxVector(&x[0], len(x))
}

// avx512Exp is plainExp.
func avx512Exp(x []float32, top float32) float32 {
	return wideExpVector(&x[0], len(x), top)
}

// avx512SiLU is plainSiLU.
func avx512SiLU(gate, up []float32) {
	_ = up[len(gate)-1]
	wideSiLUVector(&gate[0], &up[0], len(gate))
}
