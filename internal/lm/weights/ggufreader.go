package weights

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// ggufReader reads the header of a GGUF file in order. The first fault sticks: later reads return zeros, so that a
// caller may check err once after several.
type ggufReader struct {
	in   *bufio.Reader
	left int64 // bytes of the file not yet read
	err  error
	buf  []byte
}

func (r *ggufReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// next returns n bytes that are valid until the next call.
func (r *ggufReader) next(n int) []byte {
	if r.err == nil && int64(n) > r.left {
		r.fail(malformed("the file ends within the header"))
	}
	if r.err != nil {
		n = min(n, 8)
		r.buf = append(r.buf[:0], make([]byte, n)...)
		return r.buf
	}
	r.buf = resize(r.buf, n)
	r.left -= int64(n)
	if _, err := io.ReadFull(r.in, r.buf); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = malformed("the file ends within the header")
		}
		r.fail(err)
		clear(r.buf)
	}
	return r.buf
}

func (r *ggufReader) uint8() uint8   { return r.next(1)[0] }
func (r *ggufReader) uint32() uint32 { return binary.LittleEndian.Uint32(r.next(4)) }
func (r *ggufReader) uint64() uint64 { return binary.LittleEndian.Uint64(r.next(8)) }

func (r *ggufReader) bool() bool {
	v := r.uint8()
	if v > 1 {
		r.fail(malformed("%d is not a bool", v))
	}
	return v == 1
}

// string reads a length and that many bytes.
func (r *ggufReader) string() string {
	n := r.uint64()
	if r.err == nil && n > uint64(r.left) {
		r.fail(malformed("a string of %d bytes does not fit in the file", n))
	}
	if r.err != nil {
		return ""
	}
	return string(r.next(int(n)))
}
