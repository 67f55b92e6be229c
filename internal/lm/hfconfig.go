package lm

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// ParseConfig reads a Hugging Face config.json, in the spelling of transformers 4 (rope_theta, rope_scaling,
// torch_dtype) or 5 (rope_parameters, dtype). Families and features that docent would compute wrongly are refused
// with an error that wraps ErrUnsupported and names them.
func ParseConfig(data []byte) (Config, error) {
	var h hfConfig
	if err := json.Unmarshal(data, &h); err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	family, ok := families[h.ModelType]
	if !ok {
		name := h.ModelType
		if name == "" {
			name = strings.Join(h.Architectures, ", ")
		}
		return Config{}, fmt.Errorf("config.json: model_type %q: %w: docent computes %s", name, ErrUnsupported,
			strings.Join(slices.Sorted(maps.Keys(families)), ", "))
	}
	if err := h.refuse(); err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	c, err := h.config(family)
	if err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	c.Source = slices.Clone(data)
	return c, c.Validate()
}

// hfConfig holds the fields of config.json that change the computation. Pointers mark those whose absence means the
// family's default.
type hfConfig struct {
	ModelType        string   `json:"model_type"`
	Architectures    []string `json:"architectures"`
	VocabSize        int      `json:"vocab_size"`
	HiddenSize       int      `json:"hidden_size"`
	IntermediateSize int      `json:"intermediate_size"`
	Layers           int      `json:"num_hidden_layers"`
	Heads            int      `json:"num_attention_heads"`
	KVHeads          *int     `json:"num_key_value_heads"`
	HeadDim          *int     `json:"head_dim"`
	MaxPositions     *int     `json:"max_position_embeddings"`
	NormEps          *float64 `json:"rms_norm_eps"`
	HiddenAct        string   `json:"hidden_act"`
	HiddenActivation string   `json:"hidden_activation"`
	Tie              *bool    `json:"tie_word_embeddings"`
	AttentionBias    bool     `json:"attention_bias"`
	MLPBias          bool     `json:"mlp_bias"`

	RopeTheta      *float64        `json:"rope_theta"`
	RopeLocalTheta *float64        `json:"rope_local_base_freq"`
	RopeScaling    json.RawMessage `json:"rope_scaling"`
	RopeParameters json.RawMessage `json:"rope_parameters"`
	PartialRotary  *float64        `json:"partial_rotary_factor"`

	SlidingWindow        json.RawMessage `json:"sliding_window"` // absent and null differ for mistral
	UseSlidingWindow     bool            `json:"use_sliding_window"`
	MaxWindowLayers      *int            `json:"max_window_layers"`
	SlidingPattern       *int            `json:"sliding_window_pattern"`
	SlidingPatternHidden *int            `json:"_sliding_window_pattern"`
	LayerTypes           []string        `json:"layer_types"`

	QueryPreAttnScalar *float64 `json:"query_pre_attn_scalar"`
	FinalSoftcap       *float64 `json:"final_logit_softcapping"`
	AttnSoftcap        *float64 `json:"attn_logit_softcapping"`
	Bidirectional      bool     `json:"use_bidirectional_attention"`

	BOS *int            `json:"bos_token_id"`
	Pad *int            `json:"pad_token_id"`
	EOS json.RawMessage `json:"eos_token_id"`

	Quantization json.RawMessage `json:"quantization_config"`
	Experts      *int            `json:"num_experts"`
	LocalExperts *int            `json:"num_local_experts"`
	IsEncDec     bool            `json:"is_encoder_decoder"`
	CrossAttn    bool            `json:"add_cross_attention"`
}

// refuse names the features that other fields switch on and docent has no graph for.
func (h *hfConfig) refuse() error {
	refuse := func(name string) error { return fmt.Errorf("%s: %w feature", name, ErrUnsupported) }
	switch {
	case isSet(h.Quantization):
		return fmt.Errorf("%w; use the unquantised checkpoint or a .gguf file", refuse("quantization_config"))
	case h.Experts != nil && *h.Experts > 1, h.LocalExperts != nil && *h.LocalExperts > 1:
		return refuse("mixture of experts")
	case h.Bidirectional:
		return refuse("use_bidirectional_attention")
	case h.IsEncDec, h.CrossAttn:
		return refuse("encoder-decoder attention")
	case h.AttnSoftcap != nil && *h.AttnSoftcap != 0:
		return refuse("attn_logit_softcapping")
	}
	return nil
}

