package cpu

import "math"

// angles are those by which the rows of a call are rotated, and the factors on their queries.
type angles struct {
	of    []struct{ cos, sin vectors } // of each rotation, [rows, dim/2]
	scale []float32                    // of each row
}

func (a *angles) resize(m *model, rows int) {
	if a.of == nil {
		a.of = make([]struct{ cos, sin vectors }, len(m.Ropes))
	}
	for i := range a.of {
		a.of[i].cos.resize(rows, m.RotaryDim/2)
		a.of[i].sin.resize(rows, m.RotaryDim/2)
	}
	a.scale = resized(a.scale, rows)
}

// turn fills those of row r, whose text has length tokens. The angle is rounded to float32 as in transformers.
func (a *angles) turn(m *model, r, position, length int) {
	for i, frequencies := range m.frequencies {
		if border := m.Ropes[i].Border(); border > 0 && length > border {
			frequencies = m.Ropes[i].Frequencies(m.RotaryDim, length)
		}
		cos, sin, scale := a.of[i].cos.row(r), a.of[i].sin.row(r), m.Ropes[i].Scale()
		for j, f := range frequencies {
			s, c := math.Sincos(float64(float32(position) * f))
			cos[j], sin[j] = float32(c*scale), float32(s*scale)
		}
	}
	scale := m.AttentionScale
	if m.QueryBeta != 0 {
		scale *= 1 + m.QueryBeta*math.Log1p(float64(position/m.QueryContext))
	}
	a.scale[r] = float32(scale)
}

// rotateHeads rotates the heads of row r in a layer, or with direction −1 turns gradients back.
func (m *runner) rotateHeads(l *layer, r int, heads []float32, direction float32) {
	if l.rotation < 0 {
		return
	}
	x := &m.angles.of[l.rotation]
	cos, sin := x.cos.row(r), x.sin.row(r)
	step, apart := 1, len(cos)
	if m.Interleaved {
		step, apart = 2, 1
	}
	for ; len(heads) > 0; heads = heads[m.HeadDim:] {
		for i, c := range cos {
			s := sin[i] * direction
			a, b := heads[i*step], heads[i*step+apart]
			heads[i*step], heads[i*step+apart] = a*c-b*s, b*c+a*s
		}
	}
}
