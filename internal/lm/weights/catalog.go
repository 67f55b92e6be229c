package weights

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/docent-ml/docent/internal/lm"
)

// pieceElements is how many elements are read and converted at a time: enough to make a disk read worth its call,
// few enough that the piece is still in the processor's cache when it is converted. A multiple of every block size.
const pieceElements = 1 << 16

// file is an opened checkpoint file.
type file struct {
	name string // as errors show it
	io.ReaderAt
	size int64
}

// stored is a tensor and where and how its values lie in a file.
type stored struct {
	Tensor
	raw    string // name in the file
	file   *file
	offset int64
	codec  codec

	// What separates GGUF's values from those of the checkpoint it was made from.
	headDim int     // > 0: the rows of each head are interleaved (see unpermute)
	shift   float32 // added to every value

	scales *stored // exponents of blocks: see pairMXFP4; nil = none
}

func (s *stored) bytes(elements int) int64 { return int64(elements / s.codec.block * s.codec.bytes) }

// pieces tells of how many elements a piece is, and of what its limits are multiples. A head whose rows are to be
// reordered is one piece.
func (s *stored) pieces() (unit, elements int) {
	if s.headDim > 0 {
		head := s.headDim * s.rowLen()
		return head, head
	}
	return s.codec.block, pieceElements
}

// rowLen is how many elements go with one index of the first dimension.
func (s *stored) rowLen() int { return s.Size() / s.Shape[0] }

// scratch is the memory a piece passes through; it grows to the largest piece it has seen.
type scratch struct {
	raw  []byte
	rows []float32
	part []float32 // of a piece that is read for a part of it
}

// readPiece fills dst with the elements from start on. start and len(dst) follow the limits of pieces.
func (s *stored) readPiece(dst []float32, start int, buf *scratch) error {
	buf.raw = resize(buf.raw, int(s.bytes(len(dst))))
	if err := s.readAt(buf.raw, s.offset+s.bytes(start)); err != nil {
		return err
	}
	if s.headDim > 0 {
		buf.rows = resize(buf.rows, len(dst))
		s.codec.decode(buf.rows, buf.raw)
		unpermute(dst, buf.rows, s.headDim)
	} else {
		s.codec.decode(dst, buf.raw)
	}
	if s.shift != 0 {
		for i := range dst {
			dst[i] += s.shift
		}
	}
	if s.scales != nil {
		return s.scale(dst, start)
	}
	return nil
}

// readAt fills dst from the file.
func (s *stored) readAt(dst []byte, offset int64) error {
	_, err := s.file.ReadAt(dst, offset)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF // the file was shortened since it was opened
	}
	return err
}

// unpermute reorders the rows of one head. GGUF's llama architecture rotates neighbouring rows (2j, 2j+1) together;
// transformers rotates rows j and j + headDim/2, so its converter interleaves the halves and this separates them.
func unpermute(dst, src []float32, headDim int) {
	n, half := len(src)/headDim, headDim/2
	for j := range half {
		copy(dst[j*n:][:n], src[2*j*n:][:n])
		copy(dst[(half+j)*n:][:n], src[(2*j+1)*n:][:n])
	}
}

func resize[T any](buf []T, n int) []T {
	if cap(buf) < n {
		return make([]T, n)
	}
	return buf[:n]
}

// catalog is the part of a Source that all formats share.
type catalog struct {
	label   string // file or folder, for errors
	byName  map[string]*stored
	joined  map[string][]lm.Piece // tensors that lie in pieces, in order
	tensors []Tensor
	closers []io.Closer
	closed  atomic.Bool
	scratch sync.Pool // of *scratch
	span    span
}

// add enters a tensor, refusing a name that is there already.
func (c *catalog) add(s *stored) error {
	if other, ok := c.byName[s.Name]; ok {
		if other.file == s.file {
			return malformed("it is there twice")
		}
		return malformed("it is also in %s", other.file.name)
	}
	if c.byName == nil {
		c.byName = map[string]*stored{}
	}
	c.byName[s.Name] = s
	c.tensors = append(c.tensors, s.Tensor)
	return nil
}

// Rename gives all tensors other names. It takes those out whose name becomes "", and tells how many they are.
func (c *catalog) Rename(name func(string) string) (out int) {
	byName := map[string]*stored{}
	c.tensors = slices.DeleteFunc(c.tensors, func(t Tensor) bool { return name(t.Name) == "" })
	for i := range c.tensors {
		s := c.byName[c.tensors[i].Name]
		s.Name = name(s.Name)
		c.tensors[i].Name, byName[s.Name] = s.Name, s
	}
	out = len(c.byName) - len(byName)
	c.byName = byName
	return out
}

