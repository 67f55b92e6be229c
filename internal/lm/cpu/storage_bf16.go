package cpu

// halves are weights in bfloat16, row by row. What a checkpoint has in bfloat16 is kept as it is; other weights are rounded. They
// become floats inside the products.
type halves struct {
	k          *kernels
	in, stride int
	bits       []uint16 // in the order of halfAt
}

func newHalves(k *kernels, out, in int) fillable {
	stride := roundUp(in, block)
	return &halves{k, in, stride, make([]uint16, roundUp(out, k.floatRows)*stride)}
}

func (m *halves) set(r int, row []float32) error {
	plainNarrow(m.bits[r*m.stride:][:m.stride], row)
	return nil
}

func (m *halves) row(r int, dst []float32) { m.segment(dst, r, 0, m.in) }

func (m *halves) segment(dst []float32, r, from, to int) {
	row := m.bits[r*m.stride:][:m.stride]
	for c := from; c < to; {
		if n := (to - c) / halfBlock * halfBlock; n > 0 && c%halfBlock == 0 {
			m.k.widen(dst[c-from:], row[c:c+n])
			c += n
			continue
		}
		dst[c-from] = half(row[halfAt(c)])
		c++
	}
}

func (m *halves) bytes() int64 { return int64(2 * len(m.bits)) }

func (m *halves) tile() int { return m.k.floatRows }

func (m *halves) takes() input { return inputFloats }

func (m *halves) product(_ *panels, r int, x *vectors, v, n int, y []float32, yStride int) {
	m.k.dotHalves(m.bits[r*m.stride:], m.stride, x.floats[v*x.stride:], x.stride, m.stride, n, y, yStride)
}

func (m *halves) pack(p *panels, dst []float32, turned bool, k, depth, j, n int) {
	p.packSegments(m, dst, turned, k, depth, j, n)
}
