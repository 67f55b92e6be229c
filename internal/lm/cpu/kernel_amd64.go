package cpu

import (
	"slices"

	"golang.org/x/sys/cpu"
)

// fast tells whether the kernels are vector code on this processor.
var fast = cpu.X86.HasAVX2 && cpu.X86.HasFMA

//go:noescape
func floatTile(w *float32, wStride int, x *float32, xStride, width, n int, y *float32, yStride int)

//go:noescape
func intTile(w *int8, d *float32, x *int16, dx *float32, width int, y *float32)

//go:noescape
func intFours(w *int8, d *float32, x *int16, dx *float32, xStride, width int, y *float32, yStride, ahead, pace int)

//go:noescape
func roundVector(dst *int16, d, x *float32, n int)

// dotFloats is plainFloats.
func dotFloats(w []float32, wStride int, x []float32, xStride, width, n int, y []float32, yStride int) {
	if !fast {
		plainFloats(w, wStride, x, xStride, width, n, y, yStride)
		return
	}
	_, _, _ = w[(floatRows-1)*wStride+width-1], x[(n-1)*xStride+width-1], y[(n-1)*yStride+floatRows-1]
	floatTile(&w[0], wStride, &x[0], xStride, width, n, &y[0], yStride)
}

// dotInts is plainInts.
func dotInts(w []int8, d []float32, x []int16, dx []float32, xStride, width, n int, y []float32, yStride int) {
	if !fast {
		plainInts(w, d, x, dx, xStride, width, n, y, yStride)
		return
	}
	_, _, _ = w[intRows*width-1], d[intRows*width/block-1], y[(n-1)*yStride+intRows-1]
	_, _ = x[(n-1)*xStride+width-1], dx[((n-1)*xStride+width)/block-1]
	v := 0
	if n >= 4 {
		// The tile that follows is fetched evenly over the calls, so that memory and multiplications are busy all the time.
		ahead, pace := intRows*width, intRows*block/(n/4)
		for ; v+4 <= n; v += 4 {
			intFours(&w[0], &d[0], &x[v*xStride], &dx[v*xStride/block], xStride, width, &y[v*yStride], yStride, ahead, pace)
			ahead += pace * width / block
		}
	}
	for ; v < n; v++ {
		intTile(&w[0], &d[0], &x[v*xStride], &dx[v*xStride/block], width, &y[v*yStride])
	}
}

// round is plainRound.
func round(dst []int16, d, x []float32) {
	if !fast {
		plainRound(dst, d, x)
		return
	}
	_, _ = dst[len(x)-1], d[len(x)/block-1]
	roundVector(&dst[0], &d[0], &x[0], len(x))
}

//go:noescape
func outerTile(a *float32, aRow, aStep, depth int, b *float32, n int, y *float32, yStride int)

//go:noescape
func turnTile(dst, src *float32, stride, n int)

// outer is plainOuter.
func outer(a []float32, aRow, aStep, depth int, b []float32, n int, y []float32, yStride int) {
	if !fast {
		plainOuter(a, aRow, aStep, depth, b, n, y, yStride)
		return
	}
	_, _, _ = a[(n-1)*aRow+(depth-1)*aStep], b[depth*panelWidth-1], y[(n-1)*yStride+panelWidth-1]
	outerTile(&a[0], aRow, aStep, depth, &b[0], n, &y[0], yStride)
}

// turn is plainTurn.
func turn(dst, src []float32, stride, n int) {
	if !fast || n == 0 {
		plainTurn(dst, src, stride, n)
		return
	}
	_, _ = dst[n*panelWidth-1], src[(panelWidth-1)*stride+n-1]
	turnTile(&dst[0], &src[0], stride, n)
}

//go:noescape
func copyTile(dst, src *float32, stride, n int)

// lift is plainLift.
func lift(dst, src []float32, stride, n int) {
	if !fast {
		plainLift(dst, src, stride, n)
		return
	}
	_, _ = dst[n*panelWidth-1], src[(n-1)*stride+panelWidth-1]
	copyTile(&dst[0], &src[0], stride, n)
}

//go:noescape
func maxVector(x *float32, n int) float32

//go:noescape
func expVector(x *float32, n int, top float32) float32

//go:noescape
func siluVector(gate, up *float32, n int)

// largest returns the largest of x. len(x) is a multiple of 8, and there is no NaN.
func largest(x []float32) float32 {
	if !fast {
		return slices.Max(x)
	}
	return maxVector(&x[0], len(x))
}

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
