package cpu

// floats are weights of 32 bits, row by row.
type floats struct {
	dense
	k  *kernels
	in int
}

func newFloats(k *kernels, out, in int) fillable {
	stride := roundUp(in, block)
	return &floats{dense{make([]float32, roundUp(out, k.floatRows)*stride), stride}, k, in}
}

func (m *floats) set(r int, row []float32) error {
	copy(m.floats[r*m.stride:], row)
	return nil
}

func (m *floats) row(r int, dst []float32) { copy(dst, m.floats[r*m.stride:][:m.in]) }

func (m *floats) bytes() int64 { return int64(4 * len(m.floats)) }

func (m *floats) tile() int { return m.k.floatRows }

func (m *floats) takes() input { return inputFloats }

func (m *floats) product(_ *panels, r int, x *vectors, v, n int, y []float32, yStride int) {
	m.k.dotFloats(m.floats[r*m.stride:], m.stride, x.floats[v*x.stride:], x.stride, m.stride, n, y, yStride)
}
