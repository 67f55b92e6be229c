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

// vectorWide is goTiles.wide.
func vectorWide(dst []float32, src []uint16, step int, second float32, n int) {
	_, _ = dst[2*n*vectorIntRows-1], src[n*step-1]
	wideTile(&dst[0], &src[0], step, second, n)
}

// vectorMultiples is goTiles.multiples.
func vectorMultiples(dst []float32, src []int8, step int, unit []float32, n int) {
	_, _, _ = dst[2*n*vectorIntRows-1], src[n*step-1], unit[2*vectorIntRows-1]
	multipleTile(&dst[0], &src[0], step, &unit[0], n)
}

// vectorUnpackFours is goTiles.unpackFours.
func vectorUnpackFours(dst []float32, stride int, w []byte, d []float32, n int) {
	_, _, _ = dst[(n-1)*stride+vectorIntRows-1], w[n*vectorIntRows/2-1], d[2*vectorIntRows-1]
	unpackFourTile(&dst[0], stride, &w[0], &d[0], n)
}

// vectorUnpackSixes is goTiles.unpackSixes.
func vectorUnpackSixes(dst []float32, stride int, low, high []byte, d []float32, n int) {
	_, _, _, _ = dst[(n-1)*stride+vectorIntRows-1], low[n*vectorIntRows/2-1], high[n*vectorIntRows/4-1], d[2*vectorIntRows-1]
	unpackSixTile(&dst[0], stride, &low[0], &high[0], &d[0], n)
}
