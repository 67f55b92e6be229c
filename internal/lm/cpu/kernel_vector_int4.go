//go:build amd64 || arm64

package cpu

//go:noescape
func fourTile(w *byte, d *float32, x *int8, dx *float32, width int, y *float32)

//go:noescape
func fourFours(w *byte, d *float32, x *int8, dx *float32, xStride, width int, y *float32, yStride int)

//go:noescape
func roundBytes(dst *int8, d, x *float32, n int)

// vectorFours is goTiles.fours.
func vectorFours(w []byte, d []float32, x []int8, dx []float32, xStride, width, n int, y []float32, yStride int) {
	_, _, _ = w[vectorIntRows*width/2-1], d[2*vectorIntRows*width/block-1], y[(n-1)*yStride+vectorIntRows-1]
	_, _ = x[(n-1)*xStride+width-1], dx[2*((n-1)*xStride+width)/block-1]
	v := 0
	for ; v+4 <= n; v += 4 {
		fourFours(&w[0], &d[0], &x[v*xStride], &dx[2*v*xStride/block], xStride, width, &y[v*yStride], yStride)
	}
	for ; v < n; v++ {
		fourTile(&w[0], &d[0], &x[v*xStride], &dx[2*v*xStride/block], width, &y[v*yStride])
	}
}

// vectorRoundBytes is plainRoundBytes.
func vectorRoundBytes(dst []int8, d, x []float32) {
	_, _ = dst[len(x)-1], d[2*len(x)/block-1]
	roundBytes(&dst[0], &d[0], &x[0], len(x))
}
