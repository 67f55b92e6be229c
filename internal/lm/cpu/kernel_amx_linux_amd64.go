package cpu

import (
	"errors"
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/cpu"
)

// tiled is vnni with tiles for bfloat16, and why they cannot be used. It asks for permission, so nobody calls it who has no bfloat16: from
// then on the stacks of signal handlers in C must have room for tiles.
var tiled = sync.OnceValues(func() (*kernels, error) {
	k := *vnni
	k.name, k.rowStep = "amx", k.rowBlock
	k.outerHalves, k.braid = amxOuter, vectorBraid
	err := errors.New("this processor has no AMX")
	if k.has && cpu.X86.HasAMXTile && cpu.X86.HasAMXBF16 {
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

//go:noescape
func braidVector(dst *float32, a, b *uint16)

// vectorBraid is plainBraid.
func vectorBraid(dst []float32, a, b []uint16) {
	_, _, _ = dst[tileSize-1], a[tileSize-1], b[tileSize-1]
	braidVector(&dst[0], &a[0], &b[0])
}

func savedState() uint32
