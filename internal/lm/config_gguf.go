package lm

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// GGUFMetadata gives the key-value pairs of a GGUF file. The getters report false when a key is absent or its value is
// of another type.
type GGUFMetadata interface {
	Has(key string) bool
	String(key string) (string, bool)
	Bool(key string) (bool, bool)
	Int(key string) (int, bool)
	Float(key string) (float64, bool)
	Ints(key string) ([]int, bool) // bools as 0 and 1
	Strings(key string) ([]string, bool)
}

// ConfigFromGGUF reads the configuration from GGUF metadata and, where that says nothing (vocabulary, biases, tied
// embeddings), from the shapes of the tensors under their Hugging Face names. ropeFactors is the content of those tensors
// that GGUFRopeFactors names. What docent would compute wrongly is refused as in ParseConfig.
func ConfigFromGGUF(metadata GGUFMetadata, shapes map[string][]int, ropeFactors map[string][]float32) (Config, error) {
	arch, _ := metadata.String("general.architecture")
	g := ggufFields{metadata: metadata, prefix: arch + "."}
	f := ggufFamily(arch, g.int("attention.sliding_window", 0) > 0, g.int("expert_count", 0) > 0)
	if f == nil {
		return Config{}, fmt.Errorf("general.architecture %q: %w: docent computes %s", arch, ErrUnsupported, GGUFArchitectures())
	}
	c := Config{
		Family:           f.name,
		HiddenSize:       g.need("embedding_length"),
		IntermediateSize: g.need("feed_forward_length"),
		Layers:           g.need("block_count"),
		Heads:            g.need("attention.head_count"),
		MaxPositions:     g.need("context_length"),
		Activation:       (&fields{defaults: f.defaults}).activation(f.activationKey),
		AttentionSoftcap: g.float("attn_logit_softcapping", 0),
		FinalSoftcap:     g.float("final_logit_softcapping", 0),
		Names:            f.names,
		EmbedScale:       1, ResidualScale: 1, LogitScale: 1,
	}
	g.refuse(f)
	if err := errors.Join(g.errs...); err != nil {
		return Config{}, err
	}
	f.parts(&c)
	c.NormEps = g.float("attention.layer_norm_rms_epsilon", 0)
	if c.LayerNorm {
		c.NormEps = g.float("attention.layer_norm_epsilon", 0)
	}
	if heads, ok := g.metadata.Ints(g.prefix + "attention.head_count_kv"); ok && f.names[Conv] != "" && len(heads) > 0 {
		c.KVHeads = slices.Max(heads) // none in layers of convolutions
	} else {
		c.KVHeads = g.int("attention.head_count_kv", c.Heads)
	}
	c.HeadDim = g.int("attention.key_length", c.HiddenSize/max(c.Heads, 1))
	if v := g.int("attention.value_length", c.HeadDim); v != c.HeadDim {
		g.unsupported("attention.value_length", fmt.Sprintf("%d differs from key_length %d", v, c.HeadDim))
	}
	c.AttentionScale = 1 / math.Sqrt(float64(c.HeadDim))
	c.fromShapes(f, shapes)
	g.tokens(&c)
	c.Windows = g.windows(c, f.windows)
	g.rope(&c, f, ropeFactors)
	for _, n := range f.numbers {
		if n.gguf != "" {
			*n.of(&c) = n.turned(g.float(n.gguf, n.turned(*n.of(&c))))
		}
	}
	if f.names[Router] != "" {
		c.Experts.Count, c.Experts.Used = g.need("expert_count"), g.need("expert_used_count")
		c.Experts.Size = g.int("expert_feed_forward_length", c.IntermediateSize)
	}
	if f.gguf.read != nil {
		f.gguf.read(&g, &c)
	}
	if err := errors.Join(g.errs...); err != nil {
		return Config{}, err
	}
	return c, c.Validate()
}

// fromShapes derives what only the tensors tell.
func (c *Config) fromShapes(f *family, shapes map[string][]int) {
	if embeddings := shapes[EmbedTokens]; len(embeddings) > 0 {
		c.VocabSize = embeddings[0]
	}
	has := func(name string) bool { _, ok := shapes[name]; return ok }
	biased := func(rule biasRule, part Part) bool {
		return rule.always || rule.key != "" && has(c.Path(0, part)+".bias")
	}
	c.TieEmbeddings = !has(LMHead)
	c.QKVBias, c.OutBias, c.MLPBias = biased(f.qkvBias, Q), biased(f.outBias, O), biased(f.mlpBias, Up)
}

// ggufFields reads the keys of one architecture and collects the faults.
type ggufFields struct {
	metadata GGUFMetadata
	prefix   string
	errs     []error
}

func (g *ggufFields) fail(key, reason string) {
	g.errs = append(g.errs, fmt.Errorf("%s%s: %s", g.prefix, key, reason))
}

