//go:build amd64 || arm64

package cpu

// newVector makes kernels of vector code: AVX2 on amd64, NEON on arm64.
func newVector(name string, has bool, rowStep int) *kernels {
	k := &kernels{
		name: name, has: has,
		floatRows: vectorFloatRows, intRows: vectorIntRows, intColumns: 2,
		dotFloats: dots(floatTile), dotInts: vectorInts, round: vectorRound, dotHalves: dots(halfTile), widen: vectorWiden, narrow: vectorNarrow,
		dotFours: vectorFours, roundBytes: vectorRoundBytes,
		halves: vectorWide, multiples: vectorMultiples, dotSixes: sixes(sixTile), unpackFours: vectorUnpackFours, unpackSixes: vectorUnpackSixes,
		panelDepth: 320, panels: 6, rowBlock: 96,
	}
	k.setPanels(16, rowStep, outerTile, copyTile)
	k.setFunctions(8, maxVector, expVector, siluVector)
	return k
}

// The functions below make kernels of code in assembly, which takes addresses: what it reads and writes is checked before.

// dots are goTiles.floats or goTiles.halves.
func dots[W float32 | uint16](tile func(w *W, wStride int, x *float32, xStride, width, n int, y *float32, yStride int)) func(w []W, wStride int, x []float32, xStride, width, n int, y []float32, yStride int) {
	return func(w []W, wStride int, x []float32, xStride, width, n int, y []float32, yStride int) {
		_, _, _ = w[(vectorFloatRows-1)*wStride+width-1], x[(n-1)*xStride+width-1], y[(n-1)*yStride+vectorFloatRows-1]
		tile(&w[0], wStride, &x[0], xStride, width, n, &y[0], yStride)
	}
}

// sixes are goTiles.sixes.
func sixes(tile func(low, high *byte, d *float32, dStep int, x *int8, dx *float32, width int, y *float32)) func(low, high []byte, d []float32, sub int, x []int8, dx []float32, xStride, width, n int, y []float32, yStride int) {
	return func(low, high []byte, d []float32, sub int, x []int8, dx []float32, xStride, width, n int, y []float32, yStride int) {
		_, _, _ = low[vectorIntRows*width/2-1], high[vectorIntRows*width/4-1], d[2*vectorIntRows*width/sub-1]
		_, _, _ = x[(n-1)*xStride+width-1], dx[2*((n-1)*xStride+width)/block-1], y[(n-1)*yStride+vectorIntRows-1]
		for v := range n {
			tile(&low[0], &high[0], &d[0], (32/sub-1)*2*vectorIntRows, &x[v*xStride], &dx[2*v*xStride/block], width, &y[v*yStride])
		}
	}
}

// setPanels sets goTiles.outer, goTiles.lift and goTiles.turn, for panels of a multiple of 8 columns.
func (k *kernels) setPanels(width, rowStep int, outer func(a *float32, aRow, aStep, depth int, b *float32, n int, y *float32, yStride int), lift func(dst, src *float32, stride, n int)) {
	k.panelWidth, k.rowStep = width, rowStep
	k.outer = func(a []float32, aRow, aStep, depth int, b []float32, n int, y []float32, yStride int) {
		_, _, _ = a[(n-1)*aRow+(depth-1)*aStep], b[depth*width-1], y[(n-1)*yStride+width-1]
		outer(&a[0], aRow, aStep, depth, &b[0], n, &y[0], yStride)
	}
	k.lift = func(dst, src []float32, stride, n int) {
		_, _ = dst[n*width-1], src[(n-1)*stride+width-1]
		lift(&dst[0], &src[0], stride, n)
	}
	k.turn = func(dst, src []float32, stride, n int) {
		if n > 0 {
			_, _ = dst[n*width-1], src[(width-1)*stride+n-1]
			turnTile(&dst[0], &src[0], stride, n, width)
		}
	}
}

// setFunctions sets slices.Max, plainExp and plainSiLU.
func (k *kernels) setFunctions(lanes int, largest func(x *float32, n int) float32, exp func(x *float32, n int, top float32) float32, silu func(gate, up *float32, n int)) {
	k.lanes = lanes
	k.largest = func(x []float32) float32 { return largest(&x[0], len(x)) }
	k.exp = func(x []float32, top float32) float32 { return exp(&x[0], len(x), top) }
	k.silu = func(gate, up []float32) {
		_ = up[len(gate)-1]
		silu(&gate[0], &up[0], len(gate))
	}
}

// What the code in assembly is made for.
const (
	vectorFloatRows = 4
	vectorIntRows   = 16
)

//go:noescape
func floatTile(w *float32, wStride int, x *float32, xStride, width, n int, y *float32, yStride int)

//go:noescape
func intTile(w *int8, d *float32, x *int16, dx *float32, width int, y *float32)

//go:noescape
func intFours(w *int8, d *float32, x *int16, dx *float32, xStride, width int, y *float32, yStride, ahead, pace int)

//go:noescape
func roundVector(dst *int16, d, x *float32, n int)

// vectorInts is goTiles.ints.
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
func copyTile(dst, src *float32, stride, n int)

//go:noescape
func turnTile(dst, src *float32, stride, n, width int)

//go:noescape
func maxVector(x *float32, n int) float32

//go:noescape
func expVector(x *float32, n int, top float32) float32

//go:noescape
func siluVector(gate, up *float32, n int)
