package cpu

import (
	"errors"
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/cpu"
)

// tiled is vnni with tiles, and why they cannot be used. It asks for permission, so nobody calls it who has neither bfloat16 nor integers:
// from then on the stacks of signal handlers in C must have room for tiles.
var tiled = sync.OnceValues(func() (*kernels, error) {
	k := *vnni
	k.name, k.rowStep = "amx", k.rowBlock
	k.outerHalves, k.braid = amxOuter, vectorBraid
	k.intColumns, k.dotInts, k.round = 4, amxInts, amxRound
	err := errors.New("this processor has no AMX")
	if k.has && cpu.X86.HasAMXTile && cpu.X86.HasAMXBF16 && cpu.X86.HasAMXInt8 {
		if err = permitTiles(); err == nil {
			err = k.checkTiles()
		}
	}
	k.has = err == nil
	return &k, err
})

// permitTiles asks Linux to save tiles, which it does only for processes that want it.
func permitTiles() error {
	const (
		archPrctl, requestPermission, tileData = 158, 0x1023, 18
		saved                                  = 1<<17 | 1<<18 // shapes and data of tiles, in XCR0
	)
	if savedState()&saved != saved {
		return errors.New("the system does not save the registers of AMX")
	}
	if _, _, err := syscall.RawSyscall(archPrctl, requestPermission, tileData, 0); err != 0 {
		return fmt.Errorf("the system does not permit AMX: %w", err)
	}
	return nil
}

// amxOuter is plainOuterHalves.
func amxOuter(a []uint16, aRow, depth int, b []float32, n int, y []float32, yStride int) {
	_, _, _ = a[(n-1)*aRow+depth-1], b[depth/2*tileSize-1], y[(n-1)*yStride+tileSize-1]
	tileOuter(&a[0], aRow, depth/block, &b[0], n/tileSize, &y[0], yStride)
}

//go:noescape
func tileOuter(a *uint16, aRow, steps int, b *float32, blocks int, y *float32, yStride int)

// intShapes are what LDTILECFG reads for so many vectors: of tiles 0 and 1, sums of low and high bytes, and of 2 and 3, those bytes, a
// row each; and of tile 4, the weights. See tileShapes.
var intShapes = func() (all [17][64]byte) {
	for n := range all {
		all[n][0] = 1
		for tile, width := range []byte{64, 64, block, block, 64} {
			all[n][16+2*tile], all[n][48+tile] = width, byte(n)
		}
		all[n][48+4] = block / 4
	}
	return all
}()

// amxInts is goTiles.tiledInts.
func amxInts(w []int8, d []float32, x []int16, dx []float32, xStride, width, n int, y []float32, yStride int) {
	_, _, _ = w[vectorIntRows*width-1], d[vectorIntRows*width/block-1], y[(n-1)*yStride+vectorIntRows-1]
	_, _ = x[(n-1)*xStride+width-1], dx[((n-1)*xStride+width)/block-1]
	for v := 0; v < n; v += 16 {
		part := min(16, n-v)
		tileInts(&intShapes[part], &w[0], &d[0], &x[v*xStride], &dx[v*xStride/block], 2*xStride, width/block, part, &y[v*yStride], 4*yStride, 4*xStride/block)
	}
}

//go:noescape
func tileInts(shapes *[64]byte, w *int8, d *float32, x *int16, dx *float32, xBytes, blocks, n int, y *float32, yBytes, dxBytes int)

// amxRound is plainRoundSplit.
func amxRound(dst []int16, d, x []float32) {
	vectorRound(dst, d, x)
	splitVector(&dst[0], len(x)/block)
}

//go:noescape
func splitVector(x *int16, blocks int)

//go:noescape
func braidVector(dst *float32, a, b *uint16)

// vectorBraid is plainBraid.
func vectorBraid(dst []float32, a, b []uint16) {
	_, _, _ = dst[tileSize-1], a[tileSize-1], b[tileSize-1]
	braidVector(&dst[0], &a[0], &b[0])
}

func savedState() uint32
