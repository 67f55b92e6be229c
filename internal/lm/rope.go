package lm

import (
	"fmt"
	"math"
)

// RopeType names how rotary frequencies are scaled beyond the trained context.
type RopeType string

// The supported rotary scalings.
const (
	RopeDefault RopeType = "default"
	RopeLinear  RopeType = "linear"
	RopeLlama3  RopeType = "llama3"
)

// Rope holds the parameters of one rotary position embedding.
type Rope struct {
	Type   RopeType
	Theta  float64 // base of the geometric series of wavelengths
	Factor float64 // linear, llama3: how many times the trained context is stretched

	// Llama3 only: wavelengths shorter than OriginalContext/HighFreq stay, longer than OriginalContext/LowFreq are
	// stretched by Factor, and those between are blended.
	LowFreq, HighFreq float64
	OriginalContext   int
}

func (r Rope) validate() error {
	switch {
	case !(r.Theta > 0):
		return fmt.Errorf("rope_theta: %g must be positive", r.Theta)
	case r.Type != RopeDefault && !(r.Factor > 0):
		return fmt.Errorf("rope factor: %g must be positive", r.Factor)
	case r.Type == RopeLlama3 && (r.OriginalContext <= 0 || r.LowFreq <= 0 || r.HighFreq <= r.LowFreq):
		return fmt.Errorf("llama3 rope: needs original_max_position_embeddings > 0 and high_freq_factor > low_freq_factor > 0")
	}
	return nil
}

// Frequencies returns the dim/2 angular frequencies, in radians a position: theta^(-2i/dim), scaled as r says.
// Source: transformers' modeling_rope_utils.
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
