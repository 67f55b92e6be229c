package cpu

import "math"

// angles are the cosines and sines by which the rows of a call are rotated: of each rotation, [rows, dim/2].
type angles []struct{ cos, sin vectors }

func (a *angles) resize(m *model, rows int) {
	if *a == nil {
		*a = make(angles, len(m.Ropes))
	}
	for i := range *a {
		(*a)[i].cos.resize(rows, m.RotaryDim/2)
		(*a)[i].sin.resize(rows, m.RotaryDim/2)
	}
}

// turn fills those of row r. The angle is rounded to float32 as in transformers.
func (a angles) turn(m *model, r, position int) {
	for i, frequencies := range m.frequencies {
		cos, sin := a[i].cos.row(r), a[i].sin.row(r)
		for j, f := range frequencies {
			s, c := math.Sincos(float64(float32(position) * f))
			cos[j], sin[j] = float32(c), float32(s)
		}
	}
}

// row is that of row r in a layer; nothing is rotated by nothing.
func (a angles) row(l *layer, r int) (cos, sin []float32) {
	if l.rotation < 0 {
		return nil, nil
	}
	x := &a[l.rotation]
	return x.cos.row(r), x.sin.row(r)
}

// rotate turns the leading dimensions of a head by the angles of a position, of which cos and sin are given: dimension i with
// i + len(cos).
func rotate(x, cos, sin []float32) {
	a, b := x[:len(cos)], x[len(cos):2*len(cos)]
	for i, c := range cos {
		s := sin[i]
		a[i], b[i] = a[i]*c-b[i]*s, b[i]*c+a[i]*s
	}
}

// rotateBack is the gradient of what was rotated, given that of the result.
func rotateBack(x, cos, sin []float32) {
	a, b := x[:len(cos)], x[len(cos):2*len(cos)]
	for i, c := range cos {
		s := sin[i]
		a[i], b[i] = a[i]*c+b[i]*s, b[i]*c-a[i]*s
	}
}
