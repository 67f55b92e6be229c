package cpu

import "golang.org/x/sys/cpu"

var neon = newVector("neon", cpu.ARM64.HasASIMD, 4)

// hasDots: the processor has SDOT.
var hasDots = cpu.ARM64.HasASIMDDP

// vectorSets are the sets of vector code, the best first.
var vectorSets = []*kernels{neon}

func vectorNarrow(dst []uint16, x []float32) { plainNarrow(dst, x) }
