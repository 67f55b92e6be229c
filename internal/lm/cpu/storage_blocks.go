package cpu

import (
	"cmp"
	"encoding/binary"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/docent-ml/docent/internal/lm/weights"
)

// blocks are the quantised weights of a GGUF file, none of them rounded again, in as many bits: the integers in the order of fourAt
// and twoAt, the rows of a tile together, and what their scales and minima are made of. They become numbers a tile at a time, inside
// the products.
type blocks struct {
	k      *kernels
	f      *weights.BlockFormat
	in     int // a multiple of the blocks
	low    []byte
	high   []byte    // two bits more; nil = the format has none
	each   int       // 1 = scales, 2 = scales and minima
	halves []uint16  // [tile, block, each, row]
	floats []float32 // in place of halves, of the same layout; nil = halves
	small  []int8    // [tile, sub, each, row]
}

func newBlocks(k *kernels, f *weights.BlockFormat, out, in int) *blocks {
	rows := roundUp(out, k.intRows)
	m := &blocks{k: k, f: f, in: in, each: 1, low: make([]byte, rows*in/2)}
	if f.Minima {
		m.each = 2
	}
	if f.Bits == 6 {
		m.high = make([]byte, rows*in/4)
	}
	m.halves = make([]uint16, rows*in/f.Elements*m.each)
	if f.Small {
		m.small = make([]int8, rows*in/f.Sub*m.each)
	}
	return m
}

// blockParts is room for a block.
type blockParts struct {
	q     [256]byte
	half  [2]uint16
	small [32]int8
}

// put stores block b of row r. It is the first to write there.
func (m *blocks) put(r, b int, u *blockParts) {
	rows, f := m.k.intRows, m.f
	tile, i := r/rows, r%rows
	for w := range m.each {
		if at := ((tile*m.in/f.Elements+b)*m.each+w)*rows + i; m.floats != nil {
			m.floats[at] = weights.FromHalf(u.half[w])
		} else {
			m.halves[at] = u.half[w]
		}
	}
	if f.Small {
		for s := range f.Elements / f.Sub * m.each {
			m.small[((tile*m.in+b*f.Elements)/f.Sub*m.each+s)*rows+i] = u.small[s]
		}
	}
	half := rows / 2
	at := (tile*m.in + b*f.Elements) * rows // weights before
	low, shift := m.low[at/2:], i/half*4
	for c := 0; c < f.Elements; c += 4 {
		word := low[(c*half + i%half*4):][:4]
		q := binary.LittleEndian.Uint32(u.q[c:]) & 0x0f0f0f0f
		binary.LittleEndian.PutUint32(word, binary.LittleEndian.Uint32(word)|q<<shift)
	}
	if m.high == nil {
		return
	}
	high := m.high[at/4:]
	for c := 0; c < f.Elements; c += 4 {
		word := high[(c/8*4*half + i%half*4):][:4]
		q := binary.LittleEndian.Uint32(u.q[c:]) >> 4 & 0x03030303
		binary.LittleEndian.PutUint32(word, binary.LittleEndian.Uint32(word)|q<<twoShift(rows, i, c))
	}
}

// twoShift is where in their byte the two high bits of a row and column of a tile are. A byte has those of two rows, as in fourAt,
// and of columns c and c+4: the tile is [column/8, row%half, 4].
func twoShift(rows, r, c int) int { return c/4%2*4 + r/(rows/2)*2 }

// q is the integer of row r, column c.
func (m *blocks) q(r, c int) byte {
	rows := m.k.intRows
	base := r / rows * rows * m.in
	at, shift := fourAt(rows, r%rows, c)
	q := m.low[base/2+at] >> shift & 15
	if m.high != nil {
		q |= m.high[base/4+c/8*2*rows+r%rows%(rows/2)*4+c%4] >> twoShift(rows, r%rows, c) & 3 << 4
	}
	return q
}

// numbers are scales and minima of sub-blocks from to to of a tile, [sub, 2, row], in the memory of a worker if they are not there.
func (m *blocks) numbers(p *panels, tile, from, to int) []float32 {
	rows, f := m.k.intRows, m.f
	if m.floats != nil {
		return m.floats[(tile*m.in/f.Sub+from)*2*rows:]
	}
	step := m.each * rows
	p.numbers = resized(p.numbers, (to-from)*2*rows)
	dst := p.numbers
	second := cmp.Or(f.Bias, 1)
	if !f.Small {
		m.k.halves(dst, m.halves[(tile*m.in/f.Elements+from)*step:], step, second, to-from)
		return dst
	}
	subs := f.Elements / f.Sub
	var room [64]float32
	unit := room[:2*rows]
	for s := from; s < to; {
		b := s / subs
		n := min(to, (b+1)*subs) - s
		m.k.halves(unit, m.halves[(tile*m.in/f.Elements+b)*step:], step, second, 1)
		m.k.multiples(dst[(s-from)*2*rows:], m.small[(tile*m.in/f.Sub+s)*step:], step, unit, n)
		s += n
	}
	return dst
}

