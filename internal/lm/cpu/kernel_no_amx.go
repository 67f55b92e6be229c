//go:build !linux || !amd64

package cpu

import "errors"

// tiled is a set with tiles for bfloat16: there is none here.
func tiled() (*kernels, error) { return nil, errors.New("this system has no AMX that docent knows") }
