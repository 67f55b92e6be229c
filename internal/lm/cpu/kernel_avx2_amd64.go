package cpu

import "golang.org/x/sys/cpu"

var avx2 = &kernels{
	name: "avx2", has: cpu.X86.HasAVX2 && cpu.X86.HasFMA, /* and F16C, which came before both */
	floatRows: avx2FloatRows, intRows: avx2IntRows, dotFloats: avx2Floats, dotInts: avx2Ints, round: avx2Round, dotHalves: avx2Halves, widen: avx2Widen,
	dotFours: avx2Fours, roundBytes: avx2RoundBytes,
	halves: avx2Wide, multiples: avx2Multiples, dotSixes: avx2Sixes, unpackFours: avx2UnpackFours, unpackSixes: avx2UnpackSixes,
	panelWidth: avx2PanelWidth, panelDepth: 320, panels: 6, rowBlock: 96, rowStep: 6, outer: avx2Outer, lift: avx2Lift,
	turn:  func(dst, src []float32, stride, n int) { avx2Turn(avx2PanelWidth, dst, src, stride, n) },
	lanes: 8, largest: avx2Largest, exp: avx2Exp, silu: avx2SiLU,
}

// What the code in kernel_avx2_amd64.s is made for.
const (
	avx2FloatRows  = 4
	avx2IntRows    = 16
	avx2PanelWidth = 16
)

//go:noescape
func floatTile(w *float32, wStride int, x *float32, xStride, width, n int, y *float32, yStride int)

//go:noescape
func intTile(w *int8, d *float32, x *int16, dx *float32, width int, y *float32)

//go:noescape
func intFours(w *int8, d *float32, x *int16, dx *float32, xStride, width int, y *float32, yStride, ahead, pace int)

//go:noescape
func roundVector(dst *int16, d, x *float32, n int)

// avx2Floats is plainFloats.
func avx2Floats(w []float32, wStride int, x []float32, xStride, width, n int, y []float32, yStride int) {
	_, _, _ = w[(avx2FloatRows-1)*wStride+width-1], x[(n-1)*xStride+width-1], y[(n-1)*yStride+avx2FloatRows-1]
	floatTile(&w[0], wStride, &x[0], xStride, width, n, &y[0], yStride)
}

// avx2Ints is plainInts.
func avx2Ints(w []int8, d []float32, x []int16, dx []float32, xStride, width, n int, y []float32, yStride int) {
	_, _, _ = w[avx2IntRows*width-1], d[avx2IntRows*width/block-1], y[(n-1)*yStride+avx2IntRows-1]
	_, _ = x[(n-1)*xStride+width-1], dx[((n-1)*xStride+width)/block-1]
	v := 0
	if n >= 4 {
		// The tile that follows is fetched evenly over the calls, so that memory and multiplications are busy all the time.
		ahead, pace := avx2IntRows*width, avx2IntRows*block/(n/4)
		for ; v+4 <= n; v += 4 {
			intFours(&w[0], &d[0], &x[v*xStride], &dx[v*xStride/block], xStride, width, &y[v*yStride], yStride, ahead, pace)
			ahead += pace * width / block
		}
	}
	for ; v < n; v++ {
		intTile(&w[0], &d[0], &x[v*xStride], &dx[v*xStride/block], width, &y[v*yStride])
	}
}

// avx2Round is plainRound.
func avx2Round(dst []int16, d, x []float32) {
	_, _ = dst[len(x)-1], d[len(x)/block-1]
	roundVector(&dst[0], &d[0], &x[0], len(x))
}

//go:noescape
func outerTile(a *float32, aRow, aStep, depth int, b *float32, n int, y *float32, yStride int)

//go:noescape
func turnTile(dst, src *float32, stride, n, width int)

// avx2Outer is plainOuter.
func avx2Outer(a []float32, aRow, aStep, depth int, b []float32, n int, y []float32, yStride int) {
	_, _, _ = a[(n-1)*aRow+(depth-1)*aStep], b[depth*avx2PanelWidth-1], y[(n-1)*yStride+avx2PanelWidth-1]
	outerTile(&a[0], aRow, aStep, depth, &b[0], n, &y[0], yStride)
}

// avx2Turn is plainTurn, for panels of a multiple of 8.
func avx2Turn(panelWidth int, dst, src []float32, stride, n int) {
	if n == 0 {
		return
	}
	_, _ = dst[n*panelWidth-1], src[(panelWidth-1)*stride+n-1]
	turnTile(&dst[0], &src[0], stride, n, panelWidth)
}

//go:noescape
func copyTile(dst, src *float32, stride, n int)

// avx2Lift is plainLift.
func avx2Lift(dst, src []float32, stride, n int) {
	_, _ = dst[n*avx2PanelWidth-1], src[(n-1)*stride+avx2PanelWidth-1]
	copyTile(&dst[0], &src[0], stride, n)
}

//go:noescape
func maxVector(x *float32, n int) float32

//go:noescape
func expVector(x *float32, n int, top float32) float32

//go:noescape
func siluVector(gate, up *float32, n int)

// avx2Largest is slices.Max.
func avx2Largest(x []float32) float32 {
	return maxVector(&x[0], len(x))
}

// avx2Exp is plainExp.
func avx2Exp(x []float32, top float32) float32 {
	return expVector(&x[0], len(x), top)
}

// avx2SiLU is plainSiLU.
func avx2SiLU(gate, up []float32) {
	_ = up[len(gate)-1]
	siluVector(&gate[0], &up[0], len(gate))
}
