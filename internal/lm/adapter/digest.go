package adapter

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"unsafe"
)

// Digest is the SHA-256 over all updates. Nil has "".
func (a *Adapter) Digest() string {
	if a == nil {
		return ""
	}
	sum := sha256.New()
	for _, path := range a.Paths() {
		m := a.Modules[path]
		fmt.Fprintf(sum, "%s %d\n", path, m.Rank)
		binary.Write(sum, binary.LittleEndian, m.Scale)
		for _, values := range [][]float32{m.A, m.B} {
			sum.Write(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values)))
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}
