package cpu

import "golang.org/x/sys/cpu"

var avx2 = newVector("avx2", cpu.X86.HasAVX2 && cpu.X86.HasFMA /* and F16C, which came before both */, 6)

// vectorSets are the sets of vector code, the best first.
var vectorSets = []*kernels{vnni, avx512, avx2}

//go:noescape
func narrowVector(dst *uint16, x *float32, n int)

// vectorNarrow is plainNarrow.
func vectorNarrow(dst []uint16, x []float32) {
	_ = dst[len(x)-1]
	narrowVector(&dst[0], &x[0], len(x))
}
