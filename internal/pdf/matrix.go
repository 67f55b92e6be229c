package pdf

import parser "github.com/ledongthuc/pdf"

// matrix is a PDF transformation [a b c d e f].
type matrix [6]float64

var unit = matrix{1, 0, 0, 1, 0, 0}

// mul applies m first, then n.
func (m matrix) mul(n matrix) matrix {
	return matrix{
		m[0]*n[0] + m[1]*n[2], m[0]*n[1] + m[1]*n[3],
		m[2]*n[0] + m[3]*n[2], m[2]*n[1] + m[3]*n[3],
		m[4]*n[0] + m[5]*n[2] + n[4], m[4]*n[1] + m[5]*n[3] + n[5],
	}
}

func (m matrix) apply(x, y float64) (float64, float64) {
	return m[0]*x + m[2]*y + m[4], m[1]*x + m[3]*y + m[5]
}

func formMatrix(form parser.Value) matrix {
	m := unit
	if list := form.Key("Matrix"); list.Len() == 6 {
		for i := range m {
			m[i] = list.Index(i).Float64()
		}
	}
	return m
}
