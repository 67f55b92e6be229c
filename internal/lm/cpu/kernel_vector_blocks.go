//go:build amd64 || arm64

package cpu

//go:noescape
func wideTile(dst *float32, src *uint16, step int, second float32, n int)

//go:noescape
func multipleTile(dst *float32, src *int8, step int, unit *float32, n int)

//go:noescape
func sixTile(low, high *byte, d *float32, dStep int, x *int8, dx *float32, width int, y *float32)

//go:noescape
func unpackFourTile(dst *float32, stride int, w *byte, d *float32, n int)

//go:noescape
func unpackSixTile(dst *float32, stride int, low, high *byte, d *float32, n int)

// vectorWide is plainWide.
func vectorWide(dst []float32, src []uint16, step int, second float32, n int) {
	_, _ = dst[2*n*vectorIntRows-1], src[n*step-1]
	wideTile(&dst[0], &src[0], step, second, n)
}

// vectorMultiples is plainMultiples.
func vectorMultiples(dst []float32, src []int8, step int, unit []float32, n int) {
	_, _, _ = dst[2*n*vectorIntRows-1], src[n*step-1], unit[2*vectorIntRows-1]
	multipleTile(&dst[0], &src[0], step, &unit[0], n)
}

// vectorSixes is plainSixes.
func vectorSixes(low, high []byte, d []float32, sub int, x []int8, dx []float32, xStride, width, n int, y []float32, yStride int) {
	_, _, _ = low[vectorIntRows*width/2-1], high[vectorIntRows*width/4-1], d[2*vectorIntRows*width/sub-1]
	_, _, _ = x[(n-1)*xStride+width-1], dx[2*((n-1)*xStride+width)/block-1], y[(n-1)*yStride+vectorIntRows-1]
	for v := range n {
		sixTile(&low[0], &high[0], &d[0], (32/sub-1)*2*vectorIntRows, &x[v*xStride], &dx[2*v*xStride/block], width, &y[v*yStride])
	}
}

// vectorUnpackFours is plainUnpackFours.
func vectorUnpackFours(dst []float32, stride int, w []byte, d []float32, n int) {
	_, _, _ = dst[(n-1)*stride+vectorIntRows-1], w[n*vectorIntRows/2-1], d[2*vectorIntRows-1]
	unpackFourTile(&dst[0], stride, &w[0], &d[0], n)
}

// vectorUnpackSixes is plainUnpackSixes.
func vectorUnpackSixes(dst []float32, stride int, low, high []byte, d []float32, n int) {
	_, _, _, _ = dst[(n-1)*stride+vectorIntRows-1], low[n*vectorIntRows/2-1], high[n*vectorIntRows/4-1], d[2*vectorIntRows-1]
	unpackSixTile(&dst[0], stride, &low[0], &high[0], &d[0], n)
}
