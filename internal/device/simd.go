//go:build goexperiment.simd && amd64

package device

// vectors tells whether gomlx's Go backend multiplies with vector code.
const vectors = true