func (m *blocks) row(r int, dst []float32) { m.segment(dst, r, 0, len(dst)) }

// segment writes columns from to to of row r.
func (m *blocks) segment(dst []float32, r, from, to int) {
	rows, f := m.k.intRows, m.f
	tile, i := r/rows, r%rows
	for c := from; c < to; {
		number := func(w int) float32 {
			at := ((tile*m.in/f.Elements+c/f.Elements)*m.each+w)*rows + i
			if m.floats != nil {
				return m.floats[at]
			}
			v := weights.FromHalf(m.halves[at])
			if f.Small {
				v *= float32(m.small[((tile*m.in+c)/f.Sub*m.each+w)*rows+i])
			}
			return v
		}
		scale := number(0)
		least := f.Bias * scale
		if f.Minima {
			least = number(1)
		}
		for end := min(to, c/f.Sub*f.Sub+f.Sub); c < end; c++ {
			dst[c-from] = float32(float64(scale)*float64(m.q(r, c)) + float64(least)) // rounded once, as the kernels do
		}
	}
}

func (m *blocks) bytes() int64 {
	return int64(len(m.low) + len(m.high) + 2*len(m.halves) + 4*len(m.floats) + len(m.small))
}

func (m *blocks) tile() int { return m.k.intRows }

func (m *blocks) takes() input { return inputBytes }

func (m *blocks) product(p *panels, r int, x *vectors, v, n int, y []float32, yStride int) {
	d := m.numbers(p, r/m.k.intRows, 0, m.in/m.f.Sub)
	w, i := r*m.in, v*x.stride
	if m.high == nil {
		m.k.dotFours(m.low[w/2:], d, x.bytes[i:], x.byteScales[2*i/block:], x.stride, m.in, n, y, yStride)
		return
	}
	m.k.dotSixes(m.low[w/2:], m.high[w/4:], d, m.f.Sub, x.bytes[i:], x.byteScales[2*i/block:], x.stride, m.in, n, y, yStride)
}

func (m *blocks) pack(p *panels, dst []float32, turned bool, k, depth, j, n int) {
	p.packTiles(m, dst, turned, k, depth, j, n)
}

// unpack writes columns from to to of a tile, which are multiples of 8, one after the other.
func (m *blocks) unpack(p *panels, dst []float32, stride, tile, from, to int) {
	rows, sub := m.k.intRows, m.f.Sub
	first := from / sub
	numbers := m.numbers(p, tile, first, (to-1)/sub+1)
	for c := from; c < to; {
		end := min(to, c/sub*sub+sub)
		w, d := (tile*m.in+c)*rows, numbers[(c/sub-first)*2*rows:]
		if m.high == nil {
			m.k.unpackFours(dst[(c-from)*stride:], stride, m.low[w/2:], d, end-c)
		} else {
			m.k.unpackSixes(dst[(c-from)*stride:], stride, m.low[w/2:], m.high[w/4:], d, end-c)
		}
		c = end
	}
}

// readBlocks makes a matrix of what lies in a file, a tile at a time on all processors.
func readBlocks(k *kernels, b weights.Blocks, out, in int) (*matrix, error) {
	var put func(r, b int, u *blockParts)
	m := &matrix{out: out, in: in}
	if b.Format.Bits == 8 {
		x := newInt8s(k, out, in).(*int8s)
		m.storage, put = x, x.put
	} else {
		x := newBlocks(k, b.Format, out, in)
		m.storage, put = x, x.put
	}
	var next atomic.Int64
	var failed atomic.Pointer[error]
	work := func() {
		var u blockParts
		raw := make([]byte, k.intRows*b.RowBytes)
		for failed.Load() == nil {
			first := int(next.Add(1)-1) * k.intRows
			if first >= out {
				return
			}
			src := raw[:min(k.intRows, out-first)*b.RowBytes]
			if err := b.Read(first, src); err != nil {
				failed.Store(&err)
				return
			}
			for r := first; len(src) > 0; r++ {
				for i := range in / b.Format.Elements {
					b.Format.Unpack(u.q[:], u.half[:], u.small[:], src[:b.Bytes])
					put(r, i, &u)
					src = src[b.Bytes:]
				}
			}
		}
	}
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(work)
	}
	group.Wait()
	if err := failed.Load(); err != nil {
		return nil, *err
	}
	return m, nil
}
