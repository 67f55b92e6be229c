//go:build !unix

package pdfium

import "github.com/tetratelabs/wazero/experimental"

// allocator leaves memory to the WebAssembly runtime.
func allocator(func(memory)) experimental.MemoryAllocator { return nil }
