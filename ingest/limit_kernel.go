//go:build linux && !race

package ingest

import (
	"fmt"
	"os"
	"syscall"
)

// limitByKernel caps how much more writable memory this process may map.
// RLIMIT_DATA is the limit that fits Go: RLIMIT_AS would also count address
// space that the runtime only reserves. A refused request ends the process with
// "out of memory". Where it cannot be set, the process still watches itself.
func limitByKernel(bytes int64) {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return
	}
	var size, resident, shared, text, lib, data uint64 // pages
	if _, err := fmt.Sscan(string(statm), &size, &resident, &shared, &text, &lib, &data); err != nil {
		return
	}
	limit := data*uint64(os.Getpagesize()) + uint64(bytes)
	_ = syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: limit, Max: limit})
}
