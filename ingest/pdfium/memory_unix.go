//go:build unix

package pdfium

import (
	"sync"

	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// allocator reserves addresses for all that a memory may grow to and takes real
// memory as it grows. On Go's own heap each growth would be a copy, with the
// old one still there: several times the limit at its peak.
//
// Each memory is handed to made, whose owner must release it.
func allocator(made func(memory)) experimental.MemoryAllocator {
	return experimental.MemoryAllocatorFunc(func(_, most uint64) experimental.LinearMemory {
		m := &linearMemory{}
		size := (most + wasmPage - 1) / wasmPage * wasmPage
		region, err := unix.Mmap(-1, 0, int(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err == nil { // else growing fails, as without memory
			m.region, m.held = region, true
			made(m)
		}
		return m
	})
}

// linearMemory is unmapped when it was freed and released: an instance that is
// killed at a deadline frees its memory while its code still runs on it.
type linearMemory struct {
	mu     sync.Mutex
	region []byte
	ready  uint64 // bytes that may be used
	held   bool
	freed  bool
}

func (m *linearMemory) Reallocate(size uint64) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if size > uint64(len(m.region)) {
		return nil
	}
	if size > m.ready {
		if unix.Mprotect(m.region[m.ready:size], unix.PROT_READ|unix.PROT_WRITE) != nil {
			return nil
		}
		m.ready = size
	}
	return m.region[:size:size]
}

func (m *linearMemory) Free() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.freed = true
	m.unmap()
}

func (m *linearMemory) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = false
	m.unmap()
}

func (m *linearMemory) unmap() {
	if m.freed && !m.held && m.region != nil {
		_ = unix.Munmap(m.region)
		m.region = nil
	}
}
