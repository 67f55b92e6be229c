package cpu

import "golang.org/x/sys/cpu"

// avx512 is avx2 with floats in registers twice as wide. Integers are the same code.
var avx512 = func() *kernels {
	k := *avx2
	k.name, k.has = "avx512", k.has && cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL // and the system keeps the registers
	k.dotFloats, k.dotHalves = dots(wideFloatTile), dots(wideHalfTile)
	k.setPanels(32, 12, wideOuterTile, wideCopyTile)
	k.setFunctions(16, wideMaxVector, wideExpVector, wideSiLUVector)
	return &k
}()

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
