//go:build !amd64 && !arm64

package cpu

// vectorSets are the sets of vector code, the best first: there is none for this processor.
var vectorSets []*kernels
