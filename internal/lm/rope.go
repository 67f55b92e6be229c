package lm

import "math"

// Frequencies returns the dim/2 angular frequencies, in radians a position: theta^(-2i/dim), scaled as r says.
// Source: transformers' modeling_rope_utils (linear, llama3).
func (r Rope) Frequencies(dim int) []float32 {
	out := make([]float32, dim/2)
	for i := range out {
		f := math.Pow(r.Theta, -float64(2*i)/float64(dim))
		switch r.Type {
		case RopeLinear:
			f /= r.Factor
		case RopeLlama3:
			f = r.llama3(f)
		}
		out[i] = float32(f)
	}
	return out
}

// llama3 keeps high frequencies, divides low ones by the factor, and blends linearly between.
func (r Rope) llama3(f float64) float64 {
	context := float64(r.OriginalContext)
	wavelength := 2 * math.Pi / f
	switch {
	case wavelength < context/r.HighFreq:
		return f
	case wavelength > context/r.LowFreq:
		return f / r.Factor
	}
	smooth := (context/wavelength - r.LowFreq) / (r.HighFreq - r.LowFreq)
	return (1-smooth)*f/r.Factor + smooth*f
}
