package cpu

import (
	"math"

	"github.com/docent-ml/docent/internal/lm"
)

// xielu holds the numbers of a layer's activation.
type xielu struct{ plus, minus, beta, eps float64 }

func (w *Weights) xielu(path string) xielu {
	number := func(name string) float64 { return float64(w.vectors[path+name][0]) }
	softplus := func(x float64) float64 { return math.Log1p(math.Exp(x)) }
	beta := number(".beta")
	return xielu{softplus(number(".alpha_p")), beta + softplus(number(".alpha_n")), beta, number(".eps")}
}

// activate replaces gate by act(gate)·up or, if up is empty, by act(gate).
func (m *model) activate(l *layer, gate, up []float32) {
	if m.Activation == lm.SiLU && len(up) > 0 {
		n := len(gate) / m.k.lanes * m.k.lanes
		if n > 0 {
			m.k.silu(gate[:n], up[:n])
		}
		plainSiLU(gate[n:], up[n:])
		return
	}
	for i, g := range gate {
		value, _ := m.act(l, float64(g))
		gate[i] = float32(value)
	}
	for i, u := range up {
		factor, _ := m.gain(u)
		gate[i] *= factor
	}
}

// gain is what the activation of a gate is multiplied by, and its derivative.
func (m *model) gain(up float32) (factor, slope float32) {
	if m.Activation != lm.Bounded {
		return up, 1
	}
	limit := float32(m.Experts.Limit)
	if bounded := min(max(up, -limit), limit); bounded != up {
		return bounded + 1, 0
	}
	return up + 1, 1
}

// act is the activation at x and its derivative there. Sources as in the decoder's graph.
func (m *model) act(l *layer, x float64) (value, slope float64) {
	switch m.Activation {
	case lm.SiLU:
		s := 1 / (1 + math.Exp(-x))
		return x * s, s + x*s*(1-s)
	case lm.GELU:
		cdf := 0.5 * (1 + math.Erf(x/math.Sqrt2))
		return x * cdf, cdf + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	case lm.GELUTanh:
		const c = 0.044715
		root := math.Sqrt(2 / math.Pi)
		u := math.Tanh(root * (x + c*x*x*x))
		return 0.5 * x * (1 + u), 0.5*(1+u) + 0.5*x*(1-u*u)*root*(1+3*c*x*x)
	case lm.Bounded:
		g := min(x, m.Experts.Limit)
		s := 1 / (1 + math.Exp(-m.Experts.Slope*g))
		if x == g {
			slope = s + m.Experts.Slope*g*s*(1-s)
		}
		return g * s, slope
	case lm.XIELU:
		a := &l.xielu
		if x > 0 {
			return a.plus*x*x + a.beta*x, 2*a.plus*x + a.beta
		}
		slope = -a.minus + a.beta
		if x <= a.eps {
			slope += a.minus * math.Exp(x)
		}
		return (math.Expm1(min(x, a.eps))-x)*a.minus + a.beta*x, slope
	}
	x = max(x, 0) // ReLU, ReLU2
	if m.Activation == lm.ReLU2 {
		return x * x, 2 * x
	}
	if x > 0 {
		slope = 1
	}
	return x, slope
}
