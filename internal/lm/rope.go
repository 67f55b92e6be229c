package lm

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// RopeType names how rotary frequencies are scaled beyond the trained context.
type RopeType string

// The supported rotary scalings.
const (
	RopeDefault RopeType = "default"
	RopeLinear  RopeType = "linear"
	RopeLlama3  RopeType = "llama3"
	RopeYarn    RopeType = "yarn"
	RopeLong    RopeType = "longrope"
	RopeDynamic RopeType = "dynamic"
)

// Rope holds the parameters of one rotary position embedding.
type Rope struct {
	Type     RopeType
	Theta    float64 // base of the geometric series of wavelengths
	Reversed bool    // turns the other way
	Factor   float64 // of all but the default and longrope: how many times the trained context is stretched

	// Llama3: wavelengths shorter than OriginalContext/HighFreq stay, longer than OriginalContext/LowFreq are stretched
	// by Factor, and those between are blended.
	LowFreq, HighFreq float64
	OriginalContext   int // also of yarn, longrope and dynamic

	// Yarn: dimensions that turn more than BetaFast times in the trained context stay, those that turn less than
	// BetaSlow times are stretched. Truncate rounds the two dimensions that this gives outwards.
	BetaFast, BetaSlow float64
	Truncate           bool
	Magnitude          float64 // factor on cosines and sines; 0 = 1

	// Longrope: factors on the wavelengths, [dim/2], in texts of up to OriginalContext tokens and in longer ones.
	Short, Long []float64
}

func (r Rope) validate() error {
	switch {
	case !(r.Theta > 0):
		return fmt.Errorf("rope_theta: %g must be positive", r.Theta)
	case r.Type != RopeDefault && r.Type != RopeLong && !(r.Factor > 0):
		return fmt.Errorf("rope factor: %g must be positive", r.Factor)
	case r.Type == RopeLlama3 && (r.OriginalContext <= 0 || r.LowFreq <= 0 || r.HighFreq <= r.LowFreq):
		return errors.New("llama3 rope: needs original_max_position_embeddings > 0 and high_freq_factor > low_freq_factor > 0")
	case r.Type == RopeYarn && (r.OriginalContext <= 0 || r.BetaSlow <= 0 || r.BetaFast < r.BetaSlow || r.Theta == 1):
		return errors.New("yarn rope: needs original_max_position_embeddings > 0, beta_fast >= beta_slow > 0 and rope_theta other than 1")
	case r.Border() < 0 || r.Type == RopeLong && r.OriginalContext == 0:
		return fmt.Errorf("%s rope: needs original_max_position_embeddings > 0", r.Type)
	case r.Magnitude < 0 || math.IsInf(r.Magnitude, 0) || math.IsNaN(r.Magnitude):
		return fmt.Errorf("rope attention_factor: %g must be positive", r.Magnitude)
	}
	for i, f := range slices.Concat(r.Short, r.Long) {
		if !(f > 0) || math.IsInf(f, 0) {
			return fmt.Errorf("longrope: factor %g of wavelength %d must be positive", f, i%len(r.Short))
		}
	}
	return nil
}

// Border is the most tokens of a text that is rotated like all shorter ones; 0 = all lengths are rotated alike. Longrope
// rotates all longer texts alike, and dynamic scaling each length in another way.
func (r Rope) Border() int {
	if r.Type == RopeLong && !slices.Equal(r.Short, r.Long) || r.Type == RopeDynamic {
		return r.OriginalContext
	}
	return 0
}

// Stretch tells by how much dynamic scaling lengthens the longest wavelength in texts of length tokens.
func (r Rope) Stretch(length int) float64 {
	return r.Factor*max(1, float64(length)/float64(r.OriginalContext)) - (r.Factor - 1)
}

// Scale is the factor on cosines and sines.
func (r Rope) Scale() float64 {
	if r.Magnitude == 0 {
		return 1
	}
	return r.Magnitude
}

// Frequencies returns the dim/2 angular frequencies, in radians a position, of texts of length tokens: theta^(-2i/dim),
// scaled as r says. Source: transformers' modeling_rope_utils.
func (r Rope) Frequencies(dim, length int) []float32 {
	out := make([]float32, dim/2)
	for i := range out {
		f := math.Pow(r.Theta, -float64(2*i)/float64(dim))
		switch r.Type {
		case RopeLinear:
			f /= r.Factor
		case RopeLlama3:
			f = r.llama3(f)
		case RopeYarn:
			f = r.yarn(f, i, dim)
		case RopeLong:
			if length > r.OriginalContext {
				f /= r.Long[i]
			} else {
				f /= r.Short[i]
			}
		case RopeDynamic:
			f *= math.Pow(r.Stretch(length), -float64(2*i)/float64(dim-2))
		}
		if r.Reversed {
			f = -f
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

// yarn does the same with a ramp over the dimensions. Source: Peng et al. 2023, "YaRN".
func (r Rope) yarn(f float64, i, dim int) float64 {
	at := func(turns float64) float64 { // the dimension that turns so many times in the trained context
		return float64(dim) * math.Log(float64(r.OriginalContext)/(turns*2*math.Pi)) / (2 * math.Log(r.Theta))
	}
	low, high := at(r.BetaFast), at(r.BetaSlow)
	if r.Truncate {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, float64(dim-1))
	if low == high {
		high += 0.001
	}
	ramp := min(1, max(0, (float64(i)-low)/(high-low)))
	return f/r.Factor*ramp + f*(1-ramp)
}

// yarnMagnitude is the factor on cosines and sines for a stretch of the context.
func yarnMagnitude(factor, scale float64) float64 {
	if factor <= 1 {
		return 1
	}
	return 0.1*scale*math.Log(factor) + 1
}

// longMagnitude is the same for longrope. Source: Ding et al. 2024, "LongRoPE".
func longMagnitude(factor float64, original int) float64 {
	if factor <= 1 {
		return 1
	}
	return math.Sqrt(1 + math.Log(factor)/math.Log(float64(original)))
}