func (g *ggufFields) unsupported(key, reason string) {
	g.errs = append(g.errs, fmt.Errorf("%s%s: %w feature: %s", g.prefix, key, ErrUnsupported, reason))
}

func (g *ggufFields) int(key string, def int) int {
	if v, ok := g.metadata.Int(g.prefix + key); ok {
		return v
	}
	if g.metadata.Has(g.prefix + key) {
		g.fail(key, "is not a single integer")
	}
	return def
}

// need is int for a key that must be there. The size is checked here because later steps divide and allocate by it.
func (g *ggufFields) need(key string) int {
	v, ok := g.metadata.Int(g.prefix + key)
	if !ok {
		g.fail(key, "is missing or not a single integer")
	} else if v <= 0 || v > 1<<27 {
		g.fail(key, fmt.Sprintf("%d is not a usable size", v))
	}
	return v
}

func (g *ggufFields) float(key string, def float64) float64 {
	if v, ok := g.metadata.Float(g.prefix + key); ok {
		return v
	}
	if g.metadata.Has(g.prefix + key) {
		g.fail(key, "is not a number")
	}
	return def
}

// refuse names the features that docent has no graph for.
func (g *ggufFields) refuse(f *family) {
	if g.int("expert_count", 0) > 0 && f.names[Router] == "" {
		g.unsupported("expert_count", "mixture of experts")
	}
	if causal, ok := g.metadata.Bool(g.prefix + "attention.causal"); ok && !causal {
		g.unsupported("attention.causal", "attention in both directions")
	}
	if !f.softcaps && g.float("attn_logit_softcapping", 0) != 0 {
		g.unsupported("attn_logit_softcapping", "a bound on attention scores")
	}
	for _, x := range []struct {
		key  string
		none float64
	}{{"attention.clamp_kqv", 0}, {"attention.max_alibi_bias", 0}, {"attention.scale", 0}, {"embedding_scale", 1}, {"residual_scale", 1}, {"logit_scale", 1}} {
		if v := g.float(x.key, x.none); v != x.none && !slices.ContainsFunc(f.numbers, func(n number) bool { return n.gguf == x.key }) {
			g.unsupported(x.key, fmt.Sprint(v))
		}
	}
}

// turnEnds are control tokens by which chat models end an answer. Files often name only the end of the text as EOS.
var turnEnds = []string{"<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>"}

// tokens reads the special tokens and checks them against the vocabulary.
func (g *ggufFields) tokens(c *Config) {
	const control = 3 // token_type of special tokens
	tokens, _ := g.metadata.Strings("tokenizer.ggml.tokens")
	types, _ := g.metadata.Ints("tokenizer.ggml.token_type")
	if len(tokens) > c.VocabSize {
		g.errs = append(g.errs, fmt.Errorf("tokenizer.ggml.tokens: %d tokens for %d embeddings", len(tokens), c.VocabSize))
	}
	id := func(key string) int {
		v, ok := g.metadata.Int("tokenizer.ggml." + key)
		if !ok {
			return -1
		}
		if v < 0 || v >= c.VocabSize {
			g.errs = append(g.errs, fmt.Errorf("tokenizer.ggml.%s: %d is not in the vocabulary of %d", key, v, c.VocabSize))
		}
		return v
	}
	c.BOS = id("bos_token_id")
	for _, key := range []string{"eos_token_id", "eot_token_id", "eom_token_id"} {
		if v := id(key); v >= 0 && !slices.Contains(c.EOS, v) {
			c.EOS = append(c.EOS, v)
		}
	}
	for _, text := range turnEnds {
		if v := slices.Index(tokens, text); v >= 0 && v < len(types) && types[v] == control && !slices.Contains(c.EOS, v) {
			c.EOS = append(c.EOS, v)
		}
	}
	// Converters have written padding ids just past the vocabulary; padding is masked, so such a file is still good.
	c.Pad = -1
	if v, ok := g.metadata.Int("tokenizer.ggml.padding_token_id"); ok && v >= 0 && v < c.VocabSize {
		c.Pad = v
	}
}

