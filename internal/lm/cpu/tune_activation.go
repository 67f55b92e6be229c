package cpu

import (
	"math"

	"github.com/docent-ml/docent/internal/lm"
)

// activateBack is the gradient of y = act(gate)·up with respect to both.
func (t *Tuner) activateBack(l *layer, gate, up, dy, dGate, dUp []float32, m *memory) {
	if t.Activation == lm.SiLU && len(up) > 0 {
		t.siluBack(gate, up, dy, dGate, dUp, m)
		return
	}
	for i, g := range gate {
		value, slope := t.act(l, float64(g))
		dGate[i] = dy[i] * float32(slope)
		if len(up) > 0 {
			factor, upSlope := t.gain(up[i])
			dGate[i] *= factor
			dUp[i] = dy[i] * float32(value) * upSlope
		}
	}
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
