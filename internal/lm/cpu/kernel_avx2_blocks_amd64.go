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

// avx2Wide is plainWide.
func avx2Wide(dst []float32, src []uint16, step int, second float32, n int) {
	_, _ = dst[2*n*avx2IntRows-1], src[n*step-1]
	wideTile(&dst[0], &src[0], step, second, n)
}

// avx2Multiples is plainMultiples.
func avx2Multiples(dst []float32, src []int8, step int, unit []float32, n int) {
	_, _, _ = dst[2*n*avx2IntRows-1], src[n*step-1], unit[2*avx2IntRows-1]
	multipleTile(&dst[0], &src[0], step, &unit[0], n)
}

// avx2Sixes is plainSixes.
func avx2Sixes(low, high []byte, d []float32, sub int, x []int8, dx []float32, xStride, width, n int, y []float32, yStride int) {
	_, _, _ = low[avx2IntRows*width/2-1], high[avx2IntRows*width/4-1], d[2*avx2IntRows*width/sub-1]
	_, _, _ = x[(n-1)*xStride+width-1], dx[2*((n-1)*xStride+width)/block-1], y[(n-1)*yStride+avx2IntRows-1]
	for v := range n {
		sixTile(&low[0], &high[0], &d[0], (32/sub-1)*2*avx2IntRows, &x[v*xStride], &dx[2*v*xStride/block], width, &y[v*yStride])
	}
}

// avx2UnpackFours is plainUnpackFours.
func avx2UnpackFours(dst []float32, stride int, w []byte, d []float32, n int) {
	_, _, _ = dst[(n-1)*stride+avx2IntRows-1], w[n*avx2IntRows/2-1], d[2*avx2IntRows-1]
	unpackFourTile(&dst[0], stride, &w[0], &d[0], n)
}

// avx2UnpackSixes is plainUnpackSixes.
func avx2UnpackSixes(dst []float32, stride int, low, high []byte, d []float32, n int) {
	_, _, _, _ = dst[(n-1)*stride+avx2IntRows-1], low[n*avx2IntRows/2-1], high[n*avx2IntRows/4-1], d[2*avx2IntRows-1]
	unpackSixTile(&dst[0], stride, &low[0], &high[0], &d[0], n)
}