func (g *ggufFields) rope(c *Config, f *family, factors map[string][]float32) {
	c.RotaryDim = g.int("rope.dimension_count", c.HeadDim)
	if c.RotaryDim != c.HeadDim && !f.partialRotary {
		g.unsupported("rope.dimension_count", fmt.Sprintf("%d of %d dimensions of a head rotate", c.RotaryDim, c.HeadDim))
	}
	def := fields{defaults: f.defaults}
	r := Rope{Type: RopeDefault, Theta: g.float("rope.freq_base", def.number("rope_theta", 0))}
	kind, _ := g.metadata.String(g.prefix + "rope.scaling.type")
	if factors[RopeFactorsLong] != nil {
		kind = "longrope"
	}
	switch kind {
	case "", "linear": // a factor without a type is linear
		if factor := g.float("rope.scaling.factor", g.float("rope.scale_linear", 1)); factor != 1 && factor != 0 {
			r.Type, r.Factor = RopeLinear, factor
		}
	case "yarn":
		r.Type, r.Factor, r.Truncate = RopeYarn, g.float("rope.scaling.factor", 1), true
		r.OriginalContext = g.int("rope.scaling.original_context_length", c.MaxPositions)
		r.BetaFast, r.BetaSlow = g.float("rope.scaling.yarn_beta_fast", 32), g.float("rope.scaling.yarn_beta_slow", 1)
		r.Magnitude = yarnMagnitude(r.Factor, 1) * g.float("rope.scaling.yarn_attn_factor", 1)
	case "longrope":
		r.Type, r.OriginalContext = RopeLong, g.int("rope.scaling.original_context_length", c.MaxPositions)
		r.Magnitude = g.float("rope.scaling.attn_factor", 1)
		r.Short, r.Long = widened(factors[RopeFactorsShort]), widened(factors[RopeFactorsLong])
	case "none":
	default:
		g.unsupported("rope.scaling.type", kind+"; docent computes linear, llama3, yarn and longrope")
	}
	if v := g.float("rope.scaling.attn_factor", 1); v != 1 && r.Type != RopeLong {
		g.unsupported("rope.scaling.attn_factor", fmt.Sprint(v))
	}
	if freqs := factors[RopeFreqs]; freqs != nil {
		scaled, err := r.scaledByFactors(freqs, c.RotaryDim, g.int("rope.scaling.original_context_length", c.MaxPositions))
		if err != nil {
			g.errs = append(g.errs, fmt.Errorf("tensor rope_freqs: %w", err))
		}
		r = scaled
	}
	c.Ropes, c.Rotations = []Rope{r}, make([]int, c.Layers)
	if f.localTheta > 0 {
		theta := r.Theta
		if f.localKey != "" {
			theta = f.localTheta
		}
		c.Ropes = append(c.Ropes, Rope{Type: RopeDefault, Theta: g.float("rope.freq_base_swa", theta)})
		for i, w := range c.Windows {
			if w > 0 {
				c.Rotations[i] = 1
			}
		}
	}
}

// widened are the same numbers in float64.
func widened(x []float32) (out []float64) {
	for _, v := range x {
		out = append(out, float64(v))
	}
	return out
}

func (g *ggufFields) windows(c Config, rule windowRule) []int {
	const key = "attention.sliding_window"
	out := make([]int, c.Layers)
	window := g.int(key, 0)
	if window <= 0 || rule == (windowRule{}) {
		return out
	}
	slides, perLayer := g.metadata.Ints(g.prefix + key + "_pattern")
	period := rule.period
	switch {
	case perLayer:
		if len(slides) != c.Layers {
			g.fail(key+"_pattern", fmt.Sprintf("%d entries for %d layers", len(slides), c.Layers))
			return out
		}
	case g.metadata.Has(g.prefix + key + "_pattern"):
		if period = g.int(key+"_pattern", 0); period < 0 {
			g.fail(key+"_pattern", fmt.Sprintf("%d is negative", period))
		}
	case rule.switched:
		g.unsupported(key, "the file does not say which layers slide")
	}
	for i := range out {
		if perLayer && slides[i] != 0 || !perLayer && (period <= 0 || (i+1)%period != 0) {
			out[i] = window
		}
	}
	return out
}

// scaledByFactors finds the rotary scaling behind the factors on the wavelengths that GGUF stores in place of its parameters: none,
// linear, llama3 with the parameters that models have, and otherwise the factors themselves, as longrope has them. Context is that
// for which the file says that the model was trained first.
func (r Rope) scaledByFactors(factors []float32, dim, context int) (Rope, error) {
	if len(factors) != dim/2 {
		return r, fmt.Errorf("%d factors for %d rotated dimensions", len(factors), dim)
	}
	long := Rope{Type: RopeLong, Theta: r.Theta, Short: widened(factors), Long: widened(factors), OriginalContext: context}
	if err := long.validate(); err != nil {
		return r, err
	}
	factor := slices.Max(long.Short)
	switch same := slices.Min(long.Short) == factor; {
	case same && factor == 1:
		return r, nil
	case r.Type != RopeDefault:
		return r, fmt.Errorf("%w feature: two rotary scalings at once", ErrUnsupported)
	case same:
		return Rope{Type: RopeLinear, Theta: r.Theta, Factor: factor}, nil
	}
	want := long.Frequencies(dim, 1)
	alike := func(a, b float32) bool { return max(a-b, b-a) <= 1e-4*b }
	for n := 0; n < 20; n++ {
		llama3 := Rope{Type: RopeLlama3, Theta: r.Theta, Factor: factor, LowFreq: 1, HighFreq: 4, OriginalContext: 1 << n}
		if n == 0 {
			llama3.OriginalContext = context
		}
		if slices.EqualFunc(llama3.Frequencies(dim, 1), want, alike) {
			return llama3, nil
		}
	}
	return long, nil
}
