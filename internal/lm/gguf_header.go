package lm

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// GGUFHeader is what a GGUF file says about the model beside its tokenizer, under the keys of llama.cpp's converter.
func (c Config) GGUFHeader() (map[string]any, error) {
	f := families[c.Family]
	if f == nil || f.gguf.arch == "" {
		return nil, fmt.Errorf("%w: llama.cpp, and so GGUF, has no architecture for %s", ErrUnsupported, c.Family)
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
	if c.LayerNorm {
		set("attention.layer_norm_epsilon", float32(c.NormEps))
	} else {
		set("attention.layer_norm_rms_epsilon", float32(c.NormEps))
	}
	set("rope.freq_base", float32(c.Ropes[0].Theta))
	if len(c.Ropes) > 1 {
		set("rope.freq_base_swa", float32(c.Ropes[1].Theta))
	}
	switch r := c.Ropes[0]; r.Type {
	case RopeLinear:
		set("rope.scaling.type", "linear")
		set("rope.scaling.factor", float32(r.Factor))
	case RopeYarn:
		set("rope.scaling.type", "yarn")
		set("rope.scaling.factor", float32(r.Factor))
		set("rope.scaling.original_context_length", uint32(r.OriginalContext))
		set("rope.scaling.yarn_beta_fast", float32(r.BetaFast))
		set("rope.scaling.yarn_beta_slow", float32(r.BetaSlow))
	case RopeLong:
		set("rope.scaling.original_context_length", uint32(r.OriginalContext))
		set("rope.scaling.attn_factor", float32(r.Scale()))
	}
	if window := slices.Max(c.Windows); window > 0 {
		set("attention.sliding_window", uint32(window))
		if period := slices.Index(c.Windows, 0) + 1; period > 0 && f.windows.period > 0 && period != f.windows.period {
			set("attention.sliding_window_pattern", uint32(period))
		}
	}
	if c.AttentionSoftcap != 0 {
		set("attn_logit_softcapping", float32(c.AttentionSoftcap))
	}
	if c.Experts.Count > 0 {
		set("expert_count", uint32(c.Experts.Count))
		set("expert_used_count", uint32(c.Experts.Used))
		set("expert_feed_forward_length", uint32(c.Experts.Size))
	}
	if c.FinalSoftcap != 0 {
		set("final_logit_softcapping", float32(c.FinalSoftcap))
	}
	for _, n := range f.numbers {
		if n.gguf != "" {
			set(n.gguf, float32(n.turned(*n.of(&c))))
		}
	}
	if f.gguf.write != nil {
		f.gguf.write(c, set)
	}
	return out, nil
}

// The tensors by which GGUF says llama3's scaling, and longrope's.
const (
	RopeFreqs        = "rope_freqs.weight"
	RopeFactorsShort = "rope_factors_short.weight"
	RopeFactorsLong  = "rope_factors_long.weight"
)

// GGUFRopeFactors are the factors on the wavelengths by which GGUF says some scalings, by the names of their tensors.
func (c Config) GGUFRopeFactors() map[string][]float32 {
	r := c.Ropes[0]
	factors := func(length int) []float32 {
		plain := Rope{Type: RopeDefault, Theta: r.Theta}.Frequencies(c.RotaryDim, length)
		for i, scaled := range r.Frequencies(c.RotaryDim, length) {
			plain[i] /= scaled
		}
		return plain
	}
	switch r.Type {
	case RopeLlama3:
		return map[string][]float32{RopeFreqs: factors(1)}
	case RopeLong:
		if r.Border() == 0 {
			return map[string][]float32{RopeFreqs: factors(1)}
		}
		return map[string][]float32{RopeFactorsShort: factors(1), RopeFactorsLong: factors(r.OriginalContext + 1)}
	}
	return nil
}

// GGUFName is the name of a weight in such a file.
func (c Config) GGUFName(name string) (string, error) {
	if norm := families[c.Family].gguf.outputNorm; norm != "" && name == FinalNorm {
		return norm + ".weight", nil
	}
	for outer, stem := range ggufOuter {
		if kind, ok := strings.CutPrefix(name, stem+"."); ok {
			return outer + "." + kind, nil
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

// Differences tells what o would compute otherwise; families that share an architecture of GGUF may compute alike.
func (c Config) Differences(o Config) (out []string) {
	if !slices.EqualFunc(c.Ropes, o.Ropes, func(a, b Rope) bool { return a.alike(b, c.RotaryDim) }) {
		out = append(out, "Ropes")
	}
	for _, x := range []*Config{&c, &o} {
		x.Family, x.Source, x.BOS, x.EOS, x.Pad, x.Ropes = "", nil, 0, nil, 0, nil
		for _, v := range []*float64{&x.NormEps, &x.EmbedScale, &x.AttentionScale, &x.ResidualScale, &x.LogitScale, &x.QueryBeta, &x.AttentionSoftcap, &x.FinalSoftcap} {
			*v = float64(float32(*v)) // what GGUF holds
		}
	}
	a, b := reflect.ValueOf(c), reflect.ValueOf(o)
	for i := range a.NumField() {
		if x, y := fmt.Sprintf("%+v", a.Field(i)), fmt.Sprintf("%+v", b.Field(i)); x != y {
			out = append(out, fmt.Sprintf("%s %s would be read as %s", a.Type().Field(i).Name, x, y))
		}
	}
	return out
}

// alike tells whether another rotation of so many dimensions turns them alike.
func (r Rope) alike(o Rope, dim int) bool {
	same := func(a, b float32) bool { return a == b || max(a, b)-min(a, b) <= 1e-5*max(a, -a) }
	at := func(length int) bool {
		return slices.EqualFunc(r.Frequencies(dim, length), o.Frequencies(dim, length), same)
	}
	return same(float32(r.Scale()), float32(o.Scale())) && r.Border() == o.Border() && at(1) && at(r.Border()+1)
}
