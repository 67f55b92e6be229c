package lm

import (
	"fmt"
	"slices"
	"strings"
)

// GGUFHeader is what a GGUF file says about the model beside its tokenizer, under the keys of llama.cpp's converter.
func (c Config) GGUFHeader() (map[string]any, error) {
	f := families[c.Family]
	if f == nil || f.gguf.arch == "" {
		return nil, fmt.Errorf("%w: GGUF has no architecture for %s", ErrUnsupported, c.Family)
	}
	out := map[string]any{"general.architecture": f.gguf.arch, "general.type": "model", "general.quantization_version": uint32(2)}
	set := func(key string, v any) { out[f.gguf.arch+"."+key] = v }
	for key, n := range map[string]int{
		"vocab_size": c.VocabSize, "context_length": c.MaxPositions, "embedding_length": c.HiddenSize, "block_count": c.Layers,
		"feed_forward_length": c.IntermediateSize, "attention.head_count": c.Heads, "attention.head_count_kv": c.KVHeads,
		"attention.key_length": c.HeadDim, "attention.value_length": c.HeadDim, "rope.dimension_count": c.RotaryDim,
	} {
		set(key, uint32(n))
	}
	set("attention.layer_norm_rms_epsilon", float32(c.NormEps))
	set("rope.freq_base", float32(c.Ropes[0].Theta))
	if len(c.Ropes) > 1 {
		set("rope.freq_base_swa", float32(c.Ropes[1].Theta))
	}
	if r := c.Ropes[0]; r.Type == RopeLinear {
		set("rope.scaling.type", "linear")
		set("rope.scaling.factor", float32(r.Factor))
	}
	if window := slices.Max(c.Windows); window > 0 {
		set("attention.sliding_window", uint32(window))
	}
	if c.AttentionSoftcap != 0 {
		set("attn_logit_softcapping", float32(c.AttentionSoftcap))
	}
	if c.FinalSoftcap != 0 {
		set("final_logit_softcapping", float32(c.FinalSoftcap))
	}
	return out, nil
}

// GGUFRopeFactors are the factors on the wavelengths by which GGUF says llama3's scaling; nil = there is none.
func (c Config) GGUFRopeFactors() []float32 {
	r := c.Ropes[0]
	if r.Type != RopeLlama3 {
		return nil
	}
	plain := Rope{Type: RopeDefault, Theta: r.Theta}.Frequencies(c.RotaryDim)
	for i, scaled := range r.Frequencies(c.RotaryDim) {
		plain[i] /= scaled
	}
	return plain
}

// GGUFName is the name of a weight in such a file.
func (c Config) GGUFName(name string) (string, error) {
	for outer, stem := range ggufOuter {
		if name == stem+".weight" {
			return outer + ".weight", nil
		}
	}
	layer, rest, _ := strings.Cut(strings.TrimPrefix(name, "model.layers."), ".")
	if dot := strings.LastIndexByte(rest, '.'); dot > 0 {
		if part := slices.Index(c.Names[:], rest[:dot]); part >= 0 && families[c.Family].gguf.names[part] != "" {
			return "blk." + layer + "." + families[c.Family].gguf.names[part] + rest[dot:], nil
		}
	}
	return "", fmt.Errorf("%w: GGUF has no name for %s of %s", ErrUnsupported, name, c.Family)
}

// SameComputation tells whether two configurations compute alike; families that share an architecture of GGUF may.
func (c Config) SameComputation(o Config) bool {
	if len(c.Ropes) != len(o.Ropes) {
		return false
	}
	for i := range c.Ropes {
		same := func(a, b float32) bool { return a == b || max(a, b)-min(a, b) <= 1e-5*max(a, -a) }
		if c.Ropes[i].Scale() != o.Ropes[i].Scale() || !slices.EqualFunc(c.Ropes[i].Frequencies(c.RotaryDim), o.Ropes[i].Frequencies(o.RotaryDim), same) {
			return false
		}
	}
	for _, x := range []*Config{&c, &o} {
		x.Family, x.Source, x.BOS, x.EOS, x.Pad, x.Ropes = "", nil, 0, nil, 0, nil
	}
	return fmt.Sprint(c) == fmt.Sprint(o)
}
