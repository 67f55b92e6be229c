package lm

import (
	"maps"
	"slices"
	"strings"
)

// ggufRecord is how a family's models lie in GGUF files.
type ggufRecord struct {
	arch  string // general.architecture; "" = there are no such files
	names Names  // of the parts of a layer between "blk.N." and ".weight"
	// permuted: rows of q and k are interleaved for a rotation of neighbours.
	permuted bool
	// unitNorms: the converter added 1 to the weights of the norms, which transformers adds in the graph.
	unitNorms bool
	// outputNorm is what the norm behind the layers is called; "" = output_norm.
	outputNorm string
	// slides: of the families of one architecture, this is the one with a sliding window.
	slides bool
	// read sets what only this family's files say, and write is its inverse.
	read  func(g *ggufFields, c *Config)
	write func(c Config, set func(key string, value any))
}

// ggufFamily is the family of an architecture, with or without a sliding window and experts; nil if there is none.
func ggufFamily(arch string, slides, experts bool) (found *family) {
	best := 0
	for _, f := range families {
		fits := 1
		if (f.names[Router] != "") == experts {
			fits += 2
		}
		if f.gguf.slides == slides {
			fits++
		}
		if f.gguf.arch == arch && arch != "" && fits > best {
			found, best = f, fits
		}
	}
	return found
}

// GGUFArchitectures lists the values of general.architecture that docent reads.
func GGUFArchitectures() string {
	all := map[string]bool{}
	for _, f := range families {
		all[f.gguf.arch] = true
	}
	delete(all, "")
	return strings.Join(slices.Sorted(maps.Keys(all)), ", ")
}

// GGUFNames tells how the tensors of one GGUF architecture differ from those of the checkpoint they were converted from.
type GGUFNames struct {
	byName     map[string]string // "attn_q" to "self_attn.q_proj"
	outputNorm string
	// Permuted: rows of q and k are interleaved for a rotation of neighbours.
	Permuted bool
	// UnitNorms: 1 was added to the weights of the norms.
	UnitNorms bool
}

// NamesOfGGUF returns the names for an architecture; false if docent does not know it.
func NamesOfGGUF(arch string) (GGUFNames, bool) {
	f := ggufFamily(arch, false, false)
	if f == nil {
		return GGUFNames{}, false
	}
	out := GGUFNames{byName: map[string]string{}, outputNorm: f.gguf.outputNorm, Permuted: f.gguf.permuted, UnitNorms: f.gguf.unitNorms}
	for _, f := range []*family{ggufFamily(arch, false, true), f} { // of models with experts too
		for part, name := range f.gguf.names {
			out.byName[name] = f.names[part]
		}
	}
	return out, true
}

// ggufOuter are the tensors outside the layers.
var ggufOuter = map[string]string{
	"token_embd":  strings.TrimSuffix(EmbedTokens, ".weight"),
	"output":      strings.TrimSuffix(LMHead, ".weight"),
	"output_norm": strings.TrimSuffix(FinalNorm, ".weight"),
}

// Canonical translates a tensor's name. A name that is not known stays as it is.
func (n GGUFNames) Canonical(name string) string {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return name
	}
	stem, kind := name[:dot], name[dot:]
	if kind != ".weight" && kind != ".bias" {
		return name
	}
	if outer, ok := ggufOuter[stem]; ok {
		return outer + kind
	}
	if stem == n.outputNorm && stem != "" {
		return FinalNorm
	}
	layer, rest, ok := strings.Cut(strings.TrimPrefix(stem, "blk."), ".")
	if !ok || !strings.HasPrefix(stem, "blk.") {
		return name
	}
	if rest == "attn_rot_embd" { // in files from before 2024
		return "model.layers." + layer + ".self_attn.rotary_emb.inv_freq"
	}
	if inner := n.byName[rest]; inner != "" {
		return "model.layers." + layer + "." + inner + kind
	}
	return name
}
