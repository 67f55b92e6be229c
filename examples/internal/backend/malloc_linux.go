package backend

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
)

// tunables make glibc's malloc keep what XLA frees. XLA takes gigabytes for every training step and gives them back; by
// default they go back to the kernel, which clears each page when it is taken again: a third of the time.
const tunablesName = "GLIBC_TUNABLES"

var tunables = strings.Join([]string{
	"glibc.malloc.mmap_max=0",                  // from the heap, not in mappings of their own
	"glibc.malloc.trim_threshold=100000000000", // whose end is not given back
	"glibc.malloc.arena_max=1",                 // the only heap that can grow to gigabytes
	// XLA asks for aligned blocks. The few bytes cut off in front of one must join it again when it is freed, or it
	// is too small for the next call: they do where malloc keeps no lists of small pieces.
	"glibc.malloc.tcache_count=0",
	"glibc.malloc.mxfast=0",
	"glibc.malloc.hugetlb=1", // pages of 2 MB
}, ":")

// KeepPages replaces the process by itself with GLIBC_TUNABLES set, if the backend of that name is XLA on the CPU and
// the variable is not set: malloc reads it before main begins. To switch this off set it to anything, even to nothing.
// Call it before there is anything to lose. It returns when nothing was to be done, or with the error.
func KeepPages(name string, o Options, args []string) error {
	if _, set := entry(o.Environ, tunablesName); set || !onXLACPU(name, o) {
		return nil
	}
	self, err := os.Executable()
	if err == nil {
		err = syscall.Exec(self, args, append(slices.Clip(o.Environ), tunablesName+"="+tunables))
	}
	return fmt.Errorf("start again with %s, which can be set to anything to avoid this: %w", tunablesName, err)
}

// onXLACPU tells what Open would choose first.
func onXLACPU(name string, o Options) bool {
	choices, err := candidates(name, o)
	return err == nil && choices[0].name == CPU
}