// isSet reports whether a raw field is present and not null.
func isSet(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

func or[T any](p *T, def T) T {
	if p == nil {
		return def
	}
	return *p
}

func (h *hfConfig) config(f family) (Config, error) {
	c := Config{
		Family:    h.ModelType,
		VocabSize: h.VocabSize, HiddenSize: h.HiddenSize, IntermediateSize: h.IntermediateSize,
		Layers: h.Layers, Heads: h.Heads,
		KVHeads:       or(h.KVHeads, f.kvHeads),
		MaxPositions:  or(h.MaxPositions, f.maxPositions),
		NormEps:       or(h.NormEps, f.normEps),
		TieEmbeddings: or(h.Tie, f.tie),
		QKVBias:       f.qkvBias || f.optionalBias && h.AttentionBias,
		OutBias:       f.optionalBias && h.AttentionBias,
		MLPBias:       f.optionalMLPBias && h.MLPBias,
		BOS:           or(h.BOS, -1), Pad: or(h.Pad, -1),
		FinalSoftcap: or(h.FinalSoftcap, 0),
	}
	f.shape(&c)
	if c.KVHeads == 0 {
		c.KVHeads = c.Heads
	}
	c.HeadDim = or(h.HeadDim, f.headDim)
	if c.HeadDim == 0 && c.Heads > 0 {
		c.HeadDim = c.HiddenSize / c.Heads
	}
	scalar := float64(c.HeadDim)
	if f.queryScalar > 0 {
		scalar = or(h.QueryPreAttnScalar, f.queryScalar)
	}
	c.AttentionScale = 1 / math.Sqrt(scalar)
	if h.AttentionBias && !f.optionalBias && !f.qkvBias {
		return c, fmt.Errorf("attention_bias: %w feature for %s", ErrUnsupported, h.ModelType)
	}
	if h.MLPBias && !f.optionalMLPBias {
		return c, fmt.Errorf("mlp_bias: %w feature for %s", ErrUnsupported, h.ModelType)
	}

	act := h.HiddenAct
	if f.activationKey == "hidden_activation" && h.HiddenActivation != "" {
		act = h.HiddenActivation
	}
	var err error
	if c.Activation, err = parseActivation(act, f.activation); err != nil {
		return c, err
	}
	if c.EOS, err = intOrList(h.EOS); err != nil {
		return c, fmt.Errorf("eos_token_id: %w", err)
	}
	if err = h.rope(&c, f); err != nil {
		return c, err
	}
	if c.Windows, err = h.windows(f); err != nil {
		return c, err
	}
	return c, nil
}

func parseActivation(name string, def Activation) (Activation, error) {
	switch name {
	case "":
		return def, nil
	case "silu", "swish":
		return SiLU, nil
	case "gelu":
		return GELU, nil
	case "gelu_pytorch_tanh", "gelu_new", "gelu_fast":
		return GELUTanh, nil
	case "relu":
		return ReLU, nil
	}
	return "", fmt.Errorf("hidden_act %q: %w activation", name, ErrUnsupported)
}

func intOrList(raw json.RawMessage) ([]int, error) {
	if !isSet(raw) {
		return nil, nil
	}
	var one int
	if json.Unmarshal(raw, &one) == nil {
		return []int{one}, nil
	}
	var list []int
	err := json.Unmarshal(raw, &list)
	return list, err
}

// hfRope is one entry of rope_parameters, or rope_scaling of transformers 4.
type hfRope struct {
	Theta         *float64 `json:"rope_theta"`
	Type          string   `json:"rope_type"`
	OldType       string   `json:"type"`
	Factor        float64  `json:"factor"`
	LowFreq       float64  `json:"low_freq_factor"`
	HighFreq      float64  `json:"high_freq_factor"`
	Original      int      `json:"original_max_position_embeddings"`
	PartialRotary *float64 `json:"partial_rotary_factor"`
}

func (h *hfConfig) rope(c *Config, f family) error {
	global, local := hfRope{Theta: h.RopeTheta}, hfRope{Theta: h.RopeLocalTheta}
	switch {
	case isSet(h.RopeParameters):
		perLayerType := struct {
			Full    *hfRope `json:"full_attention"`
			Sliding *hfRope `json:"sliding_attention"`
		}{}
		if err := json.Unmarshal(h.RopeParameters, &perLayerType); err != nil {
			return fmt.Errorf("rope_parameters: %w", err)
		}
		if perLayerType.Full != nil || perLayerType.Sliding != nil {
			if perLayerType.Full != nil {
				global = *perLayerType.Full
			}
			if perLayerType.Sliding != nil {
				local = *perLayerType.Sliding
			}
		} else if err := json.Unmarshal(h.RopeParameters, &global); err != nil {
			return fmt.Errorf("rope_parameters: %w", err)
		}
	case isSet(h.RopeScaling):
		if err := json.Unmarshal(h.RopeScaling, &global); err != nil {
			return fmt.Errorf("rope_scaling: %w", err)
		}
	}
	if global.Theta == nil {
		global.Theta = h.RopeTheta
	}
	var err error
	if c.Rope, err = global.rope(f.ropeTheta, c.MaxPositions); err != nil {
		return err
	}
	c.LocalRope = c.Rope
	if f.localTheta > 0 {
		if c.LocalRope, err = local.rope(f.localTheta, c.MaxPositions); err != nil {
			return err
		}
	}
	partial := or(global.PartialRotary, or(h.PartialRotary, 1))
	if partial != 1 && !f.partialRotary {
		return fmt.Errorf("partial_rotary_factor %g: %w feature for %s", partial, ErrUnsupported, c.Family)
	}
	c.RotaryDim = int(float64(c.HeadDim) * partial)
	return nil
}

func (r hfRope) rope(theta float64, maxPositions int) (Rope, error) {
	name := r.Type
	if name == "" {
		name = r.OldType
	}
	if name == "" {
		name = string(RopeDefault)
	}
	out := Rope{Type: RopeType(name), Theta: or(r.Theta, theta), Factor: r.Factor, LowFreq: r.LowFreq, HighFreq: r.HighFreq, OriginalContext: r.Original}
	switch out.Type {
	case RopeDefault:
		return Rope{Type: RopeDefault, Theta: out.Theta}, nil
	case RopeLinear:
		return Rope{Type: RopeLinear, Theta: out.Theta, Factor: out.Factor}, nil
	case RopeLlama3:
		if out.OriginalContext == 0 {
			out.OriginalContext = maxPositions
		}
		return out, nil
	}
	return Rope{}, fmt.Errorf("rope_type %q: %w rotary scaling; docent computes default, linear and llama3", name, ErrUnsupported)
}

// windows resolves the families' several ways of saying which layers see only a window.
func (h *hfConfig) windows(f family) ([]int, error) {
	if h.Layers <= 0 || h.Layers > 1<<16 {
		return nil, fmt.Errorf("num_hidden_layers: %d is not a usable size", h.Layers)
	}
	out := make([]int, h.Layers)
	window := f.window
	if len(h.SlidingWindow) > 0 {
		window = 0
		if isSet(h.SlidingWindow) {
			if err := json.Unmarshal(h.SlidingWindow, &window); err != nil {
				return nil, fmt.Errorf("sliding_window: %w", err)
			}
		}
	}
	if window < 0 || f.windowSwitch && !h.UseSlidingWindow {
		window = 0
	}
	for i := range out {
		sliding := true
		switch {
		case len(h.LayerTypes) > 0:
			if len(h.LayerTypes) != h.Layers {
				return nil, fmt.Errorf("layer_types: %d entries for %d layers", len(h.LayerTypes), h.Layers)
			}
			switch h.LayerTypes[i] {
			case "full_attention":
				sliding = false
			case "sliding_attention":
			default:
				return nil, fmt.Errorf("layer_types[%d] %q: %w layer", i, h.LayerTypes[i], ErrUnsupported)
			}
		case f.windowSwitch:
			sliding = i >= or(h.MaxWindowLayers, 28)
		case f.pattern > 0:
			p := or(h.SlidingPattern, or(h.SlidingPatternHidden, f.pattern))
			if p <= 0 {
				return nil, fmt.Errorf("sliding_window_pattern: %d must be positive", p)
			}
			sliding = (i+1)%p != 0
		}
		if sliding {
			out[i] = window
		}
	}
	return out, nil
}
