package cpu

// vectorSets are the sets of vector code, the best first.
var vectorSets = []*kernels{avx512, avx2}
