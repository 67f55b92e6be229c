//go:build amd64 || arm64

package cpu

//go:noescape
func halfTile(w *uint16, wStride int, x *float32, xStride, width, n int, y *float32, yStride int)

//go:noescape
func widenVector(dst *float32, src *uint16, n int)

// vectorHalves is plainHalves.
func vectorHalves(w []uint16, wStride int, x []float32, xStride, width, n int, y []float32, yStride int) {
	_, _, _ = w[(vectorFloatRows-1)*wStride+width-1], x[(n-1)*xStride+width-1], y[(n-1)*yStride+vectorFloatRows-1]
	halfTile(&w[0], wStride, &x[0], xStride, width, n, &y[0], yStride)
}

// vectorWiden is plainWiden.
func vectorWiden(dst []float32, src []uint16) {
	_ = dst[len(src)-1]
	widenVector(&dst[0], &src[0], len(src))
}
