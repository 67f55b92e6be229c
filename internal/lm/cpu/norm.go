package cpu

import (
	"math"
	"slices"

	"github.com/docent-ml/docent/internal/lm"
)

// norm is y = x/√(mean(x²) + ε) · scale + bias.
type norm struct{ scale, bias []float32 } // bias: nil = none

// norm of a path and width, with its result multiplied by a factor.
func (w *Weights) norm(c lm.Config, path string, width int, factor float64) *norm {
	n := &norm{slices.Clone(w.vectors[path+".weight"]), slices.Clone(w.vectors[path+".bias"])}
	if n.scale == nil {
		n.scale = slices.Repeat([]float32{1}, width)
	}
	for i, x := range n.scale {
		if c.UnitOffsetNorm {
			x++
		}
		n.scale[i] = x * float32(factor)
	}
	for i := range n.bias {
		n.bias[i] *= float32(factor)
	}
	return n
}

// mean is what is taken off x before it is normed.
func (m *model) mean(x []float32) float32 {
	if !m.LayerNorm {
		return 0
	}
	var sum float64
	for _, v := range x {
		sum += float64(v)
	}
	return float32(sum / float64(len(x)))
}

// normalize writes x, normed, to dst, which may be x. Without a norm it writes x.
func (m *model) normalize(dst, x []float32, n *norm) {
	if n == nil {
		copy(dst, x)
		return
	}
	mean := m.mean(x)
	var sum float64
	for _, v := range x {
		d := float64(v - mean)
		sum += d * d
	}
	f := float32(1 / math.Sqrt(sum/float64(len(x))+m.NormEps))
	for i, v := range x {
		dst[i] = (v - mean) * f * n.scale[i]
	}
	for i, b := range n.bias {
		dst[i] += b
	}
}

// normalizeParts norms x part by part, each as wide as the norm.
func (m *model) normalizeParts(x []float32, n *norm) {
	for i := 0; n != nil && i < len(x); i += len(n.scale) {
		part := x[i:][:len(n.scale)]
		m.normalize(part, part, n)
	}
}

// normalizeBack adds the gradient of the norm's input x to dx, given that of its output:
//
//	y = f·x·scale, f = (mean(x²) + ε)^-½      ∂x = f·∂y·scale − x·f³·Σ(∂y·scale·x)/len(x)
//
// and takes the mean of ∂x off where the mean of x was taken off. Without a norm, y is x.
func (m *model) normalizeBack(dx, dy, x []float32, n *norm) {
	if n == nil {
		for i, v := range dy {
			dx[i] += v
		}
		return
	}
	mean := m.mean(x)
	var square, along, sum float64
	for i, v := range x {
		d, g := float64(v-mean), float64(dy[i])*float64(n.scale[i])
		square += d * d
		along += g * d
		sum += g
	}
	width := float64(len(x))
	f := 1 / math.Sqrt(square/width+m.NormEps)
	a, b, c := float32(f), float32(f*f*f*along/width), float32(0)
	if m.LayerNorm {
		c = float32(f * sum / width)
	}
	for i, v := range x {
		dx[i] += a*dy[i]*n.scale[i] - b*(v-mean) - c
	}
}

// normalizePartsBack sets dx to the gradient of normalizeParts.
func (m *model) normalizePartsBack(dx, dy, x []float32, n *norm) {
	if n == nil {
		copy(dx, dy)
		return
	}
	clear(dx)
	for i := 0; i < len(x); i += len(n.scale) {
		to := i + len(n.scale)
		m.normalizeBack(dx[i:to], dy[i:to], x[i:to], n)
	}
}
