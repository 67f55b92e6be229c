//go:build amd64 || arm64

package cpu

// newVector makes kernels of vector code: AVX2 on amd64, NEON on arm64.
func newVector(name string, has bool, rowStep int) *kernels {
	return &kernels{
		name: name, has: has,
		floatRows: vectorFloatRows, intRows: vectorIntRows,
		dotFloats: vectorFloats, dotInts: vectorInts, round: vectorRound, dotHalves: vectorHalves, widen: vectorWiden,
		dotFours: vectorFours, roundBytes: vectorRoundBytes,
		halves: vectorWide, multiples: vectorMultiples, dotSixes: vectorSixes, unpackFours: vectorUnpackFours, unpackSixes: vectorUnpackSixes,
		panelWidth: vectorPanelWidth, panelDepth: 320, panels: 6, rowBlock: 96, rowStep: rowStep, outer: vectorOuter, lift: vectorLift,
		turn:  func(dst, src []float32, stride, n int) { vectorTurn(vectorPanelWidth, dst, src, stride, n) },
		lanes: 8, largest: vectorLargest, exp: vectorExp, silu: vectorSiLU,
	}
}

// What the code in assembly is made for.
const (
	vectorFloatRows  = 4
	vectorIntRows    = 16
	vectorPanelWidth = 16
)

//go:noescape
func floatTile(w *float32, wStride int, x *float32, xStride, width, n int, y *float32, yStride int)

//go:noescape
func intTile(w *int8, d *float32, x *int16, dx *float32, width int, y *float32)

//go:noescape
func intFours(w *int8, d *float32, x *int16, dx *float32, xStride, width int, y *float32, yStride, ahead, pace int)

//go:noescape
func roundVector(dst *int16, d, x *float32, n int)

// vectorFloats is plainFloats.
func vectorFloats(w []float32, wStride int, x []float32, xStride, width, n int, y []float32, yStride int) {
	_, _, _ = w[(vectorFloatRows-1)*wStride+width-1], x[(n-1)*xStride+width-1], y[(n-1)*yStride+vectorFloatRows-1]
	floatTile(&w[0], wStride, &x[0], xStride, width, n, &y[0], yStride)
}

// vectorInts is plainInts.
func vectorInts(w []int8, d []float32, x []int16, dx []float32, xStride, width, n int, y []float32, yStride int) {
	_, _, _ = w[vectorIntRows*width-1], d[vectorIntRows*width/block-1], y[(n-1)*yStride+vectorIntRows-1]
	_, _ = x[(n-1)*xStride+width-1], dx[((n-1)*xStride+width)/block-1]
	v := 0
	if n >= 4 {
		// The tile that follows is fetched evenly over the calls, so that memory and multiplications are busy all the time.
		ahead, pace := vectorIntRows*width, vectorIntRows*block/(n/4)
		for ; v+4 <= n; v += 4 {
			intFours(&w[0], &d[0], &x[v*xStride], &dx[v*xStride/block], xStride, width, &y[v*yStride], yStride, ahead, pace)
			ahead += pace * width / block
		}
	}
	for ; v < n; v++ {
		intTile(&w[0], &d[0], &x[v*xStride], &dx[v*xStride/block], width, &y[v*yStride])
	}
}

// vectorRound is plainRound.
func vectorRound(dst []int16, d, x []float32) {
	_, _ = dst[len(x)-1], d[len(x)/block-1]
	roundVector(&dst[0], &d[0], &x[0], len(x))
}

//go:noescape
func outerTile(a *float32, aRow, aStep, depth int, b *float32, n int, y *float32, yStride int)

//go:noescape
func turnTile(dst, src *float32, stride, n, width int)

// vectorOuter is plainOuter.
func vectorOuter(a []float32, aRow, aStep, depth int, b []float32, n int, y []float32, yStride int) {
	_, _, _ = a[(n-1)*aRow+(depth-1)*aStep], b[depth*vectorPanelWidth-1], y[(n-1)*yStride+vectorPanelWidth-1]
	outerTile(&a[0], aRow, aStep, depth, &b[0], n, &y[0], yStride)
}

// vectorTurn is plainTurn, for panels of a multiple of 8.
func vectorTurn(panelWidth int, dst, src []float32, stride, n int) {
	if n == 0 {
		return
	}
	_, _ = dst[n*panelWidth-1], src[(panelWidth-1)*stride+n-1]
	turnTile(&dst[0], &src[0], stride, n, panelWidth)
}

//go:noescape
func copyTile(dst, src *float32, stride, n int)

// vectorLift is plainLift.
func vectorLift(dst, src []float32, stride, n int) {
	_, _ = dst[n*vectorPanelWidth-1], src[(n-1)*stride+vectorPanelWidth-1]
	copyTile(&dst[0], &src[0], stride, n)
}

//go:noescape
func maxVector(x *float32, n int) float32

//go:noescape
func expVector(x *float32, n int, top float32) float32

//go:noescape
func siluVector(gate, up *float32, n int)

// vectorLargest is slices.Max.
func vectorLargest(x []float32) float32 {
	return maxVector(&x[0], len(x))
}

// vectorExp is plainExp.
func vectorExp(x []float32, top float32) float32 {
	return expVector(&x[0], len(x), top)
}

// vectorSiLU is plainSiLU.
func vectorSiLU(gate, up []float32) {
	_ = up[len(gate)-1]
	siluVector(&gate[0], &up[0], len(gate))
}