func (c *catalog) Tensors() []Tensor { return slices.Clone(c.tensors) }

func (c *catalog) Read(name string, dst []float32) error {
	if s := c.byName[name]; s != nil && len(dst) != s.Size() {
		return &Error{"read", s.file.name, s.raw, fmt.Errorf("destination has %d elements, shape %v needs %d", len(dst), s.Shape, s.Size())}
	}
	return c.ReadFrom(name, 0, dst)
}

func (c *catalog) ReadFrom(name string, start int, dst []float32) error {
	if pieces := c.joined[name]; pieces != nil {
		return c.readJoined(pieces, start, dst)
	}
	s, err := c.find(name)
	if err != nil {
		return err
	}
	if start < 0 || len(dst) > s.Size()-start {
		return &Error{"read", s.file.name, s.raw, fmt.Errorf("%d elements from %d on are not in shape %v", len(dst), start, s.Shape)}
	}
	return c.read(s, dst, start)
}

// find looks a tensor up and checks that its values can be read as weights.
func (c *catalog) find(name string) (*stored, error) {
	s, ok := c.byName[name]
	switch {
	case c.closed.Load():
		return nil, &Error{"read", c.label, name, fs.ErrClosed}
	case !ok:
		return nil, &Error{"read", c.label, name, ErrNotFound}
	case s.codec.decode == nil:
		return nil, &Error{"read", s.file.name, s.raw, unsupported("type %s does not hold weights", s.DType)}
	}
	return s, nil
}

// read fills dst with the elements from start on, on all processors.
func (c *catalog) read(s *stored, dst []float32, start int) error {
	unit, elements := s.pieces()
	first := start / unit * unit
	end := (start + len(dst) + unit - 1) / unit * unit
	count := (end - first + elements - 1) / elements
	var next atomic.Int64
	var failed atomic.Pointer[Error]
	work := func() {
		buf, _ := c.scratch.Get().(*scratch)
		if buf == nil {
			buf = new(scratch)
		}
		defer c.scratch.Put(buf)
		for failed.Load() == nil {
			i := int(next.Add(1)) - 1
			if i >= count {
				return
			}
			at := first + i*elements
			if err := s.readPart(dst, start, at, min(elements, end-at), buf); err != nil {
				failed.CompareAndSwap(nil, &Error{"read", s.file.name, s.raw, err})
			}
		}
	}
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), count) - 1 {
		group.Go(work)
	}
	work()
	group.Wait()
	if err := failed.Load(); err != nil {
		return err
	}
	return nil
}

// readPart fills dst, which begins with element start, as far as the piece of n elements from at on goes.
func (s *stored) readPart(dst []float32, start, at, n int, buf *scratch) error {
	if at >= start && at+n <= start+len(dst) {
		return s.readPiece(dst[at-start:][:n], at, buf)
	}
	buf.part = resize(buf.part, n)
	if err := s.readPiece(buf.part, at, buf); err != nil {
		return err
	}
	from, to := max(at, start), min(at+n, start+len(dst))
	copy(dst[from-start:to-start], buf.part[from-at:to-at])
	return nil
}

func (c *catalog) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	var errs []error
	for _, f := range c.closers {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// checkLayout refuses tensors of f that overlap. With gapless, they must also fill it from start to the end, as
// safetensors demands so that nothing can hide between them.
func checkLayout(f *file, tensors []*stored, start int64, gapless bool) error {
	tensors = slices.SortedFunc(slices.Values(tensors), func(a, b *stored) int {
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.Size(), b.Size()))
	})
	end, before := start, "the header"
	for _, s := range tensors {
		switch {
		case s.offset < end:
			return &Error{"open", f.name, s.raw, malformed("its data overlaps that of %s", before)}
		case s.offset > end && gapless:
			return &Error{"open", f.name, s.raw, malformed("%d bytes before its data belong to no tensor", s.offset-end)}
		}
		end, before = s.offset+s.bytes(s.Size()), fmt.Sprintf("%q", s.raw)
	}
	if gapless && f.size > end {
		return &Error{"open", f.name, "", malformed("%d bytes at the end belong to no tensor", f.size-end)}
	}
	return nil
}
