package cpu

import "golang.org/x/sys/cpu"

// fast tells whether the kernels are vector code on this processor.
var fast = cpu.X86.HasAVX2 && cpu.X86.HasFMA

//go:noescape
func floatTile(w *float32, wStride int, x *float32, xStride, width, n int, y *float32, yStride int)

//go:noescape
func intTile(w *int8, d *float32, x *float32, width int, y *float32)

//go:noescape
func intFours(w *int8, d *float32, x *float32, xStride, width int, y *float32, yStride int)

//go:noescape
func unpackTile(dst *float32, w *int8, d *float32, width int)

// dotFloats is plainFloats.
func dotFloats(w []float32, wStride int, x []float32, xStride, width, n int, y []float32, yStride int) {
	if !fast {
		plainFloats(w, wStride, x, xStride, width, n, y, yStride)
		return
	}
	_, _, _ = w[(rowTile-1)*wStride+width-1], x[(n-1)*xStride+width-1], y[(n-1)*yStride+rowTile-1]
	floatTile(&w[0], wStride, &x[0], xStride, width, n, &y[0], yStride)
}

// dotInts is plainInts.
func dotInts(w []int8, d []float32, x []float32, xStride, width, n int, y []float32, yStride int) {
	if !fast {
		plainInts(w, d, x, xStride, width, n, y, yStride)
		return
	}
	_, _ = w[rowTile*width-1], d[rowTile*width/block-1]
	_, _ = x[(n-1)*xStride+width-1], y[(n-1)*yStride+rowTile-1]
	v := 0
	for ; v+4 <= n; v += 4 {
		intFours(&w[0], &d[0], &x[v*xStride], xStride, width, &y[v*yStride], yStride)
		intFours(&w[2*block], &d[2], &x[v*xStride], xStride, width, &y[v*yStride+2], yStride)
	}
	for ; v < n; v++ {
		intTile(&w[0], &d[0], &x[v*xStride], width, &y[v*yStride])
	}
}

// unpack is plainUnpack.
func unpack(dst []float32, w []int8, d []float32, width int) {
	if !fast {
		plainUnpack(dst, w, d, width)
		return
	}
	_, _, _ = dst[rowTile*width-1], w[rowTile*width-1], d[rowTile*width/block-1]
	unpackTile(&dst[0], &w[0], &d[0], width)
}

//go:noescape
func expVector(x *float32, n int, top float32) float32

//go:noescape
func siluVector(gate, up *float32, n int)

// exp replaces x by exp(x-top), top being at least the largest, and returns the sum. len(x) is a multiple of 8.
func exp(x []float32, top float32) float32 {
	if !fast {
		return plainExp(x, top)
	}
	return expVector(&x[0], len(x), top)
}

// silu replaces gate by silu(gate)·up. The length is a multiple of 8.
func silu(gate, up []float32) {
	if !fast {
		plainSiLU(gate, up)
		return
	}
	_ = up[len(gate)-1]
	siluVector(&gate[0], &up[0], len(gate))
}
