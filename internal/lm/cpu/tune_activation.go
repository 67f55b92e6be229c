package cpu

import (
	"math"

	"github.com/docent-ml/docent/internal/lm"
)

// activateBack is the gradient of y = act(gate)·up with respect to both.
func (t *Tuner) activateBack(gate, up, dy, dGate, dUp []float32, m *memory) {
	if t.Activation == lm.SiLU {
		t.siluBack(gate, up, dy, dGate, dUp, m)
		return
	}
	for i, g := range gate {
		value, slope := t.act(float64(g))
		dUp[i] = dy[i] * float32(value)
		dGate[i] = dy[i] * up[i] * float32(slope)
	}
}

// act is the activation at x and its derivative there. Sources as in the decoder's graph.
func (t *Tuner) act(x float64) (value, slope float64) {
	switch t.Activation {
	case lm.GELU:
		cdf := 0.5 * (1 + math.Erf(x/math.Sqrt2))
		return x * cdf, cdf + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	case lm.GELUTanh:
		const c = 0.044715
		root := math.Sqrt(2 / math.Pi)
		u := math.Tanh(root * (x + c*x*x*x))
		return 0.5 * x * (1 + u), 0.5*(1+u) + 0.5*x*(1-u*u)*root*(1+3*c*x*x)
	}
	if x > 0 { // ReLU
		return x, 1
	}
	return 0, 0
}

// siluBack: silu(x) = x·σ(x), and its derivative is σ + x·σ·(1−σ). exp takes no positive numbers, so σ(x) is 1/(1+e) or
// e/(1+e) with e = exp(−|x|).
func (t *Tuner) siluBack(gate, up, dy, dGate, dUp []float32, m *memory) {
	n := len(gate)
	m.row = resized(m.row, roundUp(n, t.k.lanes))
	e := m.row
	clear(e[n:])
	for i, g := range gate {
		e[i] = -float32(math.Abs(float64(g)))
	}
	t.k.exp(e, 0)
	for i, g := range gate {
		s := 1 / (1 + e[i])
		if g < 0 {
			s *= e[i]
		}
		value := g * s
		dUp[i] = dy[i] * value
		dGate[i] = dy[i] * up[i] * (s + value*(1-s))
	}
}
