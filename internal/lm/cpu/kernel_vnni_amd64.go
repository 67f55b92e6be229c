package cpu

import "golang.org/x/sys/cpu"

// vnni is avx512 with the instructions that multiply integers and add them up.
var vnni = func() *kernels {
	k := *avx512
	k.name, k.has = "avx512vnni", k.has && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VNNI
	k.dotInts, k.dotFours, k.dotSixes = vnniInts, vnniFours, sixes(vnniSixTile)
	return &k
}()

//go:noescape
func vnniIntTile(w *int8, d *float32, x *int16, dx *float32, xStride, width, n int, y *float32, yStride int)

//go:noescape
func vnniFourTile(w *byte, d *float32, x *int8, dx *float32, xStride, width, n int, y *float32, yStride int)

//go:noescape
func vnniSixTile(low, high *byte, d *float32, dStep int, x *int8, dx *float32, width int, y *float32)

// vnniInts is goTiles.ints.
func vnniInts(w []int8, d []float32, x []int16, dx []float32, xStride, width, n int, y []float32, yStride int) {
	_, _, _ = w[vectorIntRows*width-1], d[vectorIntRows*width/block-1], y[(n-1)*yStride+vectorIntRows-1]
	_, _ = x[(n-1)*xStride+width-1], dx[((n-1)*xStride+width)/block-1]
	vnniIntTile(&w[0], &d[0], &x[0], &dx[0], xStride, width, n, &y[0], yStride)
}

// vnniFours is goTiles.fours.
func vnniFours(w []byte, d []float32, x []int8, dx []float32, xStride, width, n int, y []float32, yStride int) {
	_, _, _ = w[vectorIntRows*width/2-1], d[2*vectorIntRows*width/block-1], y[(n-1)*yStride+vectorIntRows-1]
	_, _ = x[(n-1)*xStride+width-1], dx[2*((n-1)*xStride+width)/block-1]
	vnniFourTile(&w[0], &d[0], &x[0], &dx[0], xStride, width, n, &y[0], yStride)
}
