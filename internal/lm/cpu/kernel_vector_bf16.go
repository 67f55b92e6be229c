//go:build amd64 || arm64

package cpu

//go:noescape
func halfTile(w *uint16, wStride int, x *float32, xStride, width, n int, y *float32, yStride int)

//go:noescape
func widenVector(dst *float32, src *uint16, n int)

// vectorWiden is plainWiden.
func vectorWiden(dst []float32, src []uint16) {
	_ = dst[len(src)-1]
	widenVector(&dst[0], &src[0], len(src))
}
